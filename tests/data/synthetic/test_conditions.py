import dataclasses
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.data.synthetic import Conditions, draw_conditions, draw_identity, render_face


def drawn(difficulty: float, count: int = 400) -> list[Conditions]:
    return [
        draw_conditions(np.random.default_rng([3, number]), difficulty=difficulty)
        for number in range(count)
    ]


def test_at_difficulty_0_only_what_means_nothing_varies() -> None:
    images = drawn(0.0, 20)
    assert {dataclasses.replace(how, detail_seed=0) for how in images} == {
        dataclasses.replace(images[0], detail_seed=0)
    }
    assert (images[0].yaw_deg, images[0].smile, images[0].ambient) == (0.0, 0.0, 1.0)
    assert not images[0].glasses
    assert len({how.detail_seed for how in images}) == 20


@pytest.mark.parametrize(
    "name", ["yaw_deg", "pitch_deg", "smile", "brow_raise", "exposure", "noise", "stubble"]
)
def test_variation_grows_with_the_difficulty(name: str) -> None:
    spread = [np.std([getattr(how, name) for how in drawn(d)]) for d in (0.5, 1.0, 1.5)]
    assert spread[0] < 0.7 * spread[1]
    assert spread[1] < 0.85 * spread[2]


def test_ranges_hold_at_the_greatest_difficulty() -> None:
    for how in drawn(2.0):
        assert abs(how.yaw_deg) <= 38
        assert abs(how.pitch_deg) <= 25
        assert 0 < how.eyes_open <= 1.2
        assert 0 <= how.mouth_open <= 1
        assert 0.2 <= how.ambient <= 1
        assert how.blur_px >= 0
        assert how.distance > 5
        assert np.linalg.norm(how.light_xyz) == pytest.approx(1)
        assert how.light_xyz[2] > 0


def test_habits_decide_who_wears_glasses() -> None:
    for habit, share in ((0.9, 0.8), (0.2, 0.12)):
        worn = [
            draw_conditions(np.random.default_rng([4, n]), glasses_habit=habit).glasses
            for n in range(600)
        ]
        assert np.mean(worn) == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("difficulty", [-0.1, 2.1, float("nan")])
def test_a_difficulty_out_of_range_is_refused(difficulty: float) -> None:
    with pytest.raises(InputError, match="difficulty must be a number in"):
        draw_conditions(np.random.default_rng(0), difficulty=difficulty)


CHANGES: dict[str, Any] = {
    "yaw_deg": 20.0, "pitch_deg": -8.0, "distance": 8.0,
    "landmark_noise": ((0.2, 0.0),) * 3 + ((0.0, 0.2),) * 2,
    "smile": 0.8, "mouth_open": 0.7, "brow_raise": 0.8, "eyes_open": 0.6, "gaze": (0.3, 0.1),
    "exposure": 0.7, "tint": (1.1, 1.0, 0.9), "blur_px": 1.5, "noise": 8.0, "glasses": True,
    "hair_scale": 1.8, "stubble": 0.5, "restyled": True, "detail_seed": 99,
}  # fmt: skip


def test_every_condition_shows() -> None:
    person = dataclasses.replace(
        draw_identity(np.random.default_rng(1)), hair_style="short", beard=0.7
    )
    neutral = draw_conditions(np.random.default_rng(0), difficulty=0)
    before = render_face(person, neutral).image.astype(int)
    lit = {"ambient", "light_xyz"}
    assert set(CHANGES) | lit == {field.name for field in dataclasses.fields(Conditions)}
    for name, value in CHANGES.items():
        changed = render_face(person, dataclasses.replace(neutral, **{name: value})).image
        assert np.abs(changed - before).max() > 8, name


def test_light_comes_from_where_it_is_said_to() -> None:
    person = draw_identity(np.random.default_rng(1))
    neutral = draw_conditions(np.random.default_rng(0), difficulty=0)
    halves = []
    for x in (-0.7, 0.7):
        how = dataclasses.replace(neutral, ambient=0.3, light_xyz=(x, 0.0, 0.714))
        image = render_face(person, how).image[40:100].astype(float)
        halves.append(image[:, 30:56].mean() / image[:, 56:82].mean())
    assert halves[0] > 1.2
    assert halves[1] < 1 / 1.2
