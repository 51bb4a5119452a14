"""Operations of the service: attendance. Written by scripts/client_operations.py."""

from dataclasses import dataclass
from typing import Literal

from vultus.client.call import UNSET, Call, Unset, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendanceTold:
    """One person on one day.

    Attributes:
        day: Day.
        person: The person's id.
        name: Name.
        first: When first seen that day.
        last: When last seen that day.
        visits: How often the person came.
        seen_s: How long in view, or not away for longer than a window.
        here: Whether the person is before a monitor now.
    """

    day: str
    person: str
    name: str
    first: str
    last: str
    visits: int
    seen_s: float
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendanceList:
    """Who was here, by day and then by first sight.

    Attributes:
        zone: The clock of days and times.
        attendance: Attendance.
    """

    zone: str
    attendance: tuple[AttendanceTold, ...]


def read_attendance(
    gallery: str,
    *,
    from_: str | Unset = UNSET,
    to: str | Unset = UNSET,
    zone: str | Unset = UNSET,
    form: Literal["json", "csv"] | Unset = UNSET,
) -> Call[AttendanceList]:
    """Who was recognised on which day: first and last seen, visits, time in view.

    Args:
        gallery: The gallery's id.
        from_: The first day; the last one if not given.
        to: The last day; today if not given.
        zone: The clock that days and times are told by, as Europe/Berlin.
        form: Of the answer.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/attendance",
        AttendanceList,
        query={"from": from_, "to": to, "zone": zone, "form": form},
        repeatable=True,
    )
