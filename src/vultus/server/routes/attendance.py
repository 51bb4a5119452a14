"""Who was here on which day: first and last seen, from a gallery's events."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated, Literal

from fastapi import Query, Response
from pydantic import BaseModel, Field

from vultus.core.errors import InputError
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.server.context import Caller, Operator
from vultus.server.fields import GalleryId
from vultus.server.routing import make_router
from vultus.video.attendance import Attendance, Span, attendance, attendance_csv, zone

router = make_router("/v1/galleries/{gallery}/attendance", "attendance", 404)

_LONGEST_DAYS = 366
_DAY = timedelta(days=1)
_FIRST, _LAST = date(1970, 1, 1), date(9998, 12, 31)


class AttendanceTold(BaseModel):
    """One person on one day."""

    day: str = Field(examples=["2027-01-31"])
    person: str = Field(description="The person's id.")
    name: str
    first: str = Field(description="When first seen that day.")
    last: str = Field(description="When last seen that day.")
    visits: int = Field(description="How often the person came.")
    seen_s: float = Field(description="How long in view, or not away for longer than a window.")
    here: bool = Field(description="Whether the person is before a monitor now.")


class AttendanceList(BaseModel):
    """Who was here, by day and then by first sight."""

    zone: str = Field(description="The clock of days and times.", examples=["Europe/Berlin"])
    attendance: list[AttendanceTold]


@router.get(
    "",
    responses={
        200: {
            "content": {"text/csv": {"schema": {"type": "string"}}},
            "description": "JSON, or with `form=csv` a table (RFC 4180).",
        }
    },
    response_model=AttendanceList,
)
def read_attendance(
    caller: Operator,
    gallery: GalleryId,
    begin: Annotated[
        date | None,
        Query(alias="from", description="The first day; the last one if not given."),
    ] = None,
    end: Annotated[
        date | None, Query(alias="to", description="The last day; today if not given.")
    ] = None,
    zone_name: Annotated[
        str,
        Query(
            alias="zone",
            max_length=64,
            description="The clock that days and times are told by, as Europe/Berlin.",
            examples=["Europe/Berlin"],
        ),
    ] = "UTC",
    form: Annotated[Literal["json", "csv"], Query(description="Of the answer.")] = "json",
) -> AttendanceList | Response:
    """Who was recognised on which day: first and last seen, visits, time in view."""
    known, clock = caller.gallery(gallery), zone(zone_name) or UTC
    first, last = _days(begin, end, clock)
    here = _here(caller, gallery, known)
    found = attendance(
        EventLog(known),
        since=_midnight(first, clock),
        # Who came in the evening may have left after midnight: their end is read, too.
        until=_midnight(last + 2 * _DAY, clock),
        clock=clock,
        here=here,
    )
    asked = [one for one in found if first <= one.day <= last]
    if form == "csv":
        text = attendance_csv(asked)
        name = f"attendance-{first.isoformat()}-{last.isoformat()}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
    present = {span.identity for span in here}
    today = datetime.now(clock).date()
    told = [_told(known, one, here=one.day == today and one.identity in present) for one in asked]
    return AttendanceList(zone=zone_name, attendance=[one for one in told if one is not None])


def _days(begin: date | None, end: date | None, clock: tzinfo) -> tuple[date, date]:
    last = datetime.now(clock).date() if end is None else end
    first = last if begin is None else begin
    if not (_FIRST <= first <= last <= _LAST):
        raise InputError(
            f"`from` must be a day from {_FIRST} on and not after `to`, got {first} and {last}"
        )
    if last - first >= _LONGEST_DAYS * _DAY:
        raise InputError(f"attendance is told of {_LONGEST_DAYS} days at most; ask for fewer")
    return first, last


def _midnight(day: date, clock: tzinfo) -> str:
    return datetime.combine(day, time(), clock).isoformat()


def _here(caller: Caller, gallery_id: str, gallery: Gallery) -> list[Span]:
    """Who is before a monitor now: that they leave is not told yet."""
    spans = []
    for watching in caller.context.background.monitors.all_at_work():
        sight = watching.sights.newest
        if watching.monitor.gallery != gallery_id or sight is None:
            continue
        for one in sight.present:
            person = gallery.person_by_uid(one.person)
            if person is not None:
                spans.append(Span(person.identity, one.since, one.last))
    monitors = caller.context.background.monitors
    if monitors.store.shared:
        for monitor in monitors.store.of(gallery_id, gallery):
            told = monitors.elsewhere(monitor)
            for here in [] if told is None else told["present"]["people"]:
                person = gallery.person_by_uid(here["person"])
                if person is not None:
                    since, last = map(datetime.fromisoformat, (here["since"], here["last"]))
                    spans.append(Span(person.identity, since, last))
    return spans


def _told(gallery: Gallery, one: Attendance, *, here: bool) -> AttendanceTold | None:
    member = gallery.opened.roster.find(one.identity)
    if member is None:  # erased a moment ago
        return None
    return AttendanceTold(
        day=one.day.isoformat(),
        person=member.row.uid.hex(),
        name=one.identity,
        first=one.first.isoformat(timespec="seconds"),
        last=one.last.isoformat(timespec="seconds"),
        visits=one.n_visits,
        seen_s=round(one.seen_s, 1),
        here=here,
    )
