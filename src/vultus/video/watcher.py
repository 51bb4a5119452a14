"""`Watcher`: a source of frames in, events out."""

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.pipeline.photos import AS_STORED
from vultus.pipeline.recognizer import Recognizer
from vultus.video.events import Teller
from vultus.video.following import Follower
from vultus.video.frame import Frame
from vultus.video.journal import Journal
from vultus.video.looking import LookSettings
from vultus.video.passages.judge import (
    FINAL_SHARE,
    JudgeSettings,
    PassageJudge,
    shots_for_look,
)
from vultus.video.passages.passage import Passage
from vultus.video.passages.shots import ShotBudget, take_shot
from vultus.video.pictures import Pictures
from vultus.video.shown import OnFrame, Presence, Shown, WatchCounts
from vultus.video.sources.base import Source
from vultus.video.tracking.byte_tracker import TrackerSettings
from vultus.video.tracking.track import Track
from vultus.video.uprighting import how_it_lies, upright

logger = logging.getLogger(__name__)

_TOLD_FROM_S = 0.5
"""A face that cannot be judged is worth a word if it was there for so long."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How a source is watched.

    Attributes:
        judge: Who is named.
        look: How often is looked for faces.
        tracker: How they are followed.
        budget: How many shots are embedded.
        window_s: Who is seen again within so many seconds has not left.
        commit_s: How far the video was watched is noted with each event, and so often.
        pictures: Whether the best shot of who is named, or unknown, is kept as a small picture in
            the event, see `NewEvent.picture`.
    """

    judge: JudgeSettings = field(default_factory=JudgeSettings)
    look: LookSettings = field(default_factory=LookSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    budget: ShotBudget = field(default_factory=ShotBudget)
    window_s: float = 30.0
    commit_s: float = 5.0
    pictures: bool = False

    def __post_init__(self) -> None:
        check_range("window_s", self.window_s, low=0)
        check_range("commit_s", self.commit_s, low=0)


class Watcher:
    """Watches a source: finds, follows and names the faces, and writes what happens.

    Everything that is written lands in the gallery's event log, in one transaction with how far the
    source was watched: a watcher that was killed goes on where it was, and tells nothing twice.

    Args:
        recognizer: Finds and embeds faces, and knows thresholds.
        gallery: The enrolled people.
        source: Frames.
        settings: How.
        on_frame: Told each frame, for who looks on.

    Attributes:
        counts: What it took so far.
        journal: What was written.
        on_frame: Told each frame; may be set before `run`. What it raises ends `run`; a film goes
            on from there the next time.
        turn: Entered around the work on each frame, for who lets several take turns; may be set
            before `run`.

    Raises:
        CalibrationError: If the FPIR cannot be kept for a gallery of this size.
        GallerySpaceError: If the gallery is of another model.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        gallery: Gallery,
        source: Source,
        *,
        settings: WatchSettings | None = None,
        on_frame: OnFrame | None = None,
    ) -> None:
        self.settings = settings = WatchSettings() if settings is None else settings
        self.counts = WatchCounts()
        self.journal = Journal(gallery, source)
        self._recognizer, self._source, self.on_frame = recognizer, source, on_frame
        self.turn: AbstractContextManager[object] = nullcontext()
        self._judge = PassageJudge(recognizer, gallery, settings.judge)
        self._alike = self._judge.alike
        self._follower = Follower(
            recognizer.detector,
            look=settings.look,
            tracker=settings.tracker,
            frame_s=source.frame_s,
        )
        self._passages: dict[int, Passage] = {}
        self._looks: dict[int, int] = {}
        self._pictures = Pictures() if settings.pictures else None
        self._shift_s = 0.0
        self._committed_s = 0.0
        self._after = -1
        self._gallery = gallery
        self._teller = self._new_teller(source.began_at)
        self._quiet: dict[str, Any] = self._snapshot(-1)

    def run(self) -> WatchCounts:
        """Watch to the end, or until `Source.close`.

        One that was watched to its end before is not watched again, unless `begin_again`.

        Raises:
            VideoError: If the source cannot be read; what was seen before is told.
        """
        started = time.monotonic()
        if self.journal.is_finished:
            return self.counts
        self._restore()
        try:
            for frame in self._frames():
                with self.turn:
                    self._step(frame)
                if self.on_frame is not None:
                    self.on_frame(frame, self._shown(), self.counts)
                self.counts.seconds = time.monotonic() - started
        except (Exception, KeyboardInterrupt):
            # A live source is gone for good: who was here is told. A file is gone on with later.
            if self._source.is_live:
                self._finish(is_over=False)
            raise
        self._finish(is_over=not self._source.is_live)
        self.counts.seconds = time.monotonic() - started
        return self.counts

    def leave(self) -> None:
        """Tell of who is here that they left, as nobody watches on; after `run`.

        Without, who is here still is when it is watched again within the window.
        """
        for track in self._follower.tracker.end_all():  # of a film that was broken off
            self._end(track.number)
        self._teller.close_visits(float("inf"))
        self._write(self._note())

    def threshold(self) -> Threshold:
        """What names somebody when a passage with as many good shots as are kept ends.

        Raises:
            CalibrationError: If the FPIR cannot be kept for the gallery as it is now.
        """
        return self._judge.known_rule(self.settings.budget.n_best, FINAL_SHARE)[0]

    @property
    def present(self) -> list[Presence]:
        """Who is here; to be asked where frames are told, not by another thread."""
        began_at = self._teller.began_at
        return [
            Presence(
                visit.person,
                began_at + timedelta(seconds=visit.start_s),
                began_at + timedelta(seconds=visit.last_s),
                visit.similarity,
                visit.threshold,
                bool(visit.here),
            )
            for visit in self._teller.visits.values()
        ]

    def begin_again(self) -> None:
        """Watch a film anew; the events of the run before stay."""
        self.journal.begin_again()
        self._teller = self._new_teller(self._source.began_at)

    def _new_teller(self, began_at: datetime) -> Teller:
        journal = self.journal
        return Teller(
            self._gallery,
            journal.log,
            self._source.name,
            journal.prefix,
            began_at,
            self.settings.window_s,
        )

    def _frames(self) -> Iterator[Frame]:
        """The frames, righted, from where it goes on."""
        if self._source.is_live:
            frames = self._source.frames()
            righting = how_it_lies(self._recognizer, frames)
        else:
            righting = how_it_lies(self._recognizer, self._source.frames())
            # The frame before the first new one tells whether that begins another scene.
            frames = self._source.frames(after=self._after - 1)
        if righting != AS_STORED:
            logger.info("%s: %s", self._source.name, righting.words)
        for frame in frames:
            righted = upright(frame, righting, shift_s=self._shift_s)
            if not self._source.is_live and frame.number <= self._after:
                self._follower.pass_over(righted)
                continue
            yield righted

    def _step(self, frame: Frame) -> None:
        now_s = frame.time_s
        followed = self._follower.take(frame)
        for track in followed.ended:
            self._end(track.number)
        for track in followed.seen:
            self._see(track, frame)
        self._teller.close_visits(now_s)
        self._count(frame)
        if self._follower.is_quiet:
            self._quiet = self._snapshot(frame.number)
        self._commit(now_s)

    def _see(self, track: Track, frame: Frame) -> None:
        passage = self._passages.get(track.number)
        if passage is None:
            passage = Passage(
                track.number, track.start_s, track.seen_s, self._alike, self.settings.budget
            )
            self._passages[track.number] = passage
        passage.seen_s = track.seen_s
        if passage.wants(track.faces, frame.time_s, doubtful=track.is_doubtful):
            shot = take_shot(self._recognizer, frame.image, track.faces, time_s=frame.time_s)
            self.counts.shots += 1
            other = passage.take(shot)
            if other is not None:
                was = self._follower.tracker.renumbered(track)
                self._end(was)
                other.number = track.number
                self._passages[track.number] = passage = other
            if self._pictures is not None:
                self._pictures.look(passage, shot, frame.image, track.box)
        there_s = passage.seen_s - passage.start_s
        if passage.best or (there_s >= _TOLD_FROM_S and passage.n_faces):
            self._teller.appeared(passage)
        self._look_early(passage, frame.time_s)

    def _look_early(self, passage: Passage, now_s: float) -> None:
        done = self._looks.get(passage.number, 0)
        named = passage.answer is not None and passage.answer.identity is not None
        if named or passage.n_good < shots_for_look(done + 1):
            return
        self._looks[passage.number] = done + 1
        try:
            answer = self._judge.early(passage.shots, look=done + 1)
        except InputError:  # the shots contradict each other; more of them will tell
            return
        if answer is None or answer.refusal:  # which a better shot may mend; else the end says why
            return
        passage.answer = answer
        if answer.identity is not None:
            self._teller.recognised(passage, answer, now_s)
        elif done >= 1:
            self._teller.unknown(passage, answer, now_s)

    def _end(self, number: int) -> None:
        """The final word on a passage."""
        passage = self._passages.pop(number, None)
        self._looks.pop(number, None)
        if passage is None or not self._teller.has_told(passage):
            return
        self.counts.passages += 1
        if not passage.best:
            self._teller.refused(passage, passage.reasons)
        else:
            self._judge_finally(passage)
        self._teller.ended(passage)

    def _judge_finally(self, passage: Passage) -> None:
        try:
            answer = self._judge.final(passage.shots)
        except InputError as error:
            self._teller.refused(passage, (str(error),))
            return
        if answer.refusal:
            self._teller.refused(passage, answer.refusal)
        elif answer.identity is None:
            self._teller.unknown(passage, answer, passage.seen_s)
        else:
            self._teller.recognised(passage, answer, passage.seen_s)

    def _count(self, frame: Frame) -> None:
        self.counts.frames += 1
        self.counts.dropped = frame.dropped
        self.counts.searches = self._follower.looker.n_searches
        self.counts.regions = self._follower.looker.n_regions

    def _commit(self, now_s: float) -> None:
        pending = self._teller.pending
        if not pending and now_s - self._committed_s < self.settings.commit_s:
            return
        self._write(self._note())
        self._committed_s = now_s

    def _write(self, note: dict[str, Any]) -> None:
        pending = self._teller.pending
        if self._pictures is not None:
            pending[:] = self._pictures.added(pending)
            self._pictures.forget_but(self._passages)
        self.journal.commit(pending, note)
        self.counts.events.update(event.type for event in pending)
        pending.clear()

    def _note(self) -> dict[str, Any]:
        """From where to go on: a file since nobody was in view, a live source as it is."""
        if not self._source.is_live:
            return self._quiet
        self._teller.seen(self._passages.values())
        here = [
            {"number": p.number, "start_s": p.start_s, "seen_s": p.seen_s}
            for p in self._passages.values()
            if self._teller.has_told(p) and not self._teller.is_visiting(p)
        ]
        return self._snapshot(0) | {"here": here}

    def _snapshot(self, number: int) -> dict[str, Any]:
        return {
            "after": number,
            "follow": self._follower.to_dict(),
            "visits": [visit.to_dict() for visit in self._teller.visits.values()],
            "began_at": self._teller.began_at.isoformat(),
        }

    def _restore(self) -> None:
        noted = self.journal.noted
        if "follow" not in noted:
            return
        self._follower.restore(noted["follow"])
        if self._source.is_live:
            # Its seconds go on counting from when it was watched first.
            first = datetime.fromisoformat(noted["began_at"])
            self._shift_s = (self._source.began_at - first) / timedelta(seconds=1)
            self._teller = self._new_teller(first)
            for one in noted.get("here", ()):
                self._teller.left_by(one["number"], one["start_s"], one["seen_s"])
        else:
            self._after = noted["after"]
        self._teller.restore_visits(noted["visits"])
        self._quiet = self._snapshot(self._after)

    def _finish(self, *, is_over: bool) -> None:
        for track in self._follower.tracker.end_all():
            self._end(track.number)
        note = self._note()
        if is_over:
            self._teller.close_visits(float("inf"))
            note = {"finished": True}
        self._write(note)

    def _shown(self) -> list[Shown]:
        shown = []
        for track in self._follower.tracker.tracks:
            passage = self._passages.get(track.number)
            if passage is None or track.state != "tracked":
                continue
            answer = passage.answer
            shown.append(
                Shown(
                    track.number,
                    track.motion.box.astype(np.float32),
                    track.landmarks,
                    None if answer is None else answer.identity,
                    answer,
                    passage.start_s,
                    () if passage.best else passage.reasons,
                )
            )
        return shown
