import logging
from pathlib import Path
from typing import Any

import pytest

from vultus.export.card import ExportSettings, card_values, warn_of_teachers
from vultus.models.cards import Licence
from vultus.training.recipe.recipe import Recipe
from vultus.training.run.run_folder import RunFolder


def taught_by(teacher: str, **more: Any) -> Recipe:
    values: dict[str, Any] = {
        "backbone": {"name": "vultusnet-s"},
        "sampler": {"name": "shuffled", "batch_size": 2},
        "distillation": {"teacher": teacher},
        "steps": 1,
        **more,
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


def test_every_member_of_a_committee_that_taught_is_looked_at(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recipe = taught_by("mobilefacenet-y1@2+dlib-resnet@3")
    with caplog.at_level(logging.WARNING):
        warn_of_teachers(recipe, Licence("MIT", commercial_use=True, source=""))
    assert "was taught by mobilefacenet-y1, whose licence" in caplog.text
    assert "dlib-resnet" not in caplog.text  # its makers allow it


def test_so_is_the_model_that_a_run_went_on_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = taught_by("runs/mine", initial={"weights": "vultus-s2"})
    with caplog.at_level(logging.WARNING):
        warn_of_teachers(recipe, Licence("MIT", commercial_use=True, source=""))
    assert "went on from vultus-s2, whose licence" in caplog.text
    folder = RunFolder(tmp_path)
    folder.begin(recipe, resume=False)
    values = card_values(folder, name="mine", settings=ExportSettings())
    assert values["training_data"].endswith("taught by mine; begun as vultus-s2")
    folder.config.unlink()
    folder.begin(taught_by("runs/mine", initial={"weights": "runs/mine"}), resume=False)
    values = card_values(folder, name="mine", settings=ExportSettings())
    assert values["training_data"].endswith("taught by mine")
