import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.liveness.session.repeats import RepeatFinder


def _film(n: int, *, seed: int = 0, noise: float = 2.0) -> list[Image]:
    """A camera that pans over a large soft texture, with its noise."""
    coarse = np.random.default_rng(99).integers(40, 215, (20, 90), dtype=np.uint8)
    scene = cv2.resize(coarse, (1080, 240), interpolation=cv2.INTER_CUBIC).astype(np.float64)
    rng = np.random.default_rng(seed)
    frames = []
    for k in range(n):
        grey = scene[k : k + 90, 9 * k : 9 * k + 120]
        noisy = grey[..., None] + rng.normal(0, noise, (90, 120, 3))
        frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return frames


def _wrong(frames: list[Image], *, fps: float = 12) -> str:
    finder = RepeatFinder()
    return next((why for k, one in enumerate(frames) if (why := finder.take(one, k / fps))), "")


def test_a_film_that_goes_on() -> None:
    assert _wrong(_film(60)) == ""


def test_a_scene_that_rests_with_a_cameras_noise() -> None:
    rng = np.random.default_rng(1)
    still = [
        np.clip(_film(1)[0] + rng.normal(0, 2, (90, 120, 3)), 0, 255).astype(np.uint8)
        for _ in range(60)
    ]
    assert _wrong(still) == ""


def test_a_frozen_picture() -> None:
    assert "stands still" in _wrong(_film(30) + _film(31)[30:] * 20)


def test_every_frame_twice_is_a_slow_camera_thrice_is_not() -> None:
    assert _wrong([one for one in _film(30) for _ in range(2)]) == ""
    assert "once more" in _wrong([one for one in _film(30) for _ in range(3)])


def test_frames_that_come_again() -> None:
    film = _film(20)
    assert "second time" in _wrong(film + film)


def test_a_loop_filmed_anew() -> None:
    assert "in a row were seen before" in _wrong(_film(20) + _film(20, seed=1))


def test_a_film_to_and_fro_filmed_anew() -> None:
    assert "in a row were seen before" in _wrong(_film(20) + _film(20, seed=1)[::-1])


def test_a_head_that_comes_back_the_same_way() -> None:
    film = _film(40)
    assert _wrong(film[::2] + _film(40, seed=1)[-3::-2]) == ""  # between where it was before


def test_clocks_that_do_not_agree() -> None:
    finder = RepeatFinder()
    slow = [finder.take(one, k / 10, sent_s=100 + k / 25) for k, one in enumerate(_film(40))]
    assert "own clock" in next(why for why in slow if why)
    again = RepeatFinder()
    told = [
        again.take(one, k / 10, sent_s=s)
        for k, (one, s) in enumerate(zip(_film(3), (1, 2, 2), strict=True))
    ]
    assert told[-1] == "the frames' own times do not ascend"


def test_clocks_that_agree() -> None:
    finder = RepeatFinder()
    assert not any(finder.take(one, 7 + k / 10, sent_s=k / 10.5) for k, one in enumerate(_film(40)))
