from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.video.world import SPACE, enrolled

from vultus.core.errors import InputError
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.video.attendance import (
    Span,
    attendance,
    attendance_csv,
    write_attendance_page,
    zone,
)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "people.db", space=SPACE, outlier_similarity=0.5) as opened:
        enrolled(opened, 1, 2)
        yield opened


def tell(
    gallery: Gallery, kind: str, who: int | None, event_id: str, at: str, **data: object
) -> None:
    uid = None if who is None else gallery.person(f"person {who}").uid
    EventLog(gallery).append(NewEvent(type=kind, id=event_id, at=at, person=uid, data=data))


def visit(gallery: Gallery, who: int, event_id: str, came: str, left: str, lasted_s: float) -> None:
    tell(gallery, "recognised", who, event_id, came, start_s=1.0, end_s=1.5)
    tell(gallery, "left", who, f"{event_id}/left", left, start_s=1.0, end_s=1.0 + lasted_s)


def rows(
    gallery: Gallery,
    *,
    since: str | None = None,
    until: str | None = None,
    here: Sequence[Span] = (),
) -> list[tuple[str, ...]]:
    found = attendance(EventLog(gallery), clock=UTC, since=since, until=until, here=here)
    return [one.row() for one in found]


def test_first_and_last_seen_by_day_and_person(gallery: Gallery) -> None:
    visit(gallery, 2, "a", "2026-03-02T09:00:00", "2026-03-02T09:10:00", 600.5)
    visit(gallery, 1, "b", "2026-03-02T08:00:00", "2026-03-02T08:00:30", 30.5)
    visit(gallery, 1, "c", "2026-03-02T16:00:00", "2026-03-02T17:00:00", 3600.5)
    visit(gallery, 1, "d", "2026-03-03T08:00:00", "2026-03-03T08:00:10", 10.0)
    assert rows(gallery) == [
        ("2026-03-02", "person 1", "07:59:59", "17:00:00", "2", "1:00:31"),
        ("2026-03-02", "person 2", "08:59:59", "09:10:00", "1", "0:10:00"),
        ("2026-03-03", "person 1", "07:59:59", "08:00:10", "1", "0:00:10"),
    ]
    assert len(rows(gallery, since="2026-03-03")) == 1


def test_who_is_here_still_was_seen_when_named(gallery: Gallery) -> None:
    tell(gallery, "recognised", 1, "a", "2026-03-02T09:00:00", start_s=3.0, end_s=5.0)
    assert rows(gallery) == [("2026-03-02", "person 1", "08:59:58", "09:00:00", "1", "0:00:02")]


def test_who_is_known_to_be_here_still_is_counted_until_now(gallery: Gallery) -> None:
    tell(gallery, "recognised", 1, "a", "2026-03-02T09:00:00", start_s=3.0, end_s=5.0)
    came, now = (datetime(2026, 3, 2, hour, 0, tzinfo=UTC) for hour in (9, 11))
    (row,) = rows(gallery, here=[Span("person 1", came, now)])
    assert row == ("2026-03-02", "person 1", "08:59:58", "11:00:00", "1", "2:00:02")


def test_a_table_for_spreadsheets_has_no_formula(gallery: Gallery) -> None:
    gallery.rename("person 1", '=HYPERLINK("x")')
    uid = gallery.person('=HYPERLINK("x")').uid
    log = EventLog(gallery)
    log.append(NewEvent(type="recognised", id="a", at="2026-03-02T09:00:00", person=uid, data={}))
    head, line = attendance_csv(attendance(log, clock=UTC)).splitlines()
    assert head == "day,person,first_seen,last_seen,visits,in_view"
    assert line == """2026-03-02,"'=HYPERLINK(""x"")",09:00:00,09:00:00,1,0:00:00"""


def test_a_name_that_was_taken_back_does_not_count(gallery: Gallery) -> None:
    tell(gallery, "recognised", 1, "a", "2026-03-02T09:00:00")
    tell(gallery, "revised", None, "a/revised", "2026-03-02T09:00:05", revises="a")
    assert rows(gallery) == []


def test_who_was_erased_is_not_there_and_who_was_renamed_has_the_new_name(
    gallery: Gallery,
) -> None:
    visit(gallery, 1, "a", "2026-03-02T09:00:00", "2026-03-02T09:10:00", 600)
    visit(gallery, 2, "b", "2026-03-02T09:00:00", "2026-03-02T09:10:00", 600)
    gallery.remove("person 1")
    gallery.rename("person 2", "Ada")
    assert [row[1] for row in rows(gallery)] == ["Ada"]


def test_two_cameras_at_once_are_one_visit(gallery: Gallery) -> None:
    visit(gallery, 1, "a", "2026-03-02T09:00:01", "2026-03-02T09:10:00", 600)
    visit(gallery, 1, "b", "2026-03-02T09:05:01", "2026-03-02T09:20:00", 900)
    assert rows(gallery)[0][2:] == ("09:00:00", "09:20:00", "1", "0:20:00")


def test_a_night_is_two_days_by_the_clock_of_the_place(gallery: Gallery) -> None:
    visit(gallery, 1, "a", "2026-03-02T22:30:01", "2026-03-02T23:30:00", 3600)
    assert [row[0] for row in rows(gallery)] == ["2026-03-02"]
    berlin = attendance(EventLog(gallery), clock=zone("Europe/Berlin"))
    assert [one.row()[:4] for one in berlin] == [
        ("2026-03-02", "person 1", "23:30:00", "23:59:59"),
        ("2026-03-03", "person 1", "00:00:00", "00:30:00"),
    ]
    with pytest.raises(InputError, match="named as Europe/Berlin"):
        zone("Atlantis")


def test_the_page_names_people_and_escapes_them(gallery: Gallery, tmp_path: Path) -> None:
    visit(gallery, 1, "a", "2026-03-02T09:00:00", "2026-03-02T09:10:00", 600)
    gallery.rename("person 1", "<b>Ada</b>")
    path = tmp_path / "page.html"
    write_attendance_page(path, attendance(EventLog(gallery), clock=UTC), title="Attendance")
    text = path.read_text()
    assert "&lt;b&gt;Ada" in text
    assert "Monday, 2026-03-02" in text
    assert path.stat().st_mode & 0o077 == 0
    write_attendance_page(path, [], title="Attendance")
    assert "Nobody" in path.read_text()
