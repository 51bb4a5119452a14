from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.video.world import FRAME_S, SPACE, Script, Walk, enrolled

from vultus.core.errors import VideoError
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.quality.gate import QualityGate
from vultus.video.frame import Frame
from vultus.video.passages.judge import JudgeSettings
from vultus.video.shown import Shown, WatchCounts
from vultus.video.watcher import Watcher, WatchSettings

SETTINGS = WatchSettings(judge=JudgeSettings(threshold=0.6), window_s=2.5)
Line = tuple[Any, ...]


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "people.db", space=SPACE, outlier_similarity=0.5) as opened:
        enrolled(opened, 1, 2)
        yield opened


def watch(gallery: Gallery, script: Script, settings: WatchSettings = SETTINGS) -> Watcher:
    watcher = Watcher(script.recogniser(), gallery, script, settings=settings)
    watcher.run()
    return watcher


def lines(gallery: Gallery) -> list[Line]:
    found = EventLog(gallery).read(limit=1000)
    return [(e.type, e.identity, e.data["track"], e.data["start_s"]) for e in found]


def test_who_comes_is_told_once_each(gallery: Gallery) -> None:
    script = Script([Walk(1, 10, 60), Walk(9, 20, 70, (400, 300), (500, 300))], 120)
    watch(gallery, script)
    told = lines(gallery)
    assert {*told} == {
        ("appeared", None, 1, 0.4),
        ("recognised", "person 1", 1, 0.4),
        ("left", "person 1", 1, 0.4),
        ("appeared", None, 2, 0.8),
        ("unknown", None, 2, 0.8),
        ("left", None, 2, 0.8),
    }
    assert len(told) == 6
    assert [line[0] for line in told].index("recognised") < 3  # before it went


def test_a_name_comes_early_and_the_end_is_when_it_was_seen_last(gallery: Gallery) -> None:
    script = Script([Walk(1, 10, 60)], 120)
    watch(gallery, script)
    events = {e.type: e for e in EventLog(gallery).read()}
    began = script.began_at
    recognised = (began + timedelta(seconds=0.4 + 0.6)).isoformat()
    assert events["recognised"].at < recognised
    left = events["left"]
    assert left.data["end_s"] == pytest.approx(60 * FRAME_S, abs=0.11)
    ended = began + timedelta(seconds=left.data["end_s"])
    assert left.at == ended.isoformat(timespec="milliseconds")


def test_who_cannot_be_judged_is_said_to_be_and_not_named(gallery: Gallery) -> None:
    watch(gallery, Script([Walk(1, 10, 60, poor=True)], 100))
    assert [line[:2] for line in lines(gallery)] == [
        ("appeared", None),
        ("refused", None),
        ("left", None),
    ]
    refused = EventLog(gallery).read(types=["refused"])[0]
    assert refused.data["reasons"] == ["too poor"]


def test_who_comes_back_within_the_window_never_left(gallery: Gallery) -> None:
    script = Script([Walk(1, 0, 25), Walk(1, 60, 90), Walk(1, 200, 230)], 300)
    watch(gallery, script)
    named = [(line[0], line[2]) for line in lines(gallery) if line[1]]
    assert named == [("recognised", 1), ("left", 1), ("recognised", 3), ("left", 3)]
    left = EventLog(gallery).read(types=["left"])[0]
    assert left.data["tracks"] == [1, 2]
    assert left.data["end_s"] == pytest.approx(90 * FRAME_S, abs=0.11)


def test_two_who_change_places_unnoticed_are_split(gallery: Gallery) -> None:
    watch(gallery, Script([Walk(1, 0, 100, becomes=2)], 150))
    named = [(line[0], line[1], line[2]) for line in lines(gallery) if line[1]]
    assert named == [
        ("recognised", "person 1", 1),
        ("recognised", "person 2", 2),
        ("left", "person 1", 1),
        ("left", "person 2", 2),
    ]
    ends = [e.data["end_s"] for e in EventLog(gallery).read(types=["left"])]
    assert ends[0] <= 50 * FRAME_S + 0.01  # not a moment longer than it was


def test_a_cut_ends_every_passage(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter(range(1000))
    monkeypatch.setattr(
        "vultus.video.tracking.cuts.CutFinder.is_cut", lambda self, image: next(seen) == 50
    )
    watch(gallery, Script([Walk(9, 0, 100)], 110))
    left = [(line[2], line[3]) for line in lines(gallery) if line[0] == "left"]
    assert left == [(1, 0.0), (2, pytest.approx(2.0, abs=0.41))]


def test_only_a_fraction_of_the_frames_is_searched_and_embedded(gallery: Gallery) -> None:
    script = Script([Walk(1, 0, 249)], 250)
    counts = watch(gallery, script).counts
    assert counts.frames == 250
    assert counts.searches <= 10 / 0.4 + 2
    assert counts.regions <= 10 / 0.1
    assert counts.shots == len(script.embedded) <= 5 / 0.2 + 10 / 0.5


def test_a_video_that_was_watched_is_not_watched_again_unless_asked(gallery: Gallery) -> None:
    script = Script([Walk(1, 10, 60)], 100)
    first = watch(gallery, script)
    told = lines(gallery)
    assert first.journal.is_finished
    again = watch(gallery, script)
    assert again.counts.frames == 0
    assert lines(gallery) == told
    again.journal.begin_again()
    watch(gallery, script)
    assert lines(gallery) == told + told
    assert len({e.id for e in EventLog(gallery).read()}) == 2 * len(told)


def test_another_video_of_the_same_name_is_watched(gallery: Gallery) -> None:
    watch(gallery, Script([Walk(1, 10, 60)], 100))
    other = watch(gallery, Script([Walk(2, 10, 60)], 100, fingerprint="cafe"))
    assert other.counts.frames == 100


def test_who_was_erased_meanwhile_is_in_no_event(gallery: Gallery) -> None:
    def erase(frame: Frame, shown: list[Shown], counts: WatchCounts) -> None:
        if frame.number == 40:
            assert [face.identity for face in shown] == ["person 1"]
            gallery.remove("person 1")

    script = Script([Walk(1, 10, 60)], 100)
    Watcher(script.recogniser(), gallery, script, settings=SETTINGS, on_frame=erase).run()
    assert [line[0] for line in lines(gallery)] == ["appeared", "unknown", "left"]


def test_a_live_source_that_breaks_tells_who_was_here(gallery: Gallery) -> None:
    script = Script([Walk(1, 10, 200), Walk(9, 10, 200, (400, 300), (500, 300))], is_live=True)
    frames = script.frames

    def broken(*, after: int = -1) -> Iterator[Frame]:
        for frame in frames():
            if frame.number == 80:
                raise VideoError("door gave no frame for 5 s")
            yield frame

    script.frames = broken  # type: ignore[method-assign]
    watcher = Watcher(script.recogniser(), gallery, script, settings=SETTINGS)
    with pytest.raises(VideoError):
        watcher.run()
    assert ("left", None, 2, 0.4) in lines(gallery)
    # The camera is back after two seconds: within the window, and numbers go on.
    later = replace(script, n_frames=200, begin=130)
    later.began_at = script.began_at + timedelta(seconds=130 * FRAME_S)
    watch(gallery, later)
    told = lines(gallery)
    assert [line[2] for line in told if line[0] == "appeared"] == [1, 2, 3, 4]
    assert [line[0] for line in told if line[1]] == ["recognised"]  # and is here still
    unknown = [line[3] for line in told if line[0] == "unknown"]
    assert unknown[-1] >= 5.2  # seconds since the camera was watched first


DOUBTS = replace(
    QualityGate(**dict.fromkeys(QualityGate.__slots__, None)), min_trust=0.2, doubt_step=1.0
)


@pytest.mark.parametrize(("trust", "kept", "is_named"), [(0.2, 0.2, False), (0.2, 0.9, True)])
def test_who_is_doubtful_and_known_by_doubtful_photos_alone_needs_more(
    tmp_path: Path, trust: float, kept: float, is_named: bool
) -> None:
    with Gallery.open(tmp_path / "people.db", space=SPACE, outlier_similarity=0.5) as gallery:
        enrolled(gallery, 1, trust=kept)
        watch(gallery, Script([Walk(1, 10, 60)], 120, limits=DOUBTS, trust=trust))
        events = EventLog(gallery).read()
        kinds = [event.type for event in events]
        assert kinds == ["appeared", "recognised" if is_named else "refused", "left"]
        if not is_named:  # not even early, and not as a stranger
            assert "doubtful: trust 0.20" in events[1].data["reasons"][0]
            assert events[1].person is None
