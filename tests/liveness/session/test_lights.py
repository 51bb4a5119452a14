"""Faces that are computed, lit by a screen of computed light."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from tests.liveness.session.heads import landmarks, picture, seen
from tests.liveness.session.lit import POINTS, Lit, screen

from vultus.core.faces import Image
from vultus.liveness.session.challenge import Challenge, draw_challenge, draw_lights
from vultus.liveness.session.head_pose import head_pose
from vultus.liveness.session.lights import (
    LIGHTS,
    SCREEN_RGB,
    Light,
    LightFinder,
    LightSettings,
    face_colour,
    lit_as,
)
from vultus.liveness.session.reasons import Reason
from vultus.liveness.session.session import LivenessSession

ASKED: tuple[Light, ...] = ("red", "blue", "green", "blue", "red")
OTHER: tuple[Light, ...] = ("blue", "red", "green", "red", "blue")
POSE = head_pose(POINTS)


def tinted(light: Light | None, rng: np.random.Generator) -> Image:
    """A colour laid over a whole film by a program."""
    image = screen(share=0, wall=0)(None, rng).astype(np.float64)
    factors = np.ones(3) if light is None else np.array(SCREEN_RGB[light]) / 255
    return np.asarray(image * factors, np.uint8)


def _shown(lit: Lit, lights: Sequence[Light] = ASKED, *, seed: int = 0) -> Reason | None:
    """What a session says of a face lit by these, where `ASKED` are asked; 8 frames a second."""
    rng = np.random.default_rng(seed)
    finder = LightFinder(ASKED, (1.2,) * len(ASKED), 0.0, LightSettings())
    for k in range(200):
        place = min(finder.done, len(lights) - 1)
        if (reason := finder.take(k / 8, lit(lights[place], rng), POSE)) is not None:
            return reason
        if finder.shown is None:
            return None
    raise AssertionError


@pytest.mark.parametrize("seed", range(5))
def test_a_face_lit_by_the_colours_that_were_asked(seed: int) -> None:
    assert _shown(screen(), seed=seed) is None
    assert _shown(screen(share=0.03, wall=0.0), seed=seed) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_face_that_is_not_lit(seed: int) -> None:
    reason = _shown(screen(share=0, wall=0), seed=seed)
    assert reason is not None
    assert reason.code == "lights"
    assert "was not seen on the face" in reason.text


@pytest.mark.parametrize("seed", range(5))
def test_a_film_of_a_face_lit_in_another_order(seed: int) -> None:
    reason = _shown(screen(), OTHER, seed=seed)
    assert reason is not None
    assert reason.code == "lights"


def test_an_order_that_differs_by_one_light() -> None:
    nearly: tuple[Light, ...] = ("red", "blue", "green", "blue", "green")
    reason = _shown(screen(share=0.2, noise=0.5), nearly)
    assert reason is not None
    assert "another order" in reason.text


@pytest.mark.parametrize("lit", [tinted, screen(share=0.05, wall=0.05)])
def test_a_colour_over_all_of_the_picture(lit: Lit) -> None:
    reason = _shown(lit)
    assert reason is not None
    assert "was not seen on the face" in reason.text


def test_a_face_that_fills_the_picture() -> None:
    image = screen()("red", np.random.default_rng(0))
    assert (
        face_colour(image[70:180, 80:160], head_pose(POINTS - np.array([80, 70], np.float32)))
        is None
    )


def test_who_sends_too_few_frames() -> None:
    finder = LightFinder(ASKED, (1.2,) * 5, 10.0, LightSettings())
    assert finder.late(15.9) is None
    reason = finder.late(16.1)
    assert reason is not None
    assert (reason.code, "red light" in reason.text) == ("too-slow", True)


def test_changes_of_lights_and_likeness() -> None:
    pure = [np.log(np.array(SCREEN_RGB[light])) for light in ASKED]
    change, likeness = lit_as([0.02 * (one - one.mean()) for one in pure], ASKED)
    assert likeness == pytest.approx(1)
    assert change > 0
    assert lit_as([-one for one in pure], ASKED)[1] < 0
    assert lit_as([np.zeros(3)] * 5, ASKED) == (0, 0)


def test_orders_are_drawn() -> None:
    drawn = {draw_lights(5) for _ in range(400)}
    orders = {lights for lights, _ in drawn}
    assert len(orders) > 40  # of 48
    assert all(a != b for one in orders for a, b in itertools.pairwise(one))
    times = [time for _, times in drawn for time in times]
    assert min(times) >= 1.1  # not three flashes in a second: not one
    assert max(times) < 1.701
    assert draw_challenge(2).lights == ()
    assert len(draw_challenge(2, lights=5).lights) == 5
    assert set(LIGHTS) == set(SCREEN_RGB)


def _session(lit: Lit, lights: Sequence[Light] = ASKED) -> LivenessSession:
    """Ahead, a nod, and then the lights, as they are told."""
    challenge = Challenge(
        movements=("nod",), nonce="0" * 32, lights=ASKED, lights_s=(1.1,) * len(ASKED)
    )
    session, rng = LivenessSession(challenge), np.random.default_rng(0)
    pitches = [0.0] * 4 + [4.0, 8.0, 12.0, 14.0, 14.0, 14.0]
    for k in range(300):
        progress = session.progress
        if progress.state in ("lit", "holding"):
            place = 0 if progress.light is None else ASKED.index(progress.light)
            image, points = lit(progress.light and lights[place], rng), POINTS
        else:
            pitch = pitches[min(k, len(pitches) - 1)]
            noisy = picture(0, pitch, px=24) + rng.normal(0, 3, (240, 240, 3))
            image = np.clip(noisy, 0, 255).astype(np.uint8)
            points = landmarks(0, pitch, px=24)
        if session.take(seen(k / 8, points, image)).is_over:
            break
    return session


def test_a_session_with_lights() -> None:
    session = _session(screen())
    assert (session.progress.reasons, session.progress.state) == ((), "accepted")
    assert session.progress.light is None


def test_a_session_whose_lights_are_not_seen() -> None:
    for lit, lights in ((screen(share=0, wall=0), ASKED), (screen(), ("green", "red", "blue") * 2)):
        (reason,) = _session(lit, lights).progress.reasons
        assert reason.code == "lights"
