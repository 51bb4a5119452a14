import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.server.conftest import Client

from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.server.access import Role
from vultus.server.context import Context

ATTENDANCE = "/v1/galleries/people/attendance"


@pytest.fixture
def seen(
    context: Context, enrol: Callable[..., Any], hopper_jpeg: bytes
) -> Callable[[str, str, float], str]:
    """Lets Grace be seen; gives her id."""
    person = enrol("Grace", hopper_jpeg)["id"]
    log = EventLog(context.galleries.get("people", actor="test"))

    def see(came: str, left: str, lasted_s: float) -> str:
        told: dict[str, Any] = {"person": person, "source": "door"}
        data = {"start_s": 0.0, "end_s": 0.0}
        log.append(NewEvent(type="recognised", id=came, at=came, data=data, **told))
        data["end_s"] = lasted_s
        log.append(NewEvent(type="left", id=f"{came}/left", at=left, data=data, **told))
        return str(person)

    return see


def test_days_are_those_of_the_clock_that_was_asked_for(
    admin: httpx.Client, seen: Callable[..., str]
) -> None:
    person = seen("2026-03-02T23:30:00+00:00", "2026-03-03T00:30:00+00:00", 3600)
    asked = {"from": "2026-03-02", "to": "2026-03-02"}
    (row,) = admin.get(ATTENDANCE, params=asked).json()["attendance"]
    assert row["person"] == person
    assert (row["day"], row["name"], row["visits"]) == ("2026-03-02", "Grace", 1)
    # Who stayed over midnight is told until then, though the event is of the day after.
    assert (row["first"][:19], row["last"][:19]) == ("2026-03-02T23:30:00", "2026-03-02T23:59:59")
    assert row["seen_s"] == pytest.approx(1800, abs=1)
    there = admin.get(ATTENDANCE, params=asked | {"zone": "Asia/Shanghai"}).json()
    assert (there["zone"], there["attendance"]) == ("Asia/Shanghai", [])
    asked = {"from": "2026-03-03", "to": "2026-03-03", "zone": "Asia/Shanghai"}
    (row,) = admin.get(ATTENDANCE, params=asked).json()["attendance"]
    assert row["first"] == "2026-03-03T07:30:00+08:00"
    assert row["here"] is False


def test_it_is_today_if_nobody_says(admin: httpx.Client, seen: Callable[..., str]) -> None:
    now = datetime.now(UTC).isoformat()
    seen("2026-03-02T09:00:00+00:00", "2026-03-02T09:00:01+00:00", 1)
    seen(now, now, 0)
    (row,) = admin.get(ATTENDANCE).json()["attendance"]
    assert row["day"] == now[:10]


def test_a_table_for_a_spreadsheet(admin: httpx.Client, seen: Callable[..., str]) -> None:
    seen("2026-03-02T09:00:00+00:00", "2026-03-02T09:10:00+00:00", 600)
    asked = {"from": "2026-03-01", "to": "2026-03-31", "form": "csv"}
    answer = admin.get(ATTENDANCE, params=asked)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attendance-2026-03-01-2026-03-31.csv" in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["person"] == "Grace"
    assert (row["first_seen"], row["last_seen"]) == ("09:00:00", "09:10:00")
    assert row["in_view"] == "0:10:00"


def test_who_was_erased_is_not_told(admin: httpx.Client, seen: Callable[..., str]) -> None:
    person = seen("2026-03-02T09:00:00+00:00", "2026-03-02T09:10:00+00:00", 600)
    admin.delete(f"/v1/galleries/people/people/{person}")
    asked = {"from": "2026-03-01", "to": "2026-03-31"}
    assert admin.get(ATTENDANCE, params=asked).json()["attendance"] == []
    assert "Grace" not in admin.get(ATTENDANCE, params=asked | {"form": "csv"}).text


@pytest.mark.parametrize(
    "asked",
    [
        {"from": "2026-03-02", "to": "2026-03-01"},
        {"from": "2020-01-01", "to": "2026-03-01"},
        {"from": "yesterday"},
        {"zone": "Mars/Olympus"},
        {"zone": "../../etc/passwd"},
        {"zone": "Europe"},
        {"form": "pdf"},
        {"from": "0001-01-01", "to": "0001-01-02"},
    ],
)
def test_what_is_no_day_or_clock_is_refused(admin: httpx.Client, asked: dict[str, str]) -> None:
    answer = admin.get(ATTENDANCE, params=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


def test_it_takes_an_operator(client: Client) -> None:
    assert client(Role.reader).get(ATTENDANCE).status_code == 403
    assert client(Role.operator).get(ATTENDANCE).is_success
