"""Long work on the page: groups that become people, and the change to another model."""

import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.browser.chromium import Page
from tests.server.browser.conftest import LogIn
from tests.server.browser.test_screens import PEOPLE, _enrol, _open
from tests.server.monitors.conftest import portrait, write_film

from vultus.core.faces import Image
from vultus.models.store import ModelStore
from vultus.server.access import Role
from vultus.server.jobs import worker

pytestmark = pytest.mark.browser

GALLERY = "/v1/galleries/people"


@pytest.fixture
def archive(photos: dict[str, Path], tmp_path: Path) -> Path:
    """Two people on four photos, one of which shows both; names that no old zip could write."""
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as faces:
        faces.write(photos["hopper"], "album/één.jpg", compress_type=zipfile.ZIP_DEFLATED)
        faces.write(photos["hopper-cropped"], "album/<b>2</b>.jpg")
        faces.write(photos["together"], "album/合影.jpg", compress_type=zipfile.ZIP_DEFLATED)
        faces.write(photos["nobody"], "album/nobody.jpg")
    return path


def _shown(page: Page, group: int) -> str:
    return f"document.querySelectorAll('.group')[{group}]"


def _name(page: Page, group: int, name: str) -> None:
    page.fill(f"#who-{group}", name)
    page.run(f"{_shown(page, group)}.querySelector('button.main').click()")
    page.sees(f"added to {name}", seconds=60)


def test_groups_of_a_zip_become_people(
    log_in: LogIn, admin: httpx.Client, archive: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    page = log_in(Role.operator)
    _open(page, "Jobs")
    page.upload("#zip-faces", archive)
    page.click("Group them")
    page.sees("2 people were found", seconds=60)
    page.sees("1 photo was refused")
    page.sees("album/<b>2</b>.jpg")
    for group, faces in enumerate((3, 1)):
        page.wait(f"{_shown(page, group)}.querySelectorAll('canvas.cut').length === {faces}")
    _name(page, 0, "Grace")
    _name(page, 1, "Eileen")  # cut out of the photo of both
    people = {one["name"]: one["photos"] for one in admin.get(PEOPLE).json()["people"]}
    assert people == {"Grace": 3, "Eileen": 1}

    address = page.run("location.hash")
    page.go(f"/{address}")  # what the page remembered is gone
    page.sees("Choose the zip again")
    assert not page.run("document.querySelector('#who-0')")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as wrong:
        wrong.write(photos["collins"], "x.jpg")
    page.upload("#zip-again", other)
    page.sees("This is not the zip of the job")
    page.upload("#zip-again", photos["collins"])
    page.sees("This is not the zip of the job")
    page.upload("#zip-again", archive)
    page.wait("document.querySelector('#who-0')")
    assert "Choose the zip again" not in page.text()


def test_groups_of_faces_that_wait_become_people(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    admin.put(f"{GALLERY}/review", json={"days": 7})
    admin.put(f"{GALLERY}/crops")
    for name in ("hopper", "collins", "hopper-cropped"):
        admin.post(f"{GALLERY}/identify", files={"photo": photos[name].read_bytes()})
    _enrol(admin, "Grace", photos["hopper"])
    page = log_in(Role.operator)
    _open(page, "Jobs")
    page.click("Group those that wait")
    page.sees("2 people were found", seconds=60)
    page.wait(f"{_shown(page, 0)}.querySelectorAll('img.cut').length === 2")
    _name(page, 0, "Grace")
    (grace,) = admin.get(PEOPLE).json()["people"]
    assert grace["photos"] == 2
    assert page.run(f"{_shown(page, 0)}.querySelectorAll('.reasons li').length") == 1  # twice


def test_who_must_be_photographed_again(
    log_in: LogIn,
    admin: httpx.Client,
    photos: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grace = _enrol(admin, "Grace", photos["hopper"])

    def migrated(run: Any) -> dict[str, Any]:
        run.tell("embedding kept crops", 1, 2)
        told = {"before": "tiny", "model": run.options["model"], "people": 2, "ready": 1}
        counts = {"pending": 0, "photos_left": 3, "reviewed": 0, "complete": False}
        return {**told, **counts, "n_missing": 1, "missing": [grace]}

    monkeypatch.setattr(ModelStore, "place", lambda self, name: "here")
    monkeypatch.setitem(worker._KINDS, "migration", migrated)
    operator = log_in(Role.operator)
    _open(operator, "Jobs")
    assert not operator.run("document.querySelector('#model')")
    page = log_in(Role.admin)
    _open(page, "Jobs")
    page.wait("document.querySelector('#model option')")
    page.fill("#model", "mobilefacenet-y1")
    page.click("Begin")
    page.sees("1 person must be photographed again", seconds=60)
    page.sees("vultus gallery migrate --finish")
    page.click("Grace", within="main")
    page.sees("What is noted")


def test_a_film_is_sent_and_watched(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path], tmp_path: Path, hopper: Image
) -> None:
    _enrol(admin, "Grace Hopper", photos["hopper"])
    seen = [portrait(hopper, number) for number in range(20)]
    page = log_in(Role.operator)
    _open(page, "Jobs")
    page.click("Watch a film")
    page.click("Watch it")
    page.sees("Choose a film first")
    page.upload("#film", write_film(tmp_path / "door.mkv", seen))
    page.fill("#film-name", "Front door")
    page.fill("#film-fpir", "0.05")
    page.click("Watch it")
    page.sees("Passages", seconds=60)
    page.sees("Front door")
    page.click("To the events")
    page.sees("Grace Hopper", seconds=60)
    kinds = [one["type"] for one in admin.get(f"{GALLERY}/events").json()["events"]]
    assert kinds.count("recognised") == 1
