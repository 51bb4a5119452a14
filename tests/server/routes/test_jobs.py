import io
import json
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.conftest import Client, jpeg

from vultus.core.faces import Image
from vultus.gallery.moving.crops import KeptCrops
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.idempotency import HEADER, REPLAYED

JOBS = "/v1/galleries/people/jobs"
ZIP = {"Content-Type": "application/zip"}


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (told := client.get(f"{JOBS}/{job['id']}").json())["state"] in ("waiting", "running"):
        assert time.monotonic() < deadline, told
        time.sleep(0.05)
    return dict(told)


@pytest.fixture
def archive(hopper_jpeg: bytes, collins_jpeg: bytes, rocket_jpeg: bytes) -> bytes:
    return zipped(
        {
            "Grace/1.jpg": hopper_jpeg,
            "Grace/2.jpg": b"no photo",
            "Eileen/1.jpg": collins_jpeg,
            "Marker/1.jpg": rocket_jpeg,
        }
    )


def _people(client: httpx.Client) -> dict[str, int]:
    found = client.get("/v1/galleries/people/people").json()["people"]
    return {person["name"]: person["photos"] for person in found}


def test_everybody_of_a_zip_is_enrolled_and_refusals_are_told(
    client: Client, archive: bytes, context: Context
) -> None:
    operator = client(Role.operator)
    made = operator.post(f"{JOBS}/enrolment", content=archive, headers=ZIP)
    assert made.status_code == 202, made.text
    assert made.headers["location"] == f"{JOBS}/{made.json()['id']}"
    job = ended(operator, made.json())
    assert job["state"] == "done", job
    counts = {"people": 3, "added": 2, "enrolled_before": 0, "refused": 2, "without_photo": 1}
    assert job["result"] == counts
    assert (job["done"], job["total"]) == (3, 3)
    assert _people(operator) == {"Eileen": 1, "Grace": 1}
    told = operator.get(f"{JOBS}/{job['id']}/people").json()["people"]
    assert [(person["name"], person["added"]) for person in told] == [
        ("Eileen", 1),
        ("Grace", 1),
        ("Marker", 0),
    ]
    refused = [(p["name"], r["photo"], r["code"]) for p in told for r in p["refused"]]
    assert refused == [
        ("Grace", "Grace/2.jpg", "unreadable-photo"),
        ("Marker", "Marker/1.jpg", "no-face"),
    ]
    page = operator.get(f"{JOBS}/{job['id']}/people?refused=true&limit=1").json()
    assert [person["name"] for person in page["people"]] == ["Grace"]
    for place in ({"cursor": page["next"]}, {"after": page["people"][-1]["place"]}):
        rest = operator.get(f"{JOBS}/{job['id']}/people", params={"refused": True, **place}).json()
        assert [person["name"] for person in rest["people"]] == ["Marker"]
        assert rest["next"] is None
    all_of_it = operator.get(f"{JOBS}/{job['id']}/people?limit=3").json()
    assert all_of_it == {"people": told, "next": None}
    events = operator.get("/v1/galleries/people/events").json()["events"]
    assert [event["type"] for event in events] == ["enrolled", "enrolled"]
    again = ended(operator, operator.post(f"{JOBS}/enrolment", content=archive, headers=ZIP).json())
    assert again["result"] == {**counts, "added": 0, "enrolled_before": 2}
    assert not list(_folder(context).iterdir())
    for file in _folder(context).parent.glob("service.sqlite*"):
        assert not file.is_file() or b"Marker" not in file.read_bytes()


def _folder(context: Context) -> Path:
    return context.settings.service_file.with_name("service.sqlite-uploads")


def test_who_is_erased_is_no_longer_told_of(
    client: Client, context: Context, archive: bytes
) -> None:
    admin = client(Role.admin)
    form = {"photos": ("people.zip", archive, "application/zip")}
    job = ended(admin, admin.post(f"{JOBS}/enrolment", files=form).json())
    told = admin.get(f"{JOBS}/{job['id']}/people").json()["people"]
    assert admin.delete(f"/v1/galleries/people/people/{told[0]['person']}").status_code == 200
    left = admin.get(f"{JOBS}/{job['id']}/people")
    assert [person["name"] for person in left.json()["people"]] == ["Grace", "Marker"]
    assert "Eileen" not in left.text
    rows = context.background.jobs.store.file.rows("SELECT person FROM job_items")
    assert len(rows) == 2  # nor is it kept


def test_a_table_beside_the_photos_notes_what_it_says(client: Client, hopper_jpeg: bytes) -> None:
    operator = client(Role.operator)
    table = "photo,name,external_id,groups,desk\np/1.jpg,Grace,e1,navy;staff,7\n"
    data = zipped({"people.csv": table.encode(), "p/1.jpg": hopper_jpeg})
    job = operator.post(f"{JOBS}/enrolment", content=data, headers=ZIP).json()
    assert ended(operator, job)["state"] == "done"
    (person,) = operator.get("/v1/galleries/people/people").json()["people"]
    assert (person["external_id"], person["groups"], person["metadata"]) == (
        "e1",
        ["navy", "staff"],
        {"desk": "7"},
    )


def test_what_is_of_no_use_is_refused_at_once(client: Client, context: Context) -> None:
    operator = client(Role.operator)
    for content, headers, status in (
        (b"no zip", ZIP, 422),
        (b"", ZIP, 422),
        (zipped({"a.txt": b""}), ZIP, 422),
        (zipped({"1.jpg": b""}), ZIP, 422),
        (b"x", {"Content-Type": "text/plain"}, 415),
        (b"--b\r\n", {"Content-Type": "multipart/form-data; boundary=b"}, 422),
    ):
        answer = operator.post(f"{JOBS}/enrolment", content=content, headers=headers)
        assert answer.status_code == status, (content, answer.text)
    large = operator.post(f"{JOBS}/enrolment", files={"other": b"x"})
    assert large.status_code == 422
    assert not _folder(context).exists() or not list(_folder(context).iterdir())
    assert operator.get(f"{JOBS}").json() == {"jobs": [], "next": None}
    assert operator.get(f"{JOBS}/none").status_code == 404


def test_a_zip_may_be_larger_than_a_request_and_not_without_end(
    client: Client, context: Context, hopper_jpeg: bytes
) -> None:
    operator = client(Role.operator)
    noise = {f"Grace/{n}.txt": bytes([n]) * 1_000_000 for n in range(5)}
    data = zipped({"Grace/1.jpg": hopper_jpeg, **noise})
    assert len(data) > context.settings.most_bytes
    job = operator.post(f"{JOBS}/enrolment", content=data, headers=ZIP).json()
    assert ended(operator, job)["result"]["added"] == 1


def test_made_once_however_often_it_is_asked_for(client: Client, archive: bytes) -> None:
    operator = client(Role.operator)
    headers = {HEADER: "k1", **ZIP}
    first, second = (
        operator.post(f"{JOBS}/enrolment", content=archive, headers=headers) for _ in range(2)
    )
    assert first.json()["id"] == second.json()["id"]
    assert second.headers[REPLAYED] == "true"
    assert second.headers["location"] == first.headers["location"]
    other = operator.post(f"{JOBS}/enrolment", content=archive + b"x", headers=headers)
    assert other.status_code == 422
    assert len(operator.get(JOBS).json()["jobs"]) == 1
    ended(operator, first.json())


def test_cancelled_it_ends_and_what_was_done_stays(
    client: Client, context: Context, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = client(Role.operator)
    worker, one, go_on = context.background.jobs.worker, threading.Event(), threading.Event()
    may_go_on = worker._may_go_on

    def slow(job: Any) -> None:
        if context.background.jobs.store.kept(job):
            one.set()
            go_on.wait(30)
        may_go_on(job)

    monkeypatch.setattr(worker, "_may_go_on", slow)
    job = operator.post(f"{JOBS}/enrolment", content=archive, headers=ZIP).json()
    assert one.wait(30)
    assert operator.delete(f"{JOBS}/{job['id']}").status_code == 409
    operator.post(f"{JOBS}/{job['id']}/cancel")
    go_on.set()
    assert ended(operator, job)["state"] == "cancelled"
    assert operator.post(f"{JOBS}/{job['id']}/cancel").status_code == 409
    assert _people(operator) == {"Eileen": 1}
    assert operator.delete(f"{JOBS}/{job['id']}").status_code == 204
    assert operator.get(f"{JOBS}/{job['id']}").status_code == 404
    assert not list(_folder(context).iterdir())


def test_one_that_waits_is_cancelled_at_once_and_one_without_a_gallery_keeps_nobody(
    client: Client, context: Context, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, jobs = client(Role.operator), context.background.jobs
    monkeypatch.setattr(jobs.store, "claim", lambda *_: None)
    waiting = operator.post(f"{JOBS}/enrolment", content=archive, headers=ZIP).json()
    told = operator.post(f"{JOBS}/{waiting['id']}/cancel").json()
    assert (told["state"], told["detail"]) == ("cancelled", None)
    assert not list(_folder(context).iterdir())
    lost = operator.post(f"{JOBS}/enrolment", content=archive, headers=ZIP).json()
    jobs.store.file.change("UPDATE jobs SET gallery = 'gone' WHERE id = ?", lost["id"])
    monkeypatch.undo()
    made = operator.post(f"{JOBS}/enrolment", content=archive, headers=ZIP).json()
    assert ended(operator, made)["state"] == "done"


def test_progress_is_told_until_the_end(client: Client, archive: bytes) -> None:
    operator = client(Role.operator)
    job = operator.post(f"{JOBS}/enrolment", content=archive, headers=ZIP).json()
    with operator.stream("GET", f"{JOBS}/{job['id']}/stream") as answer:
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
    told = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert told[-1]["state"] == "done"
    assert [one["done"] for one in told] == sorted(one["done"] for one in told)


def test_so_many_jobs_may_wait(
    client: Client, context: Context, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context.background.jobs, "_most", 0)
    refused = client(Role.operator).post(f"{JOBS}/enrolment", content=archive, headers=ZIP)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0


def test_faces_of_a_zip_are_grouped(client: Client, archive: bytes, hopper_jpeg: bytes) -> None:
    operator = client(Role.operator)
    job = operator.post(f"{JOBS}/clustering?fmr=0.01", content=archive, headers=ZIP).json()
    told = ended(operator, job)
    assert told["state"] == "done", told["detail"]
    photos = [[face["photo"] for face in group] for group in told["result"]["groups"]]
    assert sorted(photos) == [["Eileen/1.jpg"], ["Grace/1.jpg"]]
    codes = {refused["photo"]: refused["code"] for refused in told["result"]["refused"]}
    assert codes == {"Grace/2.jpg": "unreadable-photo", "Marker/1.jpg": "no-face"}
    review = operator.post(f"{JOBS}/review-clustering?fmr=0.01").json()
    assert ended(operator, review)["result"]["groups"] == []


def test_a_calibration_of_too_few_people_is_refused_with_the_reason(
    client: Client, archive: bytes
) -> None:
    admin = client(Role.admin)
    job = ended(admin, admin.post(f"{JOBS}/calibration", content=archive, headers=ZIP).json())
    assert (job["state"], job["error"]) == ("failed", "no-threshold")
    assert "people" in job["detail"]


def test_a_calibration_is_measured(client: Client, hopper: Image, collins: Image) -> None:
    admin = client(Role.admin)
    files = {}
    for person in range(16):
        face = hopper if person % 2 else collins
        for shot in range(2):
            files[f"p{person}/{shot}.jpg"] = jpeg(face[person : 240 + 8 * person + shot])
    query = "fmr=0.2&select=largest"
    job = admin.post(f"{JOBS}/calibration?{query}", content=zipped(files), headers=ZIP).json()
    told = ended(admin, job)
    assert told["state"] == "done", told["detail"]
    assert told["result"]["calibration"]["thresholds"]
    assert len(told["result"]["failures"]) < len(files)


def test_a_gallery_is_brought_to_another_model(
    client: Client, context: Context, hopper_jpeg: bytes
) -> None:
    admin = client(Role.admin)
    KeptCrops(context.galleries.get("people", actor="test")).allow()
    data = {"name": "Grace"}
    assert admin.post(
        "/v1/galleries/people/people", data=data, files={"photos": hopper_jpeg}
    ).is_success
    wanted = {"model": "vultus-s2"}
    job = ended(admin, admin.post(f"{JOBS}/migration", json=wanted).json())
    assert job["state"] == "done", job
    assert job["result"]["n_missing"] == 0
    unknown = ended(admin, admin.post(f"{JOBS}/migration", json={"model": "none"}).json())
    assert unknown["state"] == "failed"
    assert admin.post(f"{JOBS}/migration", json={"model": "../x"}).status_code == 422
