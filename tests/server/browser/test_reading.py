"""That the page can be read and used by everybody: contrast, keyboard, phone, both languages."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.server.browser.chromium import Page
from tests.server.browser.conftest import LogIn
from tests.server.browser.test_screens import _enrol
from tests.server.routes.test_page import SAME_IN_CHINESE

from vultus.server.access import Role
from vultus.server.context import Context

pytestmark = pytest.mark.browser

DESK, PHONE = (1280, 860), (360, 740)
NAMES = SAME_IN_CHINESE | {"mtcnn", "tiny", "people"}
"""What is called so in every language: names of the page's words, and of this gallery."""
WORDS = Path(__file__).parents[3] / "src" / "vultus" / "server" / "page" / "words"


def _tour(page: Page, person: str, photos: dict[str, Path], *more: str) -> Iterator[str]:
    """Every screen, one after the other, with something on it, and nothing of it folded."""
    # In another language all is drawn anew: for a while there is nothing in the navigation.
    page.wait("document.querySelector('nav a[aria-current]')")
    names = page.run("[...document.querySelectorAll('nav a')].map((a) => a.hash)")
    assert len(names) > 10
    for place in [*names, f"#/people/people/{person}", "#/people/people/new", *more]:
        page.go(f"/{place}")
        if place.endswith("/identify"):
            page.upload(".chooser input", photos["together"])
            page.wait("document.querySelector('.faces')", seconds=60)
        if place.endswith("/compare"):
            page.upload(".side:nth-child(1) input", photos["hopper"])
            page.upload(".side:nth-child(2) input", photos["collins"])
            page.wait("document.querySelector('article.face')", seconds=60)
        if place in more:  # a job
            page.wait("document.querySelector('.tag:is(.done, .failed)')", seconds=60)
        if place.endswith("/new"):
            page.upload(".chooser input", photos["hopper"], photos["small"])
            page.wait("document.querySelectorAll('.told .good, .told .bad').length === 2")
        page.run("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        page.drawn()
        yield place


def _findings(page: Page, axe: str) -> list[str]:
    # A colour on its way from a light page to a dark one is nobody's to read.
    page.wait("document.getAnimations().every((one) => one.playState !== 'running')")
    page.run(f"void (() => {{ {axe} }})()")
    told = page.run("axe.run().then((found) => JSON.stringify(found.violations))")
    return [
        f"{one['id']}: {node['html'][:200]} {node['any'][0]['message'] if node['any'] else ''}"
        for one in json.loads(told)
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_axe_finds_nothing_serious(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path], axe: str
) -> None:
    person = _enrol(admin, "Grace Hopper", photos["hopper"], groups="navy")
    stranger = log_in(None)
    page = log_in(Role.admin)
    # A dark phone has nothing that a light phone and a dark desk have not.
    for size, dark in ((DESK, False), (DESK, True), (PHONE, False)):
        stranger.look(size=size, dark=dark)
        assert _findings(stranger, axe) == []
        page.look(size=size, dark=dark)
        for place in _tour(page, person, photos):
            assert _findings(page, axe) == [], (place, size, dark)


def test_a_phone_shows_all_of_it(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    person = _enrol(admin, "Grace Hopper", photos["hopper"], groups="navy")
    page = log_in(Role.admin, size=PHONE)
    for place in _tour(page, person, photos):
        width = page.run("document.documentElement.scrollWidth")
        assert width <= PHONE[0], (place, width)
        # Nor is anything to be scrolled for inside: a row is a card.
        inner = "[...document.querySelectorAll('.scroll')]"
        assert page.run(f"{inner}.every((one) => one.scrollWidth <= one.clientWidth)"), place
    assert not page.run("document.querySelector('nav').offsetParent")
    page.click("Menu")
    page.wait("document.querySelector('nav').offsetParent")
    page.click("Events", within="nav")
    page.wait("!document.querySelector('nav').offsetParent")


def test_twice_as_large(log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]) -> None:
    person = _enrol(admin, "Grace Hopper", photos["hopper"], groups="navy")
    page = log_in(Role.admin, size=(640, 430))  # what 200 % leave of 1280 x 860
    for place in _tour(page, person, photos):
        assert page.run("document.documentElement.scrollWidth") <= 640, place
        # What sticks to the window leaves the greater part of it.
        high = "[...document.querySelectorAll('main *')].filter((one) => one.offsetHeight > 200)"
        stick = "getComputedStyle(one).position === 'sticky'"
        assert not page.run(f"{high}.some((one) => {stick})"), place
    page.look(size=(1280, 860))
    page.go("/")
    page.run("document.documentElement.style.fontSize = '200%'")  # letters alone
    page.wait("document.querySelector('.figures')")
    assert page.run("document.documentElement.scrollWidth") <= 1280


def test_nothing_moves_for_who_does_not_want_it(log_in: LogIn) -> None:
    page = log_in(Role.admin)
    moving = (
        "[...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])"
        ".filter((rule) => /(transition|animation):/.test(rule.cssText))"
        ".every((rule) => rule.media?.mediaText === '(prefers-reduced-motion: no-preference)')"
    )
    assert page.run(moving)
    page.call(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-reduced-motion", "value": "reduce"}],
    )
    still = "getComputedStyle(one).transitionDuration === '0s'"
    assert page.run(f"[...document.querySelectorAll('*')].every((one) => {still})")


def test_no_english_is_left_in_chinese(
    log_in: LogIn, admin: httpx.Client, context: Context, photos: dict[str, Path]
) -> None:
    person = _enrol(admin, "霍珀", photos["hopper"], groups="海军", consent_purpose="门禁")
    admin.put("/v1/galleries/people/review", json={"days": 7})
    admin.post("/v1/galleries/people/identify", files={"photo": photos["collins"].read_bytes()})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as many:
        many.write(photos["nobody"], "甲/1.jpg")
        many.write(photos["hopper"], "甲/2.jpg")
        many.write(photos["together"], "乙/1.jpg")
    zipped = {"content": archive.getvalue(), "headers": {"Content-Type": "application/zip"}}
    jobs = [
        admin.post(f"/v1/galleries/people/jobs/{kind}", **zipped).json()["id"]  # type: ignore[arg-type]
        for kind in ("enrolment", "clustering", "calibration")
    ]
    page = log_in(Role.admin)
    names = NAMES | {key.id for key in context.keys.listed()}
    page.fill("#language", "zh")
    page.wait("document.documentElement.lang === 'zh-CN'")
    for place in _tour(page, person, photos, *(f"#/people/jobs/{job}" for job in jobs)):
        given = "document.querySelectorAll('[lang=en], [translate=no], code, bdi, input, option')"
        page.run(f"{given}.forEach((one) => one.remove())")
        words = set(re.findall(r"\b[A-Za-z][a-z]{2,}\b", page.text())) - names
        assert not words, (place, words)
        assert "`" not in page.text(), place  # it marks what is typed as it is


def test_both_languages(log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]) -> None:
    person = _enrol(admin, "Grace Hopper", photos["hopper"], groups="navy")
    keys = {key.split(".")[0] for key in json.loads((WORDS / "en.json").read_text())}
    raw = re.compile(rf"\b(?:{'|'.join(sorted(keys))})\.[a-z_]+\b")
    page = log_in(Role.admin)
    for language, said in (("zh", "人脸"), ("en", "face")):
        page.fill("#language", language)
        page.wait(f"document.documentElement.lang.startsWith('{language}')")
        texts = []
        for place in _tour(page, person, photos):
            texts.append(page.text())
            assert not raw.findall(texts[-1]), place
        assert said in "\n".join(texts)
    assert not re.search("[一-鿿]", re.sub("中文", "", "\n".join(texts)))


def test_the_browser_says_which_language(log_in: LogIn) -> None:
    page = log_in(None)
    page.look(language="zh-CN")
    page.go("/")
    page.sees("访问密钥")


def test_by_the_keyboard_alone(log_in: LogIn) -> None:
    page = log_in(Role.reader)
    page.go("/")
    page.wait("document.querySelector('nav a[aria-current]')")
    focused = "document.activeElement.textContent.trim()"
    page.press("Tab")
    assert page.run(focused) == "Skip to the content"
    page.press("Enter")
    assert page.run("document.activeElement.id") == "main"
    page.go("/")
    page.wait("document.querySelector('nav a[aria-current]')")
    for _ in range(30):
        page.press("Tab")
        if page.run(focused) == "Compare":
            break
    page.press("Enter")
    page.wait("document.activeElement.tagName === 'H1'")
    assert page.run(focused) == "Compare"
