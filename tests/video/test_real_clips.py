"""Real people in real clips, which are not ours to keep: a folder that VULTUS_VIDEO_CLIPS names.

The clips of the sample-videos collection of intel-iot-devkit (CC-BY 4.0): four people in two or
three clips each, a fifth in one, and a room of faces too small to name.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from vultus.gallery.events.event import Event
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.liveness.session.challenge import parse_challenge
from vultus.liveness.session.session import Progress
from vultus.pipeline.recognizer import Recognizer
from vultus.video.enrolment import enroll_video
from vultus.video.frame import Frame
from vultus.video.liveness_session import run_session
from vultus.video.passages.judge import JudgeSettings
from vultus.video.sources.base import Source
from vultus.video.sources.opening import open_source
from vultus.video.watcher import Watcher, WatchSettings

pytestmark = [pytest.mark.models, pytest.mark.slow]

CLIPS = {
    "A": ("asl_again", "asl_brother", "asl_help"),
    "B": ("asl_milk", "asl_bird", "asl_please"),
    "C": ("asl_book", "asl_learn"),
    "D": ("asl_eat", "asl_night"),
}


@pytest.fixture(scope="module")
def clips() -> Path:
    folder = os.environ.get("VULTUS_VIDEO_CLIPS", "")
    if not folder:
        pytest.skip("needs the sample clips: set VULTUS_VIDEO_CLIPS to their folder")
    pytest.importorskip("av")
    return Path(folder)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    found = Recognizer()
    found.use_calibration(None)
    return found


@dataclass
class Part:
    """Frames of clips, one after the other, turned if need be."""

    frames_of: Sequence[Frame]
    name: str = "part"
    fingerprint: str = ""
    is_live: bool = False
    frame_s: float = 1 / 30
    began_at: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def frames(self, *, after: int = -1) -> Iterator[Frame]:
        for number, frame in enumerate(self.frames_of):
            if number > after:
                yield Frame(number, number * self.frame_s, frame.image)

    def close(self) -> None:
        return


def clip(clips: Path, name: str) -> Source:
    return open_source(clips / f"{name}.mkv")


def watch(
    recognizer: Recognizer, gallery: Gallery, source: Source, *, cautious: bool | None = None
) -> list[Event]:
    start = EventLog(gallery).position()
    settings = WatchSettings(judge=JudgeSettings(cautious=cautious))
    Watcher(recognizer, gallery, source, settings=settings).run()
    return EventLog(gallery).read(after=start, limit=1000)


def names(events: Sequence[Event]) -> list[str | None]:
    """Who was recognised, after checking that each passage got a word, and each id is its own."""
    assert len({e.id for e in events}) == len(events)
    words = {e.data["track"] for e in events if e.type in ("recognised", "unknown", "refused")}
    words |= {n for e in events if e.type == "left" for n in e.data.get("tracks", ())}
    assert {e.data["track"] for e in events if e.type == "appeared"} <= words
    return [e.identity for e in events if e.type == "recognised"]


@pytest.fixture(scope="module")
def gallery(
    clips: Path, recognizer: Recognizer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gallery]:
    """A to D, each from one clip."""
    with recognizer.open_gallery(tmp_path_factory.mktemp("gallery") / "people.db") as opened:
        for person, (first, *_) in CLIPS.items():
            assert enroll_video(recognizer, opened, person, clip(clips, first)) >= 2
        yield opened


@pytest.mark.parametrize(
    ("person", "name"), [(who, name) for who, (_, *rest) in CLIPS.items() for name in rest]
)
def test_each_is_found_once_in_the_other_clips(
    clips: Path, recognizer: Recognizer, gallery: Gallery, person: str, name: str
) -> None:
    events = watch(recognizer, gallery, clip(clips, name))
    assert names(events) == [person]
    assert [e.identity for e in events if e.type == "left" and e.identity] == [person]


def test_the_fifth_is_a_stranger_and_then_found_in_the_other_half(
    clips: Path, recognizer: Recognizer, gallery: Gallery, tmp_path: Path
) -> None:
    frames = list(clip(clips, "asl_hungry").frames())
    half = len(frames) // 2
    assert names(watch(recognizer, gallery, Part(frames, "stranger"))) == []
    with recognizer.open_gallery(tmp_path / "fifth.db") as fifth:
        enroll_video(recognizer, fifth, "E", Part(frames[:half]))
        assert names(watch(recognizer, fifth, Part(frames[half:]))) == ["E"]


@pytest.mark.parametrize("left_out", list(CLIPS))
def test_who_is_not_enrolled_is_not_named(
    clips: Path, recognizer: Recognizer, tmp_path: Path, left_out: str
) -> None:
    with recognizer.open_gallery(tmp_path / "people.db") as others:
        for person, (first, *_) in CLIPS.items():
            if person != left_out:
                enroll_video(recognizer, others, person, clip(clips, first))
        for name in CLIPS[left_out]:
            assert names(watch(recognizer, others, clip(clips, name))) == []


def test_faces_too_small_to_name_are_said_to_be(
    clips: Path, recognizer: Recognizer, gallery: Gallery
) -> None:
    events = watch(recognizer, gallery, open_source(clips / "classroom.gif"))
    assert names(events) == []
    refused = [e for e in events if e.type == "refused"]
    assert len(refused) >= 3
    assert all("inter-eye distance" in str(e.data["reasons"]) for e in refused)


@pytest.mark.parametrize("swap", [("asl_brother", "asl_night"), ("asl_please", "asl_help")])
def test_two_in_one_place_are_split_and_not_averaged(
    clips: Path, recognizer: Recognizer, gallery: Gallery, swap: tuple[str, str]
) -> None:
    first, second = (list(clip(clips, name).frames()) for name in swap)
    events = watch(recognizer, gallery, Part(first[:45] + second[:45], "-".join(swap)))
    who = {name: person for person, all_of in CLIPS.items() for name in all_of}
    assert names(events) == [who[name] for name in swap]


def test_a_film_that_lies_on_its_side_is_read_upright(
    clips: Path, recognizer: Recognizer, gallery: Gallery
) -> None:
    frames = [
        Frame(f.number, f.time_s, np.ascontiguousarray(np.rot90(f.image)))
        for f in clip(clips, "asl_help").frames()
    ]
    assert names(watch(recognizer, gallery, Part(frames, "turned"))) == ["A"]


HEADS = "head-pose-face-detection-female-and-male.gif"


def _session(clips: Path, recognizer: Recognizer, movements: str) -> Progress:
    frames = open_source(clips / HEADS).frames()
    challenge = parse_challenge(movements)
    region = (0, 0, 240, 270)
    return run_session(frames, recognizer, challenge, region_xyxy=region).progress


def test_an_active_session_goes_by_the_order_of_movements(
    clips: Path, recognizer: Recognizer
) -> None:
    made = _session(clips, recognizer, "tilt_right,look_up")
    assert made.state == "accepted"
    assert made.depth_deg > 4
    for other in ("look_up,tilt_right", "turn_left,tilt_right", "tilt_left,nod", "closer,nod"):
        (reason,) = _session(clips, recognizer, other).reasons
        assert reason.code == "wrong-movement"


def test_two_people_are_no_session(clips: Path, recognizer: Recognizer) -> None:
    frames = open_source(clips / HEADS).frames()
    (reason,) = run_session(frames, recognizer, parse_challenge("tilt_right")).progress.reasons
    assert reason.code == "several-faces"
