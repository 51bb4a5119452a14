import numpy as np
import numpy.typing as npt

from vultus.video.tracking.cuts import CutFinder

Image = npt.NDArray[np.uint8]


def scene(seed: int) -> Image:
    coarse = np.random.default_rng(seed).integers(0, 200, (6, 8, 3))
    return coarse.repeat(40, axis=0).repeat(40, axis=1).astype(np.uint8)


def cuts(images: list[Image]) -> list[int]:
    finder = CutFinder()
    return [n for n, image in enumerate(images) if finder.is_cut(image)]


def test_another_scene_is_a_cut_and_only_its_first_frame() -> None:
    assert cuts([scene(1)] * 3 + [scene(2)] * 3 + [scene(1)] * 2) == [3, 6]


def test_light_and_movement_are_none() -> None:
    still = scene(1)
    moved = np.roll(still, 8, axis=1)
    bright = (still * 0.4 + 120).astype(np.uint8)
    faces = still.copy()
    faces[60:160, 100:200] = 90
    assert cuts([still, moved, still, bright, still, faces, still]) == []


def test_a_black_picture_between_two_scenes_is_a_cut() -> None:
    black = np.zeros_like(scene(1))
    assert cuts([scene(1), black, black, scene(2)]) == [1, 3]
