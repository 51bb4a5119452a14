from pathlib import Path

import httpx

from vultus.gallery.gallery import Gallery
from vultus.server.context import Context


def test_a_gallery_is_made_and_told(admin: httpx.Client, context: Context) -> None:
    made = admin.post("/v1/galleries", json={"id": "staff"})
    assert made.status_code == 201
    assert made.json() == admin.get("/v1/galleries/staff").json()
    assert admin.post("/v1/galleries", json={"id": "staff"}).status_code == 409
    found = admin.get("/v1/galleries").json()["galleries"]
    assert [told["id"] for told in found] == ["people", "staff"]
    assert context.settings.data is not None
    assert (context.settings.data / "staff.db").is_file()


def test_decisions_are_in_the_audit_log_under_the_key(
    admin: httpx.Client, hopper_jpeg: bytes, context: Context, tmp_path: Path
) -> None:
    assert admin.post("/v1/galleries/people/identify", files={"photo": hopper_jpeg}).is_success
    (key,) = context.keys.listed()[1:]
    with Gallery.open(tmp_path / "people.db") as gallery:
        last = list(gallery.audit.entries())[-1]
    assert last.entry.actor == f"key {key.id}"
    assert last.entry.action == "identify"
    assert last.entry.decision == "unknown"


def test_a_photo_as_the_body_is_a_photo_in_a_form(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    path = "/v1/galleries/people/identify"
    form = admin.post(path, files={"photo": hopper_jpeg}).json()
    body = admin.post(path, content=hopper_jpeg, headers={"Content-Type": "image/jpeg"}).json()
    assert form == body
    assert len(form["faces"]) == 1


def test_a_rate_that_nothing_carries_is_told(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    path = "/v1/galleries/people/people"
    assert admin.post(path, data={"name": "Grace"}, files={"photos": hopper_jpeg}).is_success
    answer = admin.post(
        "/v1/galleries/people/identify?fpir=0.0000001", files={"photo": hopper_jpeg}
    )
    assert answer.status_code == 422
    assert answer.json()["code"] == "no-threshold"


def test_crops_are_kept_if_the_administrator_wants_it(
    admin: httpx.Client, hopper_jpeg: bytes
) -> None:
    gallery = "/v1/galleries/people"
    assert admin.get(gallery).json()["keeps_crops"] is False
    assert admin.put(f"{gallery}/crops").json()["keeps_crops"] is True
    made = admin.post(f"{gallery}/people", data={"name": "Grace"}, files={"photos": hopper_jpeg})
    photos = f"{gallery}/people/{made.json()['person']['id']}/photos"
    assert admin.get(f"{photos}/0/crop").status_code == 200
    assert admin.delete(f"{gallery}/crops").json() == {"deleted": 1}
    assert admin.get(f"{photos}/0/crop").status_code == 404
    assert admin.get(gallery).json()["keeps_crops"] is False
