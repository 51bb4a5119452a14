"""What is told of passages: who came, who it was, who left; each exactly once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from vultus.core.results import Identification
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.video.passages.passage import Passage


@dataclass(slots=True, eq=False)
class Visit:
    """Somebody who is enrolled, from the first passage until a window without one.

    Attributes:
        person: `Person.uid`.
        event_id: Of the event that told it.
        track: Number of the first passage.
        start_s: When that began.
        last_s: When the last one was seen last.
        tracks: Numbers of all its passages.
        here: Of those that have not ended.
        similarity: The highest similarity of a passage.
        threshold: Of that passage.
    """

    person: str
    event_id: str
    track: int
    start_s: float
    last_s: float
    tracks: list[int]
    here: set[int]
    similarity: float
    threshold: float

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON; without whose it is, which the log says as long as it may."""
        return {
            "event_id": self.event_id,
            "track": self.track,
            "start_s": self.start_s,
            "last_s": self.last_s,
            "tracks": self.tracks,
            "similarity": self.similarity,
            "threshold": self.threshold,
        }


@dataclass(slots=True, eq=False)
class _Told:
    """What was told of a passage."""

    event_id: str | None = None
    visit: Visit | None = None
    named_id: str | None = None


@dataclass(slots=True, eq=False)
class Teller:
    """Makes events of passages; writing them is for others.

    The id of an event derives from the source, the passage's track and what is told, so that a
    passage that is seen again after a kill tells nothing twice. One person is told once in a
    window: who is seen again within it never left.

    Attributes:
        gallery: The enrolled people.
        log: Where events will be written.
        source: What they say that they are from.
        prefix: Of their ids: source, video and run.
        began_at: When second 0 was.
        window_s: Who is not seen for so long has left, in seconds.
        pending: Events to be written.
        visits: Who is here, by `Person.uid`.
    """

    gallery: Gallery
    log: EventLog
    source: str
    prefix: str
    began_at: datetime
    window_s: float
    pending: list[NewEvent] = field(default_factory=list)
    visits: dict[str, Visit] = field(default_factory=dict)
    _told: dict[int, _Told] = field(default_factory=dict)

    def appeared(self, passage: Passage) -> None:
        """A face came into view; told once."""
        if passage.number not in self._told:
            self._told[passage.number] = _Told()
            self._tell("appeared", passage, at_s=passage.start_s)

    def has_told(self, passage: Passage) -> bool:
        """Whether anything was told of it."""
        return passage.number in self._told

    def is_visiting(self, passage: Passage) -> bool:
        """Whether it is of somebody who is enrolled, as far as was told."""
        told = self._told.get(passage.number)
        return told is not None and told.visit is not None

    def recognised(self, passage: Passage, answer: Identification, now_s: float) -> None:
        """A face is of somebody who is enrolled; what was said before is revised."""
        uid = self.gallery.person(answer.identity or "").uid
        told = self._told[passage.number]
        if told.visit is not None:
            if told.visit.person == uid:
                self._best(told.visit, answer)
                return
            self._withdraw(passage, told, now_s)
        visit = self.visits.get(uid)
        event_id = self._id(passage.number, "recognised", told)
        if visit is None or (
            visit.event_id != event_id
            and not visit.here
            and passage.start_s - visit.last_s > self.window_s
        ):
            if visit is not None:
                self._close(visit)
            best = answer.candidates[0].similarity
            visit = Visit(
                uid, event_id, passage.number, passage.start_s, passage.start_s,
                [], set(), best, answer.threshold.similarity,
            )  # fmt: skip
            self.visits[uid] = visit
            more = self._answered(answer) | _revising(told.event_id)
            self._tell("recognised", passage, at_s=now_s, person=uid, event_id=event_id, **more)
        if passage.number not in visit.tracks:
            visit.tracks.append(passage.number)
        visit.here.add(passage.number)
        # Not when the track was seen last: by then it may be somebody else's.
        visit.last_s = max(visit.last_s, passage.sure_s)
        self._best(visit, answer)
        told.visit, told.event_id, told.named_id = visit, visit.event_id, visit.event_id

    def unknown(self, passage: Passage, answer: Identification, now_s: float) -> None:
        """A face is of nobody who is enrolled, as far as one can tell; told once."""
        told = self._told[passage.number]
        if told.visit is not None:
            self._withdraw(passage, told, now_s)
        if told.event_id is None:
            told.event_id = self._id(passage.number, "unknown", told)
            more = self._answered(answer)
            self._tell("unknown", passage, at_s=now_s, event_id=told.event_id, **more)

    def refused(self, passage: Passage, reasons: tuple[str, ...]) -> None:
        """A face could not be judged."""
        told = self._told[passage.number]
        if told.visit is not None:
            self._withdraw(passage, told, passage.seen_s)
        told.event_id = f"{self.prefix}/{passage.number}/refused"
        self._tell("refused", passage, at_s=passage.seen_s, reasons=list(reasons))

    def ended(self, passage: Passage) -> None:
        """A face went out of view, after the final word."""
        told = self._told.pop(passage.number, None)
        if told is None:
            return
        if told.visit is None:
            self._tell("left", passage, at_s=passage.seen_s, **_unjudged(passage))
            return
        told.visit.here.discard(passage.number)
        told.visit.last_s = max(told.visit.last_s, passage.seen_s)

    def seen(self, passages: Iterable[Passage]) -> None:
        """Whose passages go on was here until now, for who may never see them end."""
        for passage in passages:
            told = self._told.get(passage.number)
            if told is not None and told.visit is not None:
                told.visit.last_s = max(told.visit.last_s, passage.seen_s)

    def close_visits(self, now_s: float) -> None:
        """Tell who left: who has not been seen for the window."""
        for visit in list(self.visits.values()):
            if not visit.here and now_s - visit.last_s > self.window_s:
                self._close(visit)

    def restore_visits(self, values: Iterable[dict[str, Any]], *, shift_s: float = 0.0) -> None:
        """Go on with who was here; who was erased since is not.

        Args:
            values: Of `Visit.to_dict`.
            shift_s: What to add to their times.
        """
        for value in values:
            event = self.log.find(value["event_id"])
            if event is None or event.person is None:
                continue
            times = {name: value[name] + shift_s for name in ("start_s", "last_s")}
            visit = Visit(person=event.person, here=set(), **(value | times))
            self.visits[visit.person] = visit

    def left_by(self, number: int, start_s: float, end_s: float) -> None:
        """Somebody nobody knew went while nobody watched; by what was noted before."""
        self._write("left", f"{self.prefix}/{number}/left", end_s, None, {
            "track": number, "start_s": _round(start_s), "end_s": _round(end_s)})  # fmt: skip

    def _close(self, visit: Visit) -> None:
        self.visits.pop(visit.person, None)
        data = {
            "track": visit.track,
            "tracks": visit.tracks[:64],
            "start_s": _round(visit.start_s),
            "end_s": _round(visit.last_s),
            "similarity": visit.similarity,
            "threshold": visit.threshold,
        }
        event_id = f"{visit.event_id}/left"
        self._write("left", event_id, visit.last_s, visit.person, data)

    def _withdraw(self, passage: Passage, told: _Told, now_s: float) -> None:
        visit, told.visit, told.event_id = told.visit, None, None
        if visit is None:
            return
        visit.here.discard(passage.number)
        visit.tracks = [number for number in visit.tracks if number != passage.number]
        if visit.track == passage.number:  # the event that told the visit was wrong
            self.visits.pop(visit.person, None)
            if not self.log.knows(visit.person):  # erased, and the event with them
                return
            revised = f"{visit.event_id}/revised"
            more = _revising(visit.event_id)
            self._tell("revised", passage, at_s=now_s, event_id=revised, **more)

    def _best(self, visit: Visit, answer: Identification) -> None:
        found = answer.candidates[0].similarity
        if found > visit.similarity:
            visit.similarity, visit.threshold = found, answer.threshold.similarity

    def _answered(self, answer: Identification) -> dict[str, Any]:
        # Whom an unknown face resembles is not told, only how much.
        best = answer.candidates[0].similarity if answer.candidates else None
        return {
            "similarity": best,
            "threshold": answer.threshold.similarity,
            "fpir": answer.fpir,
            "n_shots": answer.n_photos,
        }

    def _id(self, number: int, kind: str, told: _Told) -> str:
        again = "" if told.named_id is None else "/again"
        return f"{self.prefix}/{number}/{kind}{again}"

    def _tell(
        self,
        kind: str,
        passage: Passage,
        *,
        at_s: float,
        person: str | None = None,
        event_id: str | None = None,
        **more: Any,
    ) -> None:
        known = {name: value for name, value in more.items() if value is not None}
        data = {
            "track": passage.number,
            "start_s": _round(passage.start_s),
            "end_s": _round(passage.seen_s),
            **known,
        }
        told = f"{self.prefix}/{passage.number}/{kind}" if event_id is None else event_id
        self._write(kind, told, at_s, person, data)

    def _write(
        self, kind: str, event_id: str, at_s: float, person: str | None, data: dict[str, Any]
    ) -> None:
        at = (self.began_at + timedelta(seconds=at_s)).isoformat()
        event = NewEvent(
            type=kind, id=event_id, at=at, source=self.source, person=person, data=data
        )
        self.pending.append(event)


def _unjudged(passage: Passage) -> dict[str, Any]:
    return {"reasons": list(passage.reasons)} if not passage.best and passage.reasons else {}


def _revising(event_id: str | None) -> dict[str, Any]:
    return {} if event_id is None else {"revises": event_id}


def _round(seconds: float) -> float:
    return round(seconds, 3)
