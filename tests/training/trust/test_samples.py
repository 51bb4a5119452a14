from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.data.base import open_dataset
from vultus.data.damage import CLEAN, DAMAGES
from vultus.data.damage.base import LOOKS
from vultus.training.trust.samples import GROUPS, NO_LOOK, SampleCounts, damaged_samples


def test_every_damage_gets_its_share_and_draws_repeat(portraits: Path, guessing: Any) -> None:
    told: list[tuple[int, int]] = []
    data = open_dataset(portraits)
    counts = SampleCounts(damaged=4, clean=7)
    made = [
        damaged_samples(
            data,
            guessing,
            counts=counts,
            seed=3,
            progress=lambda _, done, total: told.append((done, total)),
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(made[0].pixels, made[1].pixels)
    assert told[-1] == (len(GROUPS), len(GROUPS))
    samples = made[0]
    assert samples.pixels.shape[1:] == (112, 112, 3)
    assert set(samples.damage.tolist()) >= {CLEAN, *DAMAGES}
    assert (samples.damage == CLEAN).sum() == 7
    for name, damage in DAMAGES.items():
        own = samples.damage == name
        times = min(4, max(1, damage.looks // LOOKS))
        each = -(-4 * times // len(damage.strengths))
        assert own.sum() == each * len(damage.strengths)
        for strength in damage.strengths:
            people = samples.person[own & np.isclose(samples.strength, strength)]
            assert len(set(people.tolist())) == len(people)


def test_a_look_is_the_same_for_all_strengths_and_people(portraits: Path, guessing: Any) -> None:
    data, counts = open_dataset(portraits), SampleCounts(damaged=20, clean=1)
    samples = damaged_samples(data, guessing, counts=counts)
    covered = samples.damage == "half-cover"
    shared = covered & (samples.look >= 0)
    assert 0.6 < shared.sum() / covered.sum() <= 0.85
    assert (samples.look[samples.damage == "noise"] == NO_LOOK).all()
    for look in set(samples.look[shared].tolist()):
        crops = samples.pixels[shared & (samples.look == look)].astype(int)
        left, right = crops[:, 40:70, 12:18], crops[:, 40:70, 94:100]
        # One side is one colour in all of them; which side it is, and its colour, are the look.
        flat = left if np.ptp(left[0], axis=(0, 1)).max() < 8 else right
        assert np.ptp(flat, axis=(0, 1, 2)).max() < 12


def test_no_damage_is_made_where_none_is_wanted(portraits: Path, guessing: Any) -> None:
    counts = SampleCounts(damaged=0, clean=5)
    samples = damaged_samples(open_dataset(portraits), guessing, counts=counts)
    assert samples.damage.tolist() == [CLEAN] * 5


def test_crops_of_another_size_are_named(face_folder: Path, guessing: Any) -> None:
    with pytest.raises(InputError, match="crops must be 112 x 112"):
        damaged_samples(open_dataset(face_folder), guessing, counts=SampleCounts(0, 5))


class _Refusing:
    """A detector that must not be asked."""

    name = "refusing"

    def detect(self, image: Any) -> Any:
        raise AssertionError("asked although all samples are kept")


def test_kept_samples_are_taken_up_again_and_others_not_mistaken_for_them(
    portraits: Path, guessing: Any, tmp_path: Path
) -> None:
    data, counts = open_dataset(portraits), SampleCounts(damaged=0, clean=5)
    made = damaged_samples(data, guessing, counts=counts, kept=tmp_path)
    again = damaged_samples(data, _Refusing(), counts=counts, kept=tmp_path)  # type: ignore[arg-type]
    np.testing.assert_array_equal(again.pixels, made.pixels)
    np.testing.assert_array_equal(again.person, made.person)
    assert again.damage.tolist() == made.damage.tolist()
    with pytest.raises(AssertionError, match="asked"):
        damaged_samples(data, _Refusing(), counts=counts, seed=1, kept=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="asked"):
        damaged_samples(
            data,
            _Refusing(),  # type: ignore[arg-type]
            counts=SampleCounts(damaged=0, clean=6),
            kept=tmp_path,
        )
