"""What people do on the page."""

import json
import zipfile
from pathlib import Path

import httpx
import pytest
from tests.server.browser.chromium import Page
from tests.server.browser.conftest import LogIn
from tests.server.conftest import jpeg

from vultus.core.faces import Image
from vultus.server.access import Role
from vultus.server.context import Context

pytestmark = pytest.mark.browser

PEOPLE = "/v1/galleries/people/people"
EVIL = "<img src=x onerror=alert(1)>"


def _enrol(client: httpx.Client, name: str, photo: Path, **form: str) -> str:
    files = {"photos": photo.read_bytes()}
    answer = client.post(PEOPLE, data={"name": name, **form}, files=files)
    return str(answer.json()["person"]["id"])


def _open(page: Page, screen: str) -> None:
    page.click(screen, within="nav")
    page.wait(f"document.querySelector('h1').textContent === {json.dumps(screen)}")
    page.drawn()


def _identify(page: Page, photo: Path) -> None:
    _open(page, "Identify")
    page.upload(".chooser input", photo)
    page.wait("document.querySelector('.faces')", seconds=60)


def test_logged_in_by_a_key(log_in: LogIn, context: Context) -> None:
    page = log_in(None)
    page.fill("#key", "no key of this service")
    page.click("Log in")
    page.sees("Not logged in")
    page.fill("#key", context.keys.add(Role.admin)[1])
    page.click("Log in")
    page.sees("This gallery")
    kept = page.run("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
    assert json.loads(kept)[0] == ""  # no script reads the cookie
    assert "vultus_" not in kept
    page.go("/")  # the cookie is still there
    page.sees("This gallery")
    page.click("Log out")
    page.sees("Access key")
    page.go("/")
    page.sees("Access key")


def test_a_log_in_that_ends_is_asked_for_again(log_in: LogIn, context: Context) -> None:
    page = log_in(Role.operator)
    for key in context.keys.listed():
        context.keys.remove(key.id)
    page.click("People", within="nav")
    page.sees("Access key")


def test_enrolled_identified_and_erased(log_in: LogIn, photos: dict[str, Path]) -> None:
    page = log_in(Role.admin)
    _open(page, "People")
    page.sees("Nobody is enrolled yet")
    page.click("Enrol somebody")
    page.upload(".chooser input", photos["hopper"], photos["small"], photos["nobody"])
    page.wait("document.querySelectorAll('.told .good, .told .bad').length === 3", seconds=60)
    page.wait("document.querySelector('.picture .drawn')?.innerText.includes('too small')")
    page.sees("No face was found")
    assert page.run("document.querySelectorAll('.box.refused').length") == 1
    page.fill("#name", "Grace Hopper")
    page.fill("#groups", "navy, staff")
    page.fill("#purpose", "the door")
    page.click("Enrol")
    page.sees("What is noted", seconds=60)
    page.sees("the door")
    page.sees("enrolled")

    _identify(page, photos["together"])
    page.wait("document.querySelectorAll('article.face').length === 2")
    page.sees("reaches the threshold of")
    assert "Grace Hopper" in page.run("document.querySelector('.layer').innerText")

    page.click("Grace Hopper", within="article.face")
    page.sees("recognised")
    page.click("Erase this person")
    page.sees("cannot be undone")
    page.press("Escape")
    page.wait("!document.querySelector('dialog')")
    page.click("Erase this person")
    page.click("Erase for good")
    page.sees("Receipt of the erasure")
    _open(page, "People")
    page.sees("Nobody is enrolled yet")
    _identify(page, photos["hopper"])
    page.sees("Nobody is enrolled, so nobody can be named")


def test_what_is_told_of_a_photo_that_cannot_be_used(
    log_in: LogIn, photos: dict[str, Path], tmp_path: Path
) -> None:
    page = log_in(Role.reader)
    _identify(page, photos["nobody"])
    page.sees("No face was found")
    _identify(page, photos["small"])
    page.sees("Cannot be judged")
    page.sees("px between the eyes")
    text = tmp_path / "text.jpg"
    text.write_text("no photo")
    _open(page, "Identify")
    page.upload(".chooser input", text)
    page.sees("This photo cannot be read")


def test_two_photos_compared(log_in: LogIn, photos: dict[str, Path]) -> None:
    page = log_in(Role.reader)
    _open(page, "Compare")
    page.upload(".side:nth-child(1) input", photos["hopper"])
    page.upload(".side:nth-child(2) input", photos["hopper-cropped"])
    page.fill("#fmr", "2")
    page.sees("The same person", seconds=60)
    page.wait("document.querySelectorAll('.crop img').length === 2", seconds=60)
    page.upload(".side:nth-child(2) input", photos["collins"])
    page.sees("Not the same person", seconds=60)
    page.fill("#fmr", "6")  # nobody measured that
    page.sees("No threshold for this rate")


def test_the_page_shows_what_the_role_may_do(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    person = _enrol(admin, "Grace", photos["hopper"])
    shown = {}
    for role in Role:
        page = log_in(role)
        _open(page, "People")
        page.sees("Grace")
        may_enrol = "Enrol somebody" in page.text()
        page.go(f"/#/people/people/{person}")
        page.sees("What is noted")
        screens = page.run("[...document.querySelectorAll('nav a')].map((a) => a.textContent)")
        shown[role] = (may_enrol, "Erase this person" in page.text(), "Settings" in screens)
        assert ("Events" in screens) == (role >= Role.operator)
    assert shown == {
        Role.reader: (False, False, False),
        Role.operator: (True, False, False),
        Role.admin: (True, True, True),
    }


def test_a_name_is_text_wherever_it_stands(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    person = _enrol(
        admin, EVIL, photos["hopper"], groups=EVIL, external_id=EVIL, consent_purpose=EVIL,
        metadata=json.dumps({EVIL: EVIL}),
    )  # fmt: skip
    page = log_in(Role.admin)
    page.sees(EVIL)
    _open(page, "People")
    page.sees(EVIL)
    page.go(f"/#/people/people/{person}")
    page.sees("Erase this person")
    assert page.text().count(EVIL) >= 5
    _identify(page, photos["hopper"])
    page.sees(EVIL)
    _open(page, "Events")
    page.sees(EVIL)
    assert page.run("document.querySelectorAll('[onerror], img[src=x]').length") == 0


def test_events_are_followed_as_they_happen(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    page = log_in(Role.operator)
    _open(page, "Events")
    page.sees("Nothing has happened yet")
    _enrol(admin, "Grace", photos["hopper"])
    page.wait("document.querySelectorAll('tbody tr').length === 1")
    page.sees("Grace")
    page.fill("#type", "erased")
    page.sees("Nothing has happened yet")


def test_keys_are_made_and_taken_back(log_in: LogIn, context: Context) -> None:
    page = log_in(Role.admin)
    _open(page, "Settings")
    page.fill("#role", "operator")
    page.click("Make a key")
    page.sees("It is shown only now")
    text = page.run("document.querySelector('.secret').textContent")
    key = context.keys.find(text)
    assert key is not None
    assert key.role == "operator"
    row = f"[...document.querySelectorAll('tr')].find((tr) => tr.textContent.includes('{key.id}'))"
    page.wait(row)
    page.run(f"{row}.querySelector('button').click()")
    page.click("Take back", within="dialog")
    page.sees(f"Key {key.id} opens nothing any more")
    assert context.keys.find(text) is None


def test_faces_named_as_the_camera_sees_them(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    _enrol(admin, "Grace Hopper", photos["hopper"])
    page = log_in(Role.reader)
    _open(page, "Identify")
    page.click("Live from the camera")
    named = "document.querySelector('.camera .box.known')?.textContent === 'Grace Hopper'"
    page.wait(named, seconds=60)
    page.wait("!document.querySelector('.camera .box')", seconds=60)  # who leaves has no box
    page.wait(named, seconds=60)
    page.click("Stop the camera")
    page.wait("!document.querySelector('video')")
    events = admin.get("/v1/galleries/people/events").json()["events"]
    assert [event["type"] for event in events if event["source"] == "live"] == ["recognised"]


def test_a_photo_taken_by_the_camera_is_enrolled(log_in: LogIn) -> None:
    page = log_in(Role.operator)
    page.go("/#/people/people/new")
    page.click("Use the camera")
    page.wait("document.querySelector('video')?.videoWidth > 0")
    judged = "document.querySelectorAll('.photos-grid :is(.good, .bad)').length"
    for taken in range(1, 30):  # until she is before it
        page.click("Take this photo")
        page.wait(f"{judged} === {taken}", seconds=60)
        if page.run("document.querySelectorAll('.photos-grid .good').length"):
            break
    page.fill("#name", "Grace")
    page.click("Enrol")
    page.sees("What is noted", seconds=60)


def test_unknown_faces_are_reviewed(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    page = log_in(Role.admin)
    _open(page, "Review")
    page.sees("keeps no face that nobody could name")
    page.click("Keep them from now on")
    page.sees("No face waits")
    for name in ("hopper", "collins"):
        _identify(page, photos[name])
        page.sees("It waits for review")
    _open(page, "Review")
    page.wait("document.querySelectorAll('.tile img').length === 2")  # seen by this page


def _choose(page: Page, number: int) -> None:
    page.wait(f"document.querySelector('[data-face=\"{number}\"]')")
    page.run(f"document.querySelector('[data-face=\"{number}\"]').click()")


def test_faces_are_assigned_denied_and_deleted(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    gallery = "/v1/galleries/people"
    admin.put(f"{gallery}/review", json={"days": 7})
    for name in ("hopper", "collins", "hopper-cropped"):
        admin.post(f"{gallery}/identify", files={"photo": photos[name].read_bytes()})
    first, second, third = (
        face["number"] for face in admin.get(f"{gallery}/review").json()["faces"]
    )
    page = log_in(Role.operator)
    _open(page, "Review")
    _choose(page, first)
    page.fill("#who", "Grace")
    page.click("Assign")
    page.sees("1 face was added to Grace")
    page.wait("document.querySelectorAll('.tile').length === 2")
    page.sees("like Grace")
    _choose(page, second)
    page.click("Not Grace")
    page.sees("Grace is not suggested for it any more")
    _choose(page, third)
    page.fill("#who", "Grace")
    page.click("Assign")
    page.wait("document.querySelectorAll('.tile').length === 1")
    _choose(page, second)
    page.click("Delete")
    page.click("Delete", within="dialog")
    page.sees("No face waits")
    (grace,) = admin.get(PEOPLE).json()["people"]
    assert grace["photos"] == 2


def test_two_people_are_merged_and_apart_again(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    _enrol(admin, "Grace", photos["hopper"])
    _enrol(admin, "Eileen", photos["collins"])
    page = log_in(Role.operator)
    _open(page, "Review")
    page.click("Merge two people")
    page.click("Merge", within="dialog")
    page.sees("Choose two people who are enrolled")
    page.fill("#gone", "Eileen")
    page.fill("#stays", "Grace")
    page.click("Merge", within="dialog")
    page.sees("Merged into Grace")
    assert [one["name"] for one in admin.get(PEOPLE).json()["people"]] == ["Grace"]
    page.click("Undo")
    page.sees("Eileen is back")
    names = {one["name"] for one in admin.get(PEOPLE).json()["people"]}
    assert names == {"Grace", "Eileen"}


def test_what_is_noted_is_changed_unless_somebody_else_did(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    person = _enrol(admin, "Grace", photos["hopper"], groups="navy", consent_purpose="door")
    page = log_in(Role.operator)
    page.go(f"/#/people/people/{person}")
    page.click("Change what is noted")
    page.fill("dialog #name", "Grace Hopper")
    page.fill("dialog #groups", "navy, staff")
    page.click("Save")
    page.wait("document.querySelector('h1').textContent === 'Grace Hopper'")
    told = admin.get(f"{PEOPLE}/{person}")
    assert told.json()["groups"] == ["navy", "staff"]
    assert told.json()["consent"]["purpose"] == "door"
    page.click("Change what is noted")
    page.fill("dialog #external-id", "mine")
    tag = {"If-Match": told.headers["etag"]}
    admin.patch(f"{PEOPLE}/{person}", json={"external_id": "theirs"}, headers=tag)
    page.click("Save")
    page.sees("it was changed since")
    page.click("Cancel")
    assert admin.get(f"{PEOPLE}/{person}").json()["external_id"] == "theirs"


def test_the_audit_log_is_read_and_checked(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    _enrol(admin, "Grace", photos["hopper"])
    page = log_in(Role.admin)
    _open(page, "Audit")
    page.wait("[...document.querySelectorAll('td')].some((td) => td.textContent === 'enrol')")
    assert "Grace" not in page.text()
    page.click("Check the chain")
    page.sees("The chain is whole")


def test_what_rates_mean(log_in: LogIn) -> None:
    page = log_in(Role.reader)
    _open(page, "Thresholds")
    page.sees("Of 1,000 strangers who are looked up, about 10 are given a name")
    page.sees("not promised: too little was measured")
    page.wait("document.querySelectorAll('.chart .curve').length >= 2")


def test_many_are_enrolled_by_a_job(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path], tmp_path: Path
) -> None:
    archive = tmp_path / "many.zip"
    with zipfile.ZipFile(archive, "w") as many:
        many.write(photos["hopper"], "Grace/1.jpg")
        many.write(photos["nobody"], "Grace/2.jpg")
        many.write(photos["collins"], "Eileen/1.jpg")
    page = log_in(Role.operator)
    _open(page, "Jobs")
    page.sees("There is no job")
    page.click("Enrol all")
    page.sees("Choose a zip first")
    page.upload("#zip", archive)
    page.click("Enrol all")
    page.sees("1 photo was refused", seconds=60)
    page.sees("No face on this photo")
    page.wait("document.querySelector('.tag.done')", seconds=60)
    assert {one["name"] for one in admin.get(PEOPLE).json()["people"]} == {"Grace", "Eileen"}
    page.click("Delete the job")
    page.sees("There is no job")


def test_a_calibration_that_was_measured_is_taken_into_use(
    log_in: LogIn,
    admin: httpx.Client,
    hopper: Image,
    collins: Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    archive = tmp_path / "site.zip"
    with zipfile.ZipFile(archive, "w") as people:
        for person in range(16):
            face = hopper if person % 2 else collins
            for shot in range(2):
                cut = face[person : 240 + 8 * person + shot]
                people.writestr(f"p{person}/{shot}.jpg", jpeg(cut))
    operator = log_in(Role.operator)
    _open(operator, "Jobs")
    assert operator.run("!document.querySelector('#zip-measured')")
    page = log_in(Role.admin)
    _open(page, "Jobs")
    page.upload("#zip-measured", archive)
    page.click("Measure")
    page.wait("document.querySelector('.tag.failed')", seconds=120)
    page.sees("people")  # the usual rates take more of them
    job = admin.post(
        "/v1/galleries/people/jobs/calibration?fmr=0.2&select=largest",
        content=archive.read_bytes(),
        headers={"Content-Type": "application/zip"},
    ).json()
    page.go(f"/#/people/jobs/{job['id']}")
    page.sees("Thresholds of this site are measured", seconds=120)
    before = admin.get("/v1/calibration").json()["calibration"]
    page.click("Judge by them from now on")
    page.sees("Thresholds of this site are in use")
    after = admin.get("/v1/calibration").json()["calibration"]
    assert after["data"]["name"] == "upload"
    assert after != before


def test_aligned_faces_are_kept_shown_and_erased(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    gallery = "/v1/galleries/people"
    admin.put(f"{gallery}/review", json={"days": 7})
    page = log_in(Role.admin)
    _open(page, "Settings")
    page.sees("None is kept: another model")
    page.click("Keep aligned faces")
    page.sees("Erase them and keep none")
    admin.post(f"{gallery}/identify", files={"photo": photos["hopper"].read_bytes()})
    _open(page, "Review")  # a face that this page did not send
    page.wait("document.querySelector('.tile img')?.naturalWidth === 112")
    _open(page, "Settings")
    page.click("Erase them and keep none")
    page.click("Erase them and keep none", within="dialog")
    page.sees("1 aligned face was erased")
    page.sees("None is kept: another model")


def test_all_that_is_held_is_given_out(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    person = _enrol(admin, "Grace Hopper", photos["hopper"])
    page = log_in(Role.admin)
    page.go(f"/#/people/people/{person}")
    link = "document.querySelector('a[href$=export]')"
    page.wait(link)
    asked = f"fetch({link}.href).then(async (got) => got.status + ' ' + (await got.blob()).type)"
    assert page.run(asked) == "200 application/zip"
    _open(page, "Settings")
    page.wait(link)
    assert page.run(asked) == "200 application/vnd.sqlite3"
    other = log_in(Role.operator)
    other.go(f"/#/people/people/{person}")
    other.sees("History")
    assert other.run(f"{link} === null")
