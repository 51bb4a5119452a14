"""That the page can be read and used by everybody: contrast, keyboard, phone, both languages."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.server.browser.chromium import Page
from tests.server.browser.conftest import LogIn
from tests.server.browser.test_screens import _enrol

from vultus.server.access import Role

pytestmark = pytest.mark.browser

WORDS = Path(__file__).parents[3] / "src" / "vultus" / "server" / "page" / "words"


def _tour(page: Page, person: str, photos: dict[str, Path]) -> Iterator[str]:
    """Every screen, one after the other, with something on it."""
    names = page.run("[...document.querySelectorAll('nav a')].map((a) => a.hash)")
    for place in [*names, f"#/people/people/{person}", "#/people/people/new"]:
        page.go(f"/{place}")
        page.wait("document.querySelector('.screen').childElementCount > 0")
        if place.endswith("/identify"):
            page.upload(".chooser input", photos["together"])
            page.wait("document.querySelector('.faces')", seconds=60)
        if place.endswith("/compare"):
            page.upload(".side:nth-child(1) input", photos["hopper"])
            page.upload(".side:nth-child(2) input", photos["collins"])
            page.wait("document.querySelector('article.face')", seconds=60)
        if place.endswith("/new"):
            page.upload(".chooser input", photos["hopper"], photos["small"])
            page.wait("document.querySelectorAll('.told .good, .told .bad').length === 2")
        page.wait("!document.querySelector('.busy')")
        yield place


def _findings(page: Page, axe: str) -> list[str]:
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
    for dark in (False, True):
        stranger.look(dark=dark)
        assert _findings(stranger, axe) == []
        page.look(dark=dark)
        for place in _tour(page, person, photos):
            assert _findings(page, axe) == [], (place, dark)


def test_a_phone_shows_all_of_it(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    person = _enrol(admin, "Grace Hopper", photos["hopper"], groups="navy")
    page = log_in(Role.admin, size=(360, 740))
    for place in _tour(page, person, photos):
        width = page.run("document.documentElement.scrollWidth")
        assert width <= 360, (place, width)
    assert not page.run("document.querySelector('nav').offsetParent")
    page.click("Menu")
    page.wait("document.querySelector('nav').offsetParent")
    page.click("Events", within="nav")
    page.wait("!document.querySelector('nav').offsetParent")


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
