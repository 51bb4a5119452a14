import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.server.conftest import Client, running
from tests.server.routes.test_jobs import JOBS, ZIP, ended, zipped

from vultus.gallery.people.details import PersonDetails
from vultus.pipeline.recognizer import Recognizer
from vultus.server import retention
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

PEOPLE = "/v1/galleries/people/people"
PAST = (datetime.now(UTC) - timedelta(days=1)).isoformat()


def _enrol(client: httpx.Client, name: str, photo: bytes) -> str:
    answer = client.post(PEOPLE, data={"name": name}, files={"photos": photo})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["person"]["id"])


def test_whose_time_is_over_is_erased_and_others_stay(
    admin: httpx.Client, context: Context, hopper_jpeg: bytes, collins_jpeg: bytes
) -> None:
    over = _enrol(admin, "Grace", hopper_jpeg)
    _enrol(admin, "Eileen", collins_jpeg)
    known = context.galleries.get("people", actor="test")
    assert context.background.retention.apply()["people"] == 0
    known.note("Grace", PersonDetails(retain_until=PAST))
    counts = context.background.retention.apply()
    assert counts["people"] == 1
    assert [person["name"] for person in admin.get(PEOPLE).json()["people"]] == ["Eileen"]
    assert admin.get(f"{PEOPLE}/{over}").status_code == 404
    last = list(known.audit.entries())[-1].entry
    assert last.actor == "retention"
    events = admin.get("/v1/galleries/people/events").json()["events"]
    assert (events[-1]["type"], events[-1]["source"]) == ("erased", "retention")


def test_what_the_service_keeps_goes_in_time(
    client: Client, context: Context, hopper_jpeg: bytes
) -> None:
    admin, parts = client(Role.admin), context.background
    data = zipped({"Grace/1.jpg": hopper_jpeg})
    job = ended(admin, admin.post(f"{JOBS}/enrolment", content=data, headers=ZIP).json())
    (told,) = admin.get(f"{JOBS}/{job['id']}/people").json()["people"]
    context.galleries.get("people", actor="another program").remove("Grace")
    assert parts.retention.apply()["jobs"] == 0
    assert parts.jobs.store.file.rows("SELECT * FROM job_items") == []
    parts.jobs.store.file.change("UPDATE jobs SET ended_at = ended_at - 31 * 24 * 3600")
    assert parts.retention.apply()["jobs"] == 1
    assert admin.get(f"{JOBS}/{job['id']}").status_code == 404
    assert told["name"] == "Grace"


def test_a_running_service_looks_by_itself(
    tmp_path: Path,
    recognizer: Callable[[], Recognizer],
    hopper_jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(retention, "_FIRST_S", 0.05)
    settings = ServerSettings(
        gallery=(tmp_path / "people.db",), admin_key_file=tmp_path / "key", retention_every_h=3e-5
    )
    context = open_context(settings, recognizer())
    headers = {"Authorization": f"Bearer {(tmp_path / 'key').read_text().strip()}"}
    with (
        caplog.at_level(logging.INFO),
        running(context) as address,
        httpx.Client(base_url=address, headers=headers) as one,
    ):
        _enrol(one, "Marker Person", hopper_jpeg)
        known = context.galleries.get("people", actor="test")
        known.note("Marker Person", PersonDetails(retain_until=PAST))
        for _ in range(600):
            if not len(known):
                break
            time.sleep(0.05)
        assert one.get(PEOPLE).json()["people"] == []
    ours = [record for record in caplog.records if record.name.startswith("vultus")]
    assert not any("arker" in record.getMessage() for record in ours)
