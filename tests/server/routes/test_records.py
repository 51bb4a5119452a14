import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from vultus.gallery.gallery import Gallery
from vultus.server.context import Context
from vultus.server.routes.records import remove_strays

GALLERY = "/v1/galleries/people"
Enrol = Callable[..., dict[str, Any]]


def test_the_audit_log_is_read_and_verified(
    admin: httpx.Client, enrol: Enrol, hopper_jpeg: bytes
) -> None:
    enrol("Grace", hopper_jpeg)
    admin.post(f"{GALLERY}/identify", files={"photo": hopper_jpeg})
    read, cursor = [], ""
    while cursor is not None:
        page = admin.get(f"{GALLERY}/audit", params={"limit": 1, "cursor": cursor}).json()
        read += page["entries"]
        cursor = page["next"]
    assert [entry["position"] for entry in read] == list(range(1, len(read) + 1))
    assert [entry["action"] for entry in read][-2:] == ["enroll", "identify"]
    assert read[-1]["decision"] == "accepted"
    subject = read[-1]["subject"]
    both = admin.get(f"{GALLERY}/audit", params={"subject": subject}).json()["entries"]
    assert both == read[-2:]
    only = admin.get(f"{GALLERY}/audit", params={"action": "identify"}).json()["entries"]
    assert only == read[-1:]
    head = page["head"]
    assert head == f"{read[-1]['position']}:{read[-1]['digest']}"
    sound = admin.post(f"{GALLERY}/audit/verify", json={"heads": [head]}).json()
    assert (sound["sound"], sound["entries"], sound["head"]) == (True, len(read), head)
    wrong = f"{read[-1]['position']}:{'0' * 64}"
    judged = admin.post(f"{GALLERY}/audit/verify", json={"heads": [wrong]}).json()
    assert (judged["sound"], judged["fault"]) == (False, "rewritten")
    assert admin.post(f"{GALLERY}/audit/verify", json={"heads": ["x"]}).status_code == 422


def test_a_copy_of_the_gallery_can_be_opened(
    admin: httpx.Client, enrol: Enrol, hopper_jpeg: bytes, tmp_path: Path
) -> None:
    enrol("Grace", hopper_jpeg)
    answer = admin.get(f"{GALLERY}/export")
    assert answer.headers["content-type"] == "application/vnd.sqlite3"
    copy = tmp_path / "copy.db"
    copy.write_bytes(answer.content)
    with Gallery.open(copy) as gallery:
        assert [person.identity for person in gallery.people()] == ["Grace"]
        assert gallery.check() == []


def test_all_about_one_person(
    admin: httpx.Client, enrol: Enrol, hopper_jpeg: bytes, collins_jpeg: bytes
) -> None:
    uid = enrol("Grace", hopper_jpeg, external_id="e1")["id"]
    enrol("Eileen", collins_jpeg)
    answer = admin.get(f"{GALLERY}/people/{uid}/export")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {"person.json", "vectors.npy", "audit.json"} <= set(archive.namelist())
        assert b"e1" in archive.read("person.json")
        assert all(b"Eileen" not in archive.read(name) for name in archive.namelist())
    last = admin.get(f"{GALLERY}/audit").json()["entries"][-1]
    assert last["action"] == "export"
    assert admin.get(f"{GALLERY}/people/{'0' * 32}/export").status_code == 404


def test_what_was_sent_is_not_left_behind(
    admin: httpx.Client,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    hopper_jpeg: bytes,
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    made = admin.post(f"{GALLERY}/people", data={"name": "Ada"}, files={"photos": hopper_jpeg})
    uid = made.raise_for_status().json()["person"]["id"]
    assert admin.get(f"{GALLERY}/export").status_code == 200
    assert admin.get(f"{GALLERY}/people/{uid}/export").status_code == 200
    assert admin.get("/v1/galleries/none/export").status_code == 404
    assert admin.get("/v1/version").status_code == 200  # the one before is done
    assert list(elsewhere.iterdir()) == []
    place = context.settings.service_file.parent
    assert not list(place.glob(".vultus-copy-*"))
    (place / ".vultus-copy-killed").mkdir()
    remove_strays(place)
    assert not list(place.glob(".vultus-copy-*"))
