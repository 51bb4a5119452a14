"""Monitors as they are told: what may be, of people who are enrolled still."""

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import Person
from vultus.server.monitors.addresses import kind_of, shown_address
from vultus.server.monitors.monitors import Monitors
from vultus.server.monitors.schemas import (
    MonitorStateTold,
    MonitorTold,
    PersonPresent,
    Present,
    TrackPresent,
)
from vultus.server.monitors.sight import Sight
from vultus.server.monitors.store import Monitor
from vultus.video.shown import Shown


def monitor_told(monitors: Monitors, monitor: Monitor) -> MonitorTold:
    """A monitor, without what opens its address."""
    return MonitorTold(
        id=monitor.id,
        name=monitor.name,
        kind=kind_of(monitor.address),
        address=shown_address(monitor.address),
        made_at=_time(datetime.fromtimestamp(monitor.made_at, UTC)) or "",
        wanted=monitor.wanted,
        state=state_told(monitors, monitor),
        **asdict(monitor.settings),
    )


def state_told(monitors: Monitors, monitor: Monitor) -> MonitorStateTold:
    """How a monitor is, whichever process watches."""
    if (told := monitors.elsewhere(monitor)) is not None:
        return MonitorStateTold(**told["state"])
    return _state_here(monitors, monitor)


def tell_others(monitors: Monitors, gallery: Gallery, monitor: Monitor) -> None:
    """Tell the other processes how a monitor is that is watched for here, and who is there."""
    watching = monitors.watching(monitor)
    sight = None if watching is None else watching.sights.newest
    told = {
        "state": _state_here(monitors, monitor).model_dump(mode="json"),
        "present": present_told(gallery, sight).model_dump(mode="json"),
        "by": f"process {os.getpid()} on {platform.node() or 'this machine'}",
    }
    monitors.store.tell(gallery, monitor, told)


def watched_by(monitors: Monitors, monitor: Monitor) -> str | None:
    """Which other process watches, and so has the newest frame; None for this one, or none."""
    told = monitors.elsewhere(monitor)
    return None if told is None else str(told.get("by", "another process"))  # of one of before


def present_now(monitors: Monitors, gallery: Gallery, monitor: Monitor) -> Present:
    """Who is there now, whichever process watches; who was erased meanwhile is not told."""
    told = monitors.elsewhere(monitor)
    if told is None:
        watching = monitors.watching(monitor)
        return present_told(gallery, None if watching is None else watching.sights.newest)
    present = Present(**told["present"])
    uids = {one.person for one in present.people} | {one.person for one in present.tracks}
    there = {uid for uid in uids if uid is not None and gallery.person_by_uid(uid) is not None}
    tracks = [
        one
        if one.person is None or one.person in there
        else one.model_copy(update={"person": None, "name": None, "called": "unknown"})
        for one in present.tracks
    ]
    people = [one for one in present.people if one.person in there]
    return present.model_copy(update={"people": people, "tracks": tracks})


def _state_here(monitors: Monitors, monitor: Monitor) -> MonitorStateTold:
    state, totals = monitors.state(monitor), monitors.totals(monitor)
    watching = monitors.watching(monitor)
    sight = None if watching is None else watching.sights.newest
    return MonitorStateTold(
        name=state.name,
        since=_time(state.since),
        reason=state.reason,
        code=state.code,
        threshold=None if watching is None else watching.threshold(),
        tries=state.tries,
        next_try_at=_time(state.next_try_at),
        fps=0.0 if watching is None else round(watching.sights.fps(), 2),
        frames=totals.frames,
        dropped=totals.dropped,
        reconnects=totals.reconnects if watching is None else watching.reconnects,
        events=dict(totals.events),
        tracks=0 if sight is None else len(sight.shown),
        present=0 if sight is None else len(sight.present),
        last_frame_at=None if sight is None else _time(sight.at),
        last_error=totals.last_error,
        last_error_code=totals.last_error_code,
        last_error_at=_time(totals.last_error_at),
    )


def present_told(gallery: Gallery, sight: Sight | None) -> Present:
    """Who is there now; who was erased meanwhile is not told."""
    if sight is None:
        return Present(frame_at=None, size_hw=None, people=[], tracks=[])
    people = []
    for one in sight.present:
        person = gallery.person_by_uid(one.person)
        if person is not None:
            people.append(
                PersonPresent(
                    person=one.person,
                    name=person.identity,
                    since=_time(one.since) or "",
                    last=_time(one.last) or "",
                    similarity=one.similarity,
                    threshold=one.threshold,
                    in_view=one.in_view,
                )
            )
    height, width = sight.frame.image.shape[:2]
    known = _known(gallery, sight.shown)
    return Present(
        frame_at=_time(sight.at),
        size_hw=(height, width),
        people=people,
        tracks=[_track(face, known, sight) for face in sight.shown],
    )


def of_those_enrolled(gallery: Gallery, sight: Sight) -> Sight:
    """The same, in which who was erased meanwhile has no name."""
    known = _known(gallery, sight.shown)
    shown = [
        face if face.identity is None or face.identity in known else replace(face, identity=None)
        for face in sight.shown
    ]
    return replace(sight, shown=shown)


def _known(gallery: Gallery, shown: Iterable[Shown]) -> dict[str, Person]:
    names = {face.identity for face in shown if face.identity is not None}
    found = {name: gallery.opened.roster.find(name) for name in names}
    return {name: member.person() for name, member in found.items() if member is not None}


def _track(face: Shown, known: dict[str, Person], sight: Sight) -> TrackPresent:
    person = None if face.identity is None else known.get(face.identity)
    answer = face.answer
    best = answer.candidates[0].similarity if answer is not None and answer.candidates else None
    since = sight.at - timedelta(seconds=max(0.0, sight.frame.time_s - face.start_s))
    x1, y1, x2, y2 = (round(float(side), 1) for side in face.box)
    return TrackPresent(
        track=face.number,
        box_xyxy=(x1, y1, x2, y2),
        person=None if person is None else person.uid,
        name=None if person is None else person.identity,
        called=(
            ("refused" if face.reasons else "undecided")
            if answer is None
            else ("unknown" if person is None else "recognised")
        ),
        similarity=best,
        threshold=None if answer is None else answer.threshold.similarity,
        since=_time(since) or "",
        reasons=list(face.reasons) if answer is None else [],
    )


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")
