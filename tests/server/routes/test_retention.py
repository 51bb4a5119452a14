from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.server.conftest import Client, running

from vultus.gallery.people.details import PersonDetails
from vultus.pipeline.recognizer import Recognizer
from vultus.server import retention
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

OF_PEOPLE = "/v1/galleries/people/retention"
WANTED = {"every_h": 2.0, "jobs_days": 3.0, "deliveries_days": 4.0, "answers_h": 5.0}


def test_a_gallery_says_how_long_it_keeps_what(
    admin: httpx.Client, context: Context, hopper_jpeg: bytes, collins_jpeg: bytes
) -> None:
    told = {"events_days": 90.0, "review_days": None, "people_due": 0, "next_person_at": None}
    assert admin.get(OF_PEOPLE).json() == told
    admin.put("/v1/galleries/people/review", json={"days": 7})
    assert admin.put(OF_PEOPLE, json={"events_days": None}).json()["events_days"] is None
    changed = admin.put(OF_PEOPLE, json={"events_days": 12.5})
    assert changed.json() == {**told, "events_days": 12.5, "review_days": 7.0}
    known = context.galleries.get("people", actor="test")
    assert [entry.entry.action for entry in known.audit.entries()][-1] == "keep events"
    past, future = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))
    for name, photo, when in (("Grace", hopper_jpeg, past), ("Eileen", collins_jpeg, future)):
        admin.post(
            "/v1/galleries/people/people", data={"name": name}, files={"photos": photo}
        ).raise_for_status()
        known.note(name, PersonDetails(retain_until=when.isoformat()))
    due = admin.get(OF_PEOPLE).json()
    assert due["people_due"] == 1
    assert datetime.fromisoformat(due["next_person_at"]) == future.replace(microsecond=0)


@pytest.mark.parametrize("days", [0, -1, 1e6, "many"])
def test_a_gallery_refuses_no_time(admin: httpx.Client, days: object) -> None:
    assert admin.put(OF_PEOPLE, json={"events_days": days}).status_code == 422
    assert admin.put(OF_PEOPLE, json={}).status_code == 422
    assert admin.get(OF_PEOPLE).json()["events_days"] == 90.0


def test_who_may_set_what(client: Client) -> None:
    operator, some = client(Role.operator), client(Role.admin, ["people"])
    assert operator.get(OF_PEOPLE).status_code == 200
    assert operator.put(OF_PEOPLE, json={"events_days": 1}).status_code == 403
    assert some.put(OF_PEOPLE, json={"events_days": 1}).status_code == 200
    assert some.get("/v1/retention").status_code == 403


def test_the_schedule_is_set_and_outlives_the_service(
    tmp_path: Path, recognizer: Callable[[], Recognizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_FIRST_S", 3600.0)
    settings = ServerSettings(gallery=(tmp_path / "people.db",), admin_key_file=tmp_path / "key")
    given = {"every_h": 1.0, "jobs_days": 30.0, "deliveries_days": 30.0, "answers_h": 24.0}

    def told(asked: httpx.Response) -> tuple[dict[str, float], bool]:
        answer = asked.raise_for_status().json()
        return {name: answer[name] for name in WANTED}, answer["was_set"]

    for place in range(2):
        context = open_context(settings, recognizer())
        headers = {"Authorization": f"Bearer {(tmp_path / 'key').read_text().strip()}"}
        with running(context) as address, httpx.Client(base_url=address, headers=headers) as one:
            if place == 0:
                assert told(one.get("/v1/retention")) == (given, False)
                answer = one.put("/v1/retention", json=WANTED)
                assert told(answer) == (WANTED, True)
                due = datetime.fromisoformat(answer.json()["next_at"]) - datetime.now(UTC)
                assert timedelta(minutes=119) < due < timedelta(minutes=121)
                assert context.background.idempotency.keep_s == 5 * 3600
            else:
                assert told(one.get("/v1/retention")) == (WANTED, True)
                assert context.background.idempotency.keep_s == 5 * 3600
                assert told(one.delete("/v1/retention")) == (given, False)


def test_a_schedule_that_is_set_is_gone_by_at_once(
    tmp_path: Path, recognizer: Callable[[], Recognizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_FIRST_S", 3600.0)
    monkeypatch.setattr(retention, "_HOUR_S", 1.0)
    settings = ServerSettings(gallery=(tmp_path / "people.db",), admin_key_file=tmp_path / "key")
    context = open_context(settings, recognizer())
    headers = {"Authorization": f"Bearer {(tmp_path / 'key').read_text().strip()}"}
    with running(context) as address, httpx.Client(base_url=address, headers=headers) as one:
        assert one.get("/v1/retention").json()["last_at"] is None
        one.put("/v1/retention", json={**WANTED, "every_h": 0.1}).raise_for_status()
        for _ in range(100):
            if (last := one.get("/v1/retention").json()["last_at"]) is not None:
                break
            context.background.retention._end.wait(0.05)
        assert last is not None
