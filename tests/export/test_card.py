import logging
from typing import Any

import pytest

from vultus.export.card import warn_of_teachers
from vultus.models.cards import Licence
from vultus.training.recipe.recipe import Recipe


def taught_by(teacher: str) -> Recipe:
    values: dict[str, Any] = {
        "backbone": {"name": "vultusnet-s"},
        "sampler": {"name": "shuffled", "batch_size": 2},
        "distillation": {"teacher": teacher},
        "steps": 1,
    }
    return Recipe.from_dict(values, source="")


@pytest.mark.parametrize(
    ("teacher", "commercial", "warns"),
    [
        ("w600k-r50", True, True),
        ("w600k-r50", False, False),
        ("mobilefacenet-y1", True, False),
        ("runs/mine", True, False),
    ],
)
def test_terms_beyond_the_teachers_are_warned_of(
    teacher: str, commercial: bool, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_teachers(taught_by(teacher), Licence("MIT", commercial_use=commercial, source=""))
    assert ("taught by w600k-r50, whose licence" in caplog.text) == warns
