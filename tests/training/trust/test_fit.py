from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from vultus.data.damage import KINDS
from vultus.training.trust.fit import (
    FitSettings,
    Targets,
    attraction,
    damage_kinds,
    fit_layers,
    log_stretch,
)


@dataclass
class Photos:
    """What was done to whose photos."""

    person: Any
    damage: Any
    strength: Any
    look: Any


def photos(person: Any, damage: Any, look: Any = -1) -> Photos:
    n = len(person)
    return Photos(person, damage, np.ones(n, np.float32), np.zeros(n, np.int64) + look)


def test_faces_that_are_drawn_to_each_other_have_the_higher_attraction() -> None:
    rng = np.random.default_rng(0)
    apart = rng.normal(size=(30, 64))
    together = rng.normal(size=(30, 64)) * 0.3 + rng.normal(size=64)
    raw = np.concatenate([apart, together])
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    damage = np.array(["noise"] * 30 + ["dither"] * 30)
    drawn = attraction(vectors, photos(np.arange(60), damage))
    assert drawn[:30].max() < drawn[30:].min()

    # By a plain loop: 6 % of 30 are fewer than three, so three.
    tails = []
    for i in range(30):
        others = sorted((float(vectors[i] @ vectors[j]) for j in range(30) if j != i), reverse=True)
        tails.append(np.mean(others[:3]))
    wanted = 0.6 * np.array(tails) + 0.4 * np.mean(tails)
    np.testing.assert_allclose(drawn[:30], wanted, rtol=1e-4, atol=1e-5)


def test_one_persons_own_photos_do_not_count() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 0, 1, 2, 3]]
    person = np.array([0, 0, 0, 1, 2, 3])
    assert attraction(vectors, photos(person, np.full(6, "noise"))).max() <= 0


def test_only_those_of_one_look_count() -> None:
    rng = np.random.default_rng(1)
    looks = np.repeat([0, 1, 2], 12)
    raw = rng.normal(size=(36, 64)) * 0.3 + rng.normal(size=(3, 64))[looks]
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    damage = np.full(36, "mask")
    told = attraction(vectors, photos(np.arange(36), damage, looks))
    apart = attraction(vectors, photos(np.arange(36), damage, np.arange(36) % 12))
    assert told.min() > apart.max() + 0.3


def test_targets_of_names() -> None:
    names = np.array(["clean", "turn-180", "stretch-wide", "stretch-tall", "not a face"])
    kinds = [KINDS[place] for place in damage_kinds(names)]
    assert kinds == [
        "clean", "turned 180 degrees", "stretched wide", "stretched tall", "not a face",
    ]  # fmt: skip
    logs = log_stretch(names, np.array([0, 1, 1.5, 1.5, 1], np.float32))
    np.testing.assert_allclose(logs, [0, 0, np.log(1.5), -np.log(1.5), 0], rtol=1e-6)


def test_a_fit_learns_what_there_is_to_learn_and_repeats_itself() -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 600)
    features = (rng.normal(size=(600, 20)) + 3 * np.eye(20)[kind]).astype(np.float32)
    drawn = (0.2 + 0.2 * (kind == 1)).astype(np.float32)
    logs = (0.4 * (kind == 2)).astype(np.float32)
    targets = Targets(drawn, logs, kind)
    layers = fit_layers(features, targets, FitSettings(hidden=16, epochs=150))
    again = fit_layers(features, targets, FitSettings(hidden=16, epochs=150))
    np.testing.assert_array_equal(layers["first"], again["first"])

    inputs = (features - layers["centre"]) / layers["scale"]
    hidden = np.maximum(inputs @ layers["first"] + layers["first_bias"], 0)
    outputs = hidden @ layers["second"] + layers["second_bias"]
    assert np.corrcoef(outputs[:, 0], drawn)[0, 1] > 0.75
    assert np.corrcoef(outputs[:, 1], logs)[0, 1] > 0.75
    assert (outputs[:, 2:].argmax(axis=1) == kind).mean() > 0.9
    assert layers["second"].shape == (16, 2 + len(KINDS))
    assert outputs[:, 0].mean() == pytest.approx(drawn.mean(), abs=0.05)
