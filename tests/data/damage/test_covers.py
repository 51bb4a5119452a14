import numpy as np
import pytest

from vultus.data.damage import find_damage

LANDMARKS = np.array([[40, 50], [76, 50], [58, 70], [43, 90], [73, 90]], np.float32)
IMAGE = np.random.default_rng(0).integers(60, 200, (140, 120, 3), np.uint8)


def covered(name: str, landmarks: np.ndarray = LANDMARKS) -> np.ndarray:
    """Where the photo was changed."""
    strength = find_damage(name).strengths[-1]
    made = find_damage(name)(
        IMAGE, landmarks, strength=strength, generator=np.random.default_rng(1)
    )
    return np.asarray((made != IMAGE).any(axis=2))


def at(mask: np.ndarray, point: np.ndarray) -> bool:
    return bool(mask[round(float(point[1])), round(float(point[0]))])


@pytest.mark.parametrize("name", ["eye-bar", "glasses"])
def test_eyes_are_hidden_and_the_mouth_is_not(name: str) -> None:
    mask = covered(name)
    assert [at(mask, point) for point in LANDMARKS] == [True, True, False, False, False]


@pytest.mark.parametrize("name", ["mouth-bar", "mask"])
def test_the_mouth_is_hidden_and_the_eyes_are_not(name: str) -> None:
    mask = covered(name)
    assert [at(mask, point) for point in LANDMARKS[[0, 1, 3, 4]]] == [False, False, True, True]


def test_covers_follow_a_face_that_is_tilted() -> None:
    turn = np.array([[0, -1], [1, 0]], np.float32)
    tilted = ((LANDMARKS - (58, 70)) @ turn.T + (58, 70)).astype(np.float32)
    mask = covered("eye-bar", tilted)
    assert at(mask, tilted[0])
    assert at(mask, tilted[1])
    assert not at(mask, tilted[3])


def test_half_a_face_is_hidden() -> None:
    mask = covered("half-cover")
    assert at(mask, LANDMARKS[0]) != at(mask, LANDMARKS[1])


@pytest.mark.parametrize(("name", "least"), [("blocks", 0.05), ("bars", 0.3)])
def test_a_part_is_hidden(name: str, least: float) -> None:
    assert least < covered(name).mean() < 0.8
