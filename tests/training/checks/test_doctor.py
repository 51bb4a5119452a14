import math
from typing import Any

import pytest

from vultus.losses import LOSSES
from vultus.training.checks.doctor import (
    collapse_note,
    evaluation_note,
    first_step_notes,
    settings_notes,
)
from vultus.training.objectives.objective import LossObjective


def objective(name: str, **settings: Any) -> LossObjective:
    return LossObjective(LOSSES.create(name, num_classes=10_572, dim=512, **settings))


def test_a_right_first_loss_is_said_and_a_wrong_one_is_a_warning() -> None:
    arcface = objective("arcface")
    (right,) = first_step_notes(arcface, 43.9, fresh=True)
    assert right == "loss of the first step: 43.90, expected 43.95 of random weights"
    (wrong,) = first_step_notes(arcface, 12.0, fresh=True)
    assert wrong.startswith("warning: loss of the first step: 12.00, expected 43.95")
    assert first_step_notes(arcface, 12.0, fresh=False) == ["loss of the first step: 12.00"]


@pytest.mark.parametrize("loss", [-math.log(1e-30), -math.log(1.17549435e-38)])
def test_caps_of_other_programs_are_known(loss: float) -> None:
    (note,) = first_step_notes(objective("softmax"), loss, fresh=True)
    assert "a cap, not a loss" in note


def test_a_scale_that_cannot_work_is_named() -> None:
    (note,) = settings_notes(objective("normface", scale=5.0))
    assert "scale 5 is below 11.5" in note
    assert settings_notes(objective("normface", scale=30.0)) == []
    assert settings_notes(objective("triplet")) == []
    # The feature's own length is the scale: there is nothing to say beforehand.
    assert settings_notes(objective("a-softmax")) == []
    assert settings_notes(objective("cosface", normalize=False)) == []
    assert objective("a-softmax").expected_first_loss() is None


def test_a_collapsed_network_is_seen_in_triplets_and_in_embeddings() -> None:
    assert "collapsed" in str(collapse_note(objective("triplet"), 0.2))
    assert "collapsed" in str(
        collapse_note(objective("triplet", margin_distance="soft"), math.log(2))
    )
    assert collapse_note(objective("triplet"), 0.1) is None
    assert collapse_note(objective("softmax"), 0.2) is None
    assert "collapsed" in str(evaluation_note(1e-5))
    assert evaluation_note(0.3) is None
