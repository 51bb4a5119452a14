"""The page where things go wrong: log-ins that end, slow lines, odd names, what is no photo."""

import json
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from tests.server.browser.chromium import Page
from tests.server.browser.conftest import LogIn
from tests.server.browser.test_reading import _tour
from tests.server.browser.test_screens import EVIL, PEOPLE, _enrol, _identify, _open

from vultus.core.embeddings import Embeddings
from vultus.server.access import Role
from vultus.server.context import Context

pytestmark = pytest.mark.browser

LONG = "Maximiliana-Wilhelmina " * 8
EMOJI = "👩🏽‍🚀 Ada"
LEFTWARDS = "محمد بن موسى"


def _end_sessions(page: Page) -> None:
    """As when they are over: the cookie is gone, the key is not."""
    page.call("Network.clearBrowserCookies")


def test_a_log_in_that_ends_loses_nothing(
    log_in: LogIn, context: Context, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    key = context.keys.add(Role.operator)[1]
    page = log_in(None)
    page.fill("#key", key)
    page.click("Log in")
    page.sees("This gallery")
    page.go("/#/people/people/new")
    page.upload(".chooser input", photos["hopper"])
    page.wait("document.querySelector('.told .good')", seconds=60)
    page.fill("#name", "Grace Hopper")
    page.fill("#purpose", "the door")
    _end_sessions(page)
    page.click("Enrol")
    page.sees("The log-in has ended")
    page.press("Escape")  # it cannot be put away
    page.fill("dialog #key", "no key")
    page.click("Log in", within="dialog")
    page.sees("Not logged in")
    assert not admin.get(PEOPLE).json()["people"]
    page.fill("dialog #key", key)
    page.click("Log in", within="dialog")
    page.sees("What is noted", seconds=60)  # what was asked for is done
    (grace,) = admin.get(PEOPLE).json()["people"]
    assert grace["consent"]["purpose"] == "the door"


def test_somebody_else_who_logs_in_sees_nothing_of_it(
    log_in: LogIn, context: Context, photos: dict[str, Path]
) -> None:
    page = log_in(Role.operator)
    page.go("/#/people/people/new")
    page.wait("document.querySelector('#name')")
    page.fill("#name", "Grace Hopper")
    _end_sessions(page)
    page.upload(".chooser input", photos["hopper"])
    page.fill("dialog #key", context.keys.add(Role.operator)[1])
    page.click("Log in", within="dialog")
    page.wait("!document.querySelector('dialog') && document.querySelector('#name')")
    assert page.run("document.querySelector('#name').value") == ""
    assert not page.run("document.querySelector('.photos-grid li')")
    _end_sessions(page)
    page.click("People", within="nav")
    page.click("Leave it", within="dialog")
    page.wait("document.querySelector('.login')")


def test_what_is_no_photo_is_said_to_be_none(log_in: LogIn, tmp_path: Path) -> None:
    text, fake = tmp_path / f"{EVIL[:10].replace('/', '')}.txt", tmp_path / "fake.png"
    text.write_text("no photo")
    fake.write_text("no photo either")
    page = log_in(Role.operator)
    for place in ("identify", "compare", "people/new"):
        page.go(f"/#/people/{place}")
        page.wait("document.querySelector('.chooser input')")
        page.upload(".chooser input", text)
        page.sees("1 file was left out: it is no photo")
    page.upload(".chooser input", fake)
    page.sees("This photo cannot be read")
    page.click("Leave it out")
    page.wait("!document.querySelector('.photos-grid li')")
    _open(page, "Jobs")
    page.upload("#zip", text)
    page.click("Enrol all")
    page.wait("document.querySelector('[role=alert]')")
    assert not page.run("document.querySelector('img[src=x]')")


def test_what_is_too_large_is_said_to_be_so(log_in: LogIn, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(40_000_000))
    page = log_in(Role.operator)
    page.go("/#/people/identify")
    page.upload(".chooser input", large)
    page.sees("Too large", seconds=60)


def test_no_connection_is_one_sentence(log_in: LogIn) -> None:
    page = log_in(Role.admin)
    offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.call("Network.emulateNetworkConditions", offline=True, **offline)
    page.click("People", within="nav")
    page.sees("The service cannot be reached; check the connection and try again.")
    page.call("Network.emulateNetworkConditions", offline=False, **offline)
    page.click("Overview", within="nav")
    page.sees("This gallery")


def test_on_a_slow_line_the_newest_photo_wins(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    _enrol(admin, "Grace Hopper", photos["hopper"])
    page = log_in(Role.reader)
    _open(page, "Identify")
    slow = {"latency": 300, "downloadThroughput": 60_000, "uploadThroughput": 60_000}
    page.call("Network.emulateNetworkConditions", offline=False, **slow)
    page.upload(".chooser input", photos["hopper"])
    page.sees("Working…")
    page.upload(".chooser input", photos["small"])
    page.sees("Cannot be judged", seconds=60)
    time.sleep(3)  # until the answer to the first has come, too
    assert page.run("document.querySelectorAll('article.face').length") == 1
    page.sees("Cannot be judged")
    page.click("Overview", within="nav")
    page.click("Compare", within="nav")  # before the other screen has come
    page.wait("document.querySelector('.sides')", seconds=60)
    time.sleep(2)
    assert "This gallery" not in page.text()


def test_names_of_all_kinds_fit(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    long = _enrol(
        admin, LONG, photos["hopper"], groups="g" * 100, external_id="x" * 200,
        consent_purpose="p" * 200, metadata=json.dumps({"k" * 60: "v" * 500}),
    )  # fmt: skip
    _enrol(admin, EMOJI, photos["collins"])
    page = log_in(Role.admin, size=(360, 740))
    for place in _tour(page, long, photos):
        assert page.run("document.documentElement.scrollWidth") <= 360, place
    _open(page, "People")
    page.wait("document.querySelectorAll('.person-card').length === 2")
    avatars = page.run("[...document.querySelectorAll('.avatar')].map((one) => one.textContent)")
    assert "👩🏽‍🚀A" in avatars
    # What stands at the photo's edge is not cut off.
    _identify(page, photos["together"])
    page.wait("document.querySelectorAll('.box span').length === 2")
    for side in ("left", "right"):
        bound = f"document.querySelector('.picture').getBoundingClientRect().{side}"
        place = f"one.getBoundingClientRect().{side} - {bound}"
        found = page.run(f"[...document.querySelectorAll('.box span')].map((one) => {place})")
        assert all(more >= -1 if side == "left" else more <= 1 for more in found), found


def test_a_name_from_right_to_left_turns_no_sentence(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    _enrol(admin, LEFTWARDS, photos["hopper"])
    page = log_in(Role.reader)
    _identify(page, photos["hopper"])
    page.sees(f"to ⁨{LEFTWARDS}⁩ reaches the threshold")


def test_ten_thousand_people(
    log_in: LogIn, admin: httpx.Client, context: Context, photos: dict[str, Path]
) -> None:
    gallery = context.galleries.get("people", actor="test")
    vectors = np.random.default_rng(0).standard_normal((1, gallery.space.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors)
    face = Embeddings(vectors, norms=np.ones(1, np.float32), space=gallery.space)
    with gallery.changing():
        for number in range(10_000):
            gallery.enroll(f"Somebody {number:05}", face)
    page = log_in(Role.operator)
    began = time.monotonic()
    _open(page, "People")
    page.sees("60 of 10,000 shown")
    assert time.monotonic() - began < 15
    page.click("Show more")
    page.sees("120 of 10,000 shown")
    assert page.run("document.querySelectorAll('.person-card').length") == 120
    page.fill("#search", "body 09999")
    page.wait("document.querySelectorAll('.person-card').length === 1", seconds=60)
    page.sees("Somebody 09999")
    page.fill("#search", "")
    page.sees("60 of 10,000 shown")
    person = admin.get(f"{PEOPLE}?limit=1").json()["people"][0]["id"]
    tag = {"If-Match": admin.get(f"{PEOPLE}/{person}").headers["etag"]}
    admin.patch(f"{PEOPLE}/{person}", json={"groups": ["first"]}, headers=tag)
    page.go("/#/people/people")
    page.wait("document.querySelectorAll('#group option').length === 2")
    page.fill("#group", "first")
    page.wait("document.querySelectorAll('.person-card').length === 1")
