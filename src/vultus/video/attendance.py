"""Who was here when, by day: first and last seen, from a gallery's events."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vultus import __version__
from vultus.core.errors import InputError
from vultus.gallery.events.event import Event
from vultus.gallery.events.log import EventLog
from vultus.pages.blocks import Section, write_blocks

_TYPES = ("recognised", "left", "revised")
_AT_ONCE = 1000
_FORMULA = "=+-@\t\r"
HEAD = ("day", "person", "first seen", "last seen", "visits", "in view")
"""The columns of `Attendance.row`."""


@dataclass(frozen=True, slots=True)
class Attendance:
    """One person on one day.

    Attributes:
        day: By the clock of the place.
        identity: Who.
        first: When first seen.
        last: When last seen.
        n_visits: How often the person came.
        seen_s: How long the person was in view or not away for longer than a window, in seconds.
    """

    day: date
    identity: str
    first: datetime
    last: datetime
    n_visits: int
    seen_s: float

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "day": self.day.isoformat(),
            "person": self.identity,
            "first": self.first.isoformat(timespec="seconds"),
            "last": self.last.isoformat(timespec="seconds"),
            "visits": self.n_visits,
            "seen_s": round(self.seen_s, 1),
        }

    def row(self) -> tuple[str, ...]:
        """In words, as the columns of `HEAD`."""
        clock = [at.strftime("%H:%M:%S") for at in (self.first, self.last)]
        hours, rest = divmod(round(self.seen_s), 3600)
        in_view = f"{hours}:{rest // 60:02}:{rest % 60:02}"
        return (self.day.isoformat(), self.identity, *clock, str(self.n_visits), in_view)


@dataclass(frozen=True, slots=True)
class Span:
    """Somebody was in view, or not away for longer than a window.

    Attributes:
        identity: Who.
        began: From when, with its zone.
        ended: Until when.
    """

    identity: str
    began: datetime
    ended: datetime


def zone(name: str | None) -> tzinfo | None:
    """A place's clock by its name, as ``Europe/Berlin``; None for this machine's.

    Raises:
        InputError: If there is none of that name.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"a time zone must be named as Europe/Berlin or UTC, got {name!r}"
        ) from error


def attendance(
    log: EventLog,
    *,
    since: str | None = None,
    until: str | None = None,
    clock: tzinfo | None = None,
    here: Iterable[Span] = (),
) -> list[Attendance]:
    """Who was here when, by day and then by first sight.

    Only who was named counts, by the present name; who was erased is not there, and what an event
    "revised" took back is not counted.

    Args:
        log: The gallery's events, of cameras and of anything else that recognises.
        since: Only what happened at this time or later, ISO 8601.
        until: Only what happened before this time.
        clock: Of the place, for days and times; None takes this machine's.
        here: Who is here still, so that no event tells how long; counted with what events tell.

    Raises:
        InputError: If a time is none.
    """
    spans = [*_spans(_events(log, since, until)), *here]
    by_day: dict[tuple[date, str], list[tuple[datetime, datetime]]] = defaultdict(list)
    for span in spans:
        for start, end in _days(span.began.astimezone(clock), span.ended.astimezone(clock)):
            by_day[start.date(), span.identity].append((start, end))
    found = [
        Attendance(
            day,
            identity,
            min(start for start, _ in visits),
            max(end for _, end in visits),
            len(visits),
            sum((end - start).total_seconds() for start, end in visits),
        )
        for (day, identity), seen in by_day.items()
        for visits in [_merged(seen)]
    ]
    return sorted(found, key=lambda one: (one.day, one.first, one.identity))


def attendance_csv(found: Iterable[Attendance]) -> str:
    """The table as CSV (RFC 4180), with a line of heads.

    A name that a spreadsheet would take for a formula has ``'`` before it.

    Args:
        found: As `attendance` gives it.
    """
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(name.replace(" ", "_") for name in HEAD)
    for one in found:
        day, identity, *rest = one.row()
        harmless = f"'{identity}" if identity[0] in _FORMULA else identity
        lines.writerow((day, harmless, *rest))
    return text.getvalue()


def write_attendance_page(path: Path, found: Iterable[Attendance], *, title: str) -> None:
    """Write a page, a table a day; an existing file is replaced.

    Args:
        path: The file, for its owner only.
        found: As `attendance` gives it.
        title: On top.

    Raises:
        InputError: If it cannot be written.
    """
    by_day: dict[date, list[Attendance]] = defaultdict(list)
    for one in found:
        by_day[one.day].append(one)
    sections = [
        Section(
            f"{day:%A}, {day.isoformat()}",
            f"{len(people)} {'person' if len(people) == 1 else 'people'}, by the clock of "
            f"{people[0].first.tzname()}",
            rows=[HEAD[1:], *(one.row()[1:] for one in people)],
        )
        for day, people in sorted(by_day.items())
    ]
    if not sections:
        sections = [Section("Nobody", "Nobody who is enrolled was recognised in that time.")]
    write_blocks(
        path,
        title=title,
        sections=sections,
        footer=f"Vultus {__version__}. First and last seen is when a face was in view, not when "
        "somebody came or went; who was not recognised is not here.",
        privacy="This page says who was where and when. Keep it as the law and your people's "
        "consent have it, and delete it when they are erased.",
    )


def _events(log: EventLog, since: str | None, until: str | None) -> Iterator[Event]:
    after = 0
    while True:
        page = log.read(after=after, limit=_AT_ONCE, types=_TYPES, since=since, until=until)
        yield from page
        if len(page) < _AT_ONCE:
            return
        after = page[-1].position


def _spans(events: Iterable[Event]) -> Iterator[Span]:
    """Who was in view from when to when."""
    found: dict[str, Span] = {}
    for event in events:
        at = datetime.fromisoformat(event.at)
        if event.type == "revised":
            found.pop(str(event.data.get("revises")), None)
        elif event.identity is not None:
            # Who leaves says how long the visit was; who came may be here still.
            key = event.id.removesuffix("/left") if event.type == "left" else event.id
            lasted_s = _number(event, "end_s") - _number(event, "start_s")
            began = at - timedelta(seconds=max(0.0, lasted_s))
            if key in found:
                began = min(began, found[key].began)
            found[key] = Span(event.identity, began, at)
    yield from found.values()


def _merged(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Spans that overlap, as of two cameras, as one."""
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _number(event: Event, name: str) -> float:
    value = event.data.get(name, 0.0)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _days(began: datetime, ended: datetime) -> Iterator[tuple[datetime, datetime]]:
    """A span in parts that end with the day."""
    while began.date() < ended.date():
        next_day = datetime.combine(began.date() + timedelta(days=1), time(), began.tzinfo)
        yield began, next_day - timedelta(microseconds=1)
        began = next_day
    yield began, ended
