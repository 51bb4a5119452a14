import io
import json
import logging
import sys
from types import TracebackType

import pytest

from vultus.server.logs import REQUEST_ID, Lines, LogFormat, told, where


def _logger(form: LogFormat) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    logger = logging.Logger("vultus.server")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines(form))
    logger.addHandler(handler)
    return logger, stream


def test_a_line_for_programs_is_an_object() -> None:
    logger, stream = _logger("json")
    token = REQUEST_ID.set("r1")
    told(logger, logging.INFO, "request", {"status": 200, "key": None})
    REQUEST_ID.reset(token)
    logger.warning("two\nlines of %s", "itself")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first.pop("at").endswith("+00:00")
    assert first == {
        "level": "INFO",
        "logger": "vultus.server",
        "event": "request",
        "status": 200,
        "request": "r1",
    }
    assert second["message"] == "two lines of itself"


def test_a_line_for_people_has_the_fields_too() -> None:
    logger, stream = _logger("text")
    told(logger, logging.INFO, "request", {"status": 200})
    assert stream.getvalue().endswith(' INFO request {"status": 200}\n')


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_is_told_by_kind_and_place(form: LogFormat) -> None:
    logger, stream = _logger(form)
    try:
        raise ValueError("somebody's name")
    except ValueError:
        logger.exception("it failed")
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert "ValueError" in written
    assert "test_logs.py" in written
    assert "somebody" not in written


def test_where_is_no_longer_than_some_frames() -> None:
    def deep(levels: int) -> TracebackType | None:
        try:
            _fall(levels)
        except RuntimeError:
            return sys.exc_info()[2]
        return None

    assert len(where(deep(50))) == 12
    assert where(deep(50))[-1].endswith("in _fall")
    assert where(None) == []


def _fall(levels: int) -> None:
    if not levels:
        raise RuntimeError
    _fall(levels - 1)
