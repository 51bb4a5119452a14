"""The log names no file, who asked is told by name."""

import logging

import pytest

from vultus.core.notices import give_notice, named_notices, was_told

LOGGER = logging.getLogger("vultus.test")


def test_the_name_goes_to_who_listens_only(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    with named_notices(told.append):
        give_notice(LOGGER, "ann.jpg is cut", logged="a photo is cut")
    give_notice(LOGGER, "bob.jpg is cut", logged="a photo is cut")
    assert told == ["ann.jpg is cut"]
    assert [record.getMessage() for record in caplog.records] == ["a photo is cut"] * 2
    assert [was_told(record) for record in caplog.records] == [True, False]
    assert "ann" not in str([vars(record) for record in caplog.records])
