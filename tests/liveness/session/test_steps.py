import numpy as np

from vultus.liveness.session.steps import StepFinder

TURN = [0.0, 0.1, 0.5, 1.0, 1.5, 1.8]
SLIDE = [0.0, 0.1, 1.8, 1.8]


def _change(finder: StepFinder, values: list[float]) -> None:
    finder.begin()
    for value in values:
        finder.take(value)
    finder.end()


def test_a_head_is_seen_under_way() -> None:
    finder = StepFinder()
    for _ in range(4):
        _change(finder, TURN)
    assert (finder.n_changes, finder.n_at_once, finder.lacking) == (4, 0, None)


def test_photos_shown_in_turn() -> None:
    finder = StepFinder()
    _change(finder, SLIDE)
    assert not finder.lacking  # one may be a frame that was lost
    for value in reversed(SLIDE):  # and back again
        finder.take(value)
    finder.end()
    assert finder.lacking is not None
    assert finder.lacking.code == "at-once"
    assert "2 of 2 changes" in finder.lacking.text


def test_one_hasty_movement_of_several_is_none() -> None:
    finder = StepFinder()
    for values in (TURN, SLIDE, TURN, SLIDE):
        _change(finder, values)
    assert (finder.n_at_once, finder.lacking) == (2, None)
    _change(finder, SLIDE)
    assert finder.lacking


def _fades(finder: StepFinder, values: list[float]) -> None:
    ends = np.random.default_rng(0).uniform(0, 255, (2, 64, 64))
    finder.begin()
    for value in values:
        part = value / 1.8
        finder.take(value, ((1 - part) * ends[0] + part * ends[1]).astype(np.uint8))
    finder.end()


def test_photos_that_fade_into_each_other() -> None:
    finder = StepFinder()
    for _ in range(2):
        _fades(finder, TURN)
        _change(finder, TURN)
    assert (finder.n_faded, finder.lacking) == (2, None)  # not more than half of the changes
    _fades(finder, TURN)
    assert finder.lacking is not None
    assert finder.lacking.code == "faded"
    assert "3 of 5 changes" in finder.lacking.text


def test_photos_that_fade_or_change_at_once() -> None:
    finder = StepFinder()
    _fades(finder, TURN)
    _change(finder, SLIDE)
    assert finder.lacking is not None
    assert "2 of 2 changes" in finder.lacking.text
