from collections.abc import Iterator

import numpy as np
import pytest
from tests.liveness.session.heads import Points, landmarks, picture, seen

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.liveness.session.challenge import Challenge
from vultus.liveness.session.movements import Movement
from vultus.liveness.session.session import LivenessSession, Progress, SessionSettings

NONCE = "0" * 32
ASKED: tuple[Movement, ...] = ("turn_left", "tilt_right", "nod")
POSES: dict[Movement, tuple[float, float, float]] = {
    "turn_left": (20, 0, 0), "turn_right": (-20, 0, 0), "nod": (0, 14, 0), "look_up": (0, -14, 0),
    "tilt_left": (0, 0, 24), "tilt_right": (0, 0, -24),
}  # fmt: skip


def _poses(movements: tuple[Movement, ...]) -> Iterator[tuple[float, float, float]]:
    """Straight ahead, then each movement and back again, at 10 frames a second."""
    yield from [(0.0, 0.0, 0.0)] * 4
    for name in movements:
        for part in (0.3, 0.6, 0.9, 1, 1, 1, 0.9, 0.6, 0.3, 0, 0):
            yaw, pitch, roll = POSES[name]
            yield part * yaw, part * pitch, part * roll
    yield from [(0.0, 0.0, 0.0)] * 12


def _frames(
    movements: tuple[Movement, ...], *, flat: bool = False, seed: int = 0
) -> list[tuple[Points, Image]]:
    rng = np.random.default_rng(seed)
    kept: dict[tuple[float, float, float], Image] = {}
    frames = []
    for angles in _poses(movements):
        if angles not in kept:
            kept[angles] = picture(*angles, flat=flat)
        noisy = kept[angles] + rng.normal(0, 3, kept[angles].shape)
        frames.append((landmarks(*angles, flat=flat), np.clip(noisy, 0, 255).astype(np.uint8)))
    return frames


def _driven(
    frames: list[tuple[Points, Image]],
    asked: tuple[Movement, ...] = ASKED,
    *,
    who: dict[int, int] | None = None,
    faces: dict[int, int] | None = None,
) -> LivenessSession:
    session = LivenessSession(Challenge(movements=asked, nonce=NONCE))
    for k, (points, image) in enumerate(frames):
        frame = seen(
            k / 10, points, image, who=(who or {}).get(k, 0), faces=(faces or {}).get(k, 1)
        )
        if session.take(frame).is_over:
            break
    session.end()
    return session


RESTS = (0.5, 1.2, 0.8)


def _asked_with_rests(
    rests_s: tuple[float, ...] = RESTS,
    *,
    step_deg: float = 4,
    late: int = 5,
    faded: int = 0,
) -> LivenessSession:
    """Somebody makes what is asked so many frames later, and comes back; 10 frames a second.

    Pictures are faded into the next over so many frames.
    """
    session = LivenessSession(Challenge(movements=ASKED, nonce=NONCE, rests_s=rests_s))
    rng, now, aims = np.random.default_rng(1), np.zeros(3), [np.zeros(3)] * late
    there = landmarks(), picture()
    for k in range(200):
        asked = session.progress.asked
        aims.append(np.zeros(3) if asked is None else np.array(POSES[asked], float))
        now = now + np.clip(aims[-1 - late] - now, -step_deg, step_deg)
        yaw, pitch, roll = now if faded else now + rng.normal(0, 0.3, 3)
        here, there = there, (landmarks(yaw, pitch, roll), picture(yaw, pitch, roll))
        changes = faded and (here[0] != there[0]).any()
        for step in range(1, faded + 1) if changes else (1,):
            part = step / faded if changes else 1.0
            mixed = (1 - part) * here[1] + part * there[1] + rng.normal(0, 3, (240, 240, 3))
            image = np.clip(mixed, 0, 255).astype(np.uint8)
            # What a detector says of a ghost: somewhere between.
            points = np.asarray((1 - part) * here[0] + part * there[0], np.float32)
            time_s = k / 10 + (step - 1) / 10 / max(1, faded)
            if session.take(seen(time_s, points, image)).is_over:
                return session
    return session


def _code(session: LivenessSession) -> str:
    (reason,) = session.progress.reasons
    return reason.code


@pytest.fixture(scope="module")
def frames() -> list[tuple[Points, Image]]:
    return _frames(ASKED)


def test_a_head_that_does_what_is_asked(frames: list[tuple[Points, Image]]) -> None:
    session = _driven(frames)
    progress = session.progress
    assert progress.state == "accepted"
    assert (progress.done, progress.n_movements, progress.reasons) == (3, 3, ())
    assert progress.depth_deg > 3
    assert progress.least_similarity == pytest.approx(1)
    assert len(session.embeddings) == SessionSettings().neutral_frames


OTHERS = [ASKED[::-1], ("turn_right", "tilt_right", "nod"), ("nod", "turn_left")]


@pytest.mark.parametrize("asked", OTHERS)
def test_another_order(frames: list[tuple[Points, Image]], asked: tuple[Movement, ...]) -> None:
    session = _driven(frames, asked)
    assert _code(session) == "wrong-movement"
    with pytest.raises(InputError, match="must be accepted"):
        _ = session.embeddings


def test_a_photo_that_is_turned_makes_no_turn() -> None:
    session = _driven(_frames(ASKED, flat=True))
    assert session.progress.state == "rejected"
    assert session.progress.done == 0


def test_a_photo_that_is_tilted_is_flat() -> None:
    session = _driven(_frames(("tilt_right",), flat=True), ("tilt_right",))
    assert session.progress.done == 1
    assert _code(session) == "flat"


def test_a_head_that_only_tilts_shows_too_little() -> None:
    assert _code(_driven(_frames(("tilt_right",)), ("tilt_right",))) == "flat"


def test_another_person_takes_over(frames: list[tuple[Points, Image]]) -> None:
    who = dict.fromkeys(range(20, 100), 1)
    assert _code(_driven(frames, who=who)) == "other-person"


def test_somebody_else_beside(frames: list[tuple[Points, Image]]) -> None:
    assert _code(_driven(frames, faces={9: 2})) == "several-faces"


def test_who_does_what_is_asked_after_rests_that_are_drawn() -> None:
    session = _asked_with_rests()
    assert session.progress.reasons == ()
    assert session.progress.state == "accepted"


def test_a_film_does_not_know_when_it_is_asked(frames: list[tuple[Points, Image]]) -> None:
    session = LivenessSession(Challenge(movements=ASKED, nonce=NONCE, rests_s=(3.0, 3.0, 3.0)))
    for k, (points, image) in enumerate(frames[-12:] + frames):  # it rests for a second first
        session.take(seen(k / 10, points, image))
    (reason,) = session.progress.reasons
    assert (reason.code, reason.asked, reason.made) == ("unasked", None, "turn_left")
    assert "a turn to the left was made before it was asked" in reason.text


def test_who_waits_too_long_before_beginning() -> None:
    session = _asked_with_rests(late=30)
    (reason,) = session.progress.reasons
    assert (reason.code, reason.asked) == ("too-slow", "turn_left")
    assert "not begun within 2.5 s" in reason.text


def test_photos_of_a_turned_head_shown_in_turn() -> None:
    assert _code(_asked_with_rests(step_deg=99)) == "at-once"


def test_photos_of_a_turned_head_faded_into_each_other() -> None:
    assert _code(_asked_with_rests(step_deg=99, faded=4)) == "faded"


def test_what_was_asked_and_what_was_made(frames: list[tuple[Points, Image]]) -> None:
    (reason,) = _driven(frames, ("nod",)).progress.reasons
    assert (reason.asked, reason.made) == ("nod", "turn_left")
    assert reason.text == "a nod was asked, a turn to the left was made"


def test_a_cut(frames: list[tuple[Points, Image]]) -> None:
    turned = [(landmarks(0, 0, 50), frames[0][1])]
    assert _code(_driven(frames[:6] + turned)) == "jumped"


def test_frames_that_come_again(frames: list[tuple[Points, Image]]) -> None:
    assert _code(_driven(frames[:20] + frames[:20])) == "repeated-frames"


def test_too_slow_and_time_without_frames(frames: list[tuple[Points, Image]]) -> None:
    session = LivenessSession(Challenge(movements=ASKED, nonce=NONCE), begun_s=0)
    assert session.wait(7).state == "straight ahead"
    assert _waited(session, 8.5) == "too-slow"
    other = LivenessSession(Challenge(movements=ASKED, nonce=NONCE))
    for k in range(6):
        other.take(seen(k / 10, *frames[k]))
    assert _waited(other, 1.6) == "no-face"


def _waited(session: LivenessSession, time_s: float) -> str:
    progress: Progress = session.wait(time_s)
    return progress.reasons[0].code


def test_the_end_comes_too_soon(frames: list[tuple[Points, Image]]) -> None:
    assert _code(_driven(frames[:12])) == "ended"
    assert _code(_driven([])) == "ended"


def test_nothing_is_looked_at_after_the_end(frames: list[tuple[Points, Image]]) -> None:
    session = _driven(frames)
    before = session.progress
    assert session.take(seen(99, *frames[0], faces=2)) == before
    assert session.end() == before


def test_frames_ascend_in_time(frames: list[tuple[Points, Image]]) -> None:
    session = LivenessSession(Challenge(movements=ASKED, nonce=NONCE))
    session.take(seen(1, *frames[0]))
    with pytest.raises(InputError, match="ascend in time"):
        session.take(seen(1, *frames[1]))


def test_a_face_held_in_profile_is_not_straight_ahead(frames: list[tuple[Points, Image]]) -> None:
    session = LivenessSession(Challenge(movements=ASKED, nonce=NONCE))
    for k in range(5):
        session.take(seen(k / 10, landmarks(50), frames[k][1]))
    assert session.progress.state == "straight ahead"


def test_what_is_told_is_fit_for_json(frames: list[tuple[Points, Image]]) -> None:
    told = _driven(frames, ("nod",)).progress.to_dict()
    assert told["state"] == "rejected"
    assert told["reasons"][0]["code"] == "wrong-movement"
