import dataclasses

import numpy as np
import pytest

from vultus.data.synthetic import (
    Conditions,
    SyntheticIdentity,
    draw_conditions,
    draw_identity,
    render_face,
)
from vultus.data.synthetic.identity import HAIR_STYLES

COLOURS = ("skin", "hair", "iris", "lips")


def people(count: int) -> list[SyntheticIdentity]:
    return [draw_identity(np.random.default_rng([7, number])) for number in range(count)]


def neutral() -> Conditions:
    return draw_conditions(np.random.default_rng(0), difficulty=0)


def bearded() -> SyntheticIdentity:
    """Somebody on whom every measure shows."""
    return dataclasses.replace(
        people(1)[0], beard=0.9, moustache=0.65, freckles=0.9, age=0.8, lid_crease=0.6,
        hair_part=-0.6, lip_bow=0.5, upper_lip=0.24,
        hair_style="parted", moles=((0.9, 1.2, 0.1),), skin=(220.0, 180.0, 150.0),
    )  # fmt: skip


MEASURES = [
    field.name
    for field in dataclasses.fields(SyntheticIdentity)
    if field.name not in (*COLOURS, "hair_style", "moles", "marks_seed", "glasses")
]


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_shows(name: str) -> None:
    before = bearded()
    changed = dataclasses.replace(before, **{name: getattr(before, name) * 0.8 - 0.02})
    moved = render_face(changed, neutral()).image.astype(int) - render_face(before, neutral()).image
    assert np.abs(moved).max() > 8


@pytest.mark.parametrize("name", COLOURS)
def test_every_colour_shows(name: str) -> None:
    before = bearded()
    changed = dataclasses.replace(before, **{name: (200.0, 20.0, 200.0)})  # type: ignore[arg-type]
    moved = render_face(changed, neutral()).image.astype(int) - render_face(before, neutral()).image
    assert np.abs(moved).max() > 30


def test_hair_styles_moles_and_freckles_show() -> None:
    styles = {
        render_face(dataclasses.replace(bearded(), hair_style=style), neutral()).image.tobytes()
        for style in HAIR_STYLES
    }
    assert len(styles) == len(HAIR_STYLES)
    for changed in (
        dataclasses.replace(bearded(), moles=()), dataclasses.replace(bearded(), marks_seed=5),
    ):  # fmt: skip
        assert (
            render_face(changed, neutral()).image != render_face(bearded(), neutral()).image
        ).any()


def test_measures_spread_over_their_range_and_average_people_are_more_frequent() -> None:
    widths = np.array([person.face_width for person in people(1500)])
    low, high = 1.9, 2.4
    assert low <= widths.min() < low + 0.04
    assert high - 0.04 < widths.max() <= high
    # The mean of two even draws: variance (high - low)^2 / 24.
    assert widths.std() == pytest.approx((high - low) / np.sqrt(24), rel=0.05)
    beards = np.array([person.beard for person in people(1500)])
    assert beards.std() == pytest.approx(1 / np.sqrt(12), rel=0.05)


def test_colours_are_colours_and_styles_are_all_drawn() -> None:
    drawn = people(300)
    colours = np.array([[getattr(person, name) for name in COLOURS] for person in drawn])
    assert colours.min() >= 0
    assert colours.max() <= 255
    assert colours[:, 0].mean(axis=1).std() > 30
    assert {person.hair_style for person in drawn} == set(HAIR_STYLES)


def test_measures_are_independent_of_each_other() -> None:
    table = np.array([[getattr(person, name) for name in MEASURES] for person in people(1500)])
    correlation = np.corrcoef(table.T) - np.eye(len(MEASURES))
    assert np.abs(correlation).max() < 0.12
