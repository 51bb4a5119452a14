import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.data.damage import CLEAN, DAMAGES, KINDS, find_damage
from vultus.data.damage.base import damage, eye_distance

LANDMARKS = np.array([[40, 50], [76, 50], [58, 70], [43, 90], [73, 90]], np.float32)


def photo() -> np.ndarray:
    y, x = np.mgrid[:140, :120]
    grain = np.random.default_rng(0).integers(0, 60, (140, 120, 3))
    base = np.stack([x + 40, y + 20, (x + y) // 2 + 30], axis=2)
    return np.clip(base + grain, 0, 255).astype(np.uint8)


EVERY = [(name, strength) for name, one in DAMAGES.items() for strength in one.strengths]


@pytest.mark.parametrize(("name", "strength"), EVERY)
def test_every_damage_changes_a_copy_and_repeats_itself(name: str, strength: float) -> None:
    image = photo()
    kept = image.copy()
    made = [
        find_damage(name)(image, LANDMARKS, strength=strength, generator=np.random.default_rng(3))
        for _ in range(2)
    ]
    np.testing.assert_array_equal(image, kept)
    np.testing.assert_array_equal(made[0], made[1])
    assert made[0].dtype == np.uint8
    assert made[0].ndim == 3
    assert made[0].shape[2] == 3
    assert made[0].shape != image.shape or np.abs(made[0].astype(int) - image).mean() > 1


def test_there_are_many_kinds_and_each_has_damage() -> None:
    assert len(DAMAGES) >= 40
    told = {one.kind for one in DAMAGES.values()} | {CLEAN, "badly aligned", "not a face"}
    assert told == set(KINDS)


def test_what_is_unknown_or_taken_is_refused() -> None:
    with pytest.raises(InputError, match="turn-180"):
        find_damage("turn-18")
    with pytest.raises(InputError, match="new name"):
        damage("noise", "noise", 1)
    with pytest.raises(InputError, match="photo"):
        find_damage("noise")(
            np.zeros((4, 4), np.uint8), LANDMARKS, strength=1, generator=np.random.default_rng(0)
        )


def test_the_unit_is_the_distance_between_the_eyes() -> None:
    assert eye_distance(LANDMARKS) == 36
    assert eye_distance(np.zeros((5, 2), np.float32)) == 1
