"""The page by the keyboard alone: what is reached, and where one is afterwards."""

from pathlib import Path

import httpx
import pytest
from tests.server.browser.chromium import Page
from tests.server.browser.conftest import LogIn
from tests.server.browser.test_screens import PEOPLE

from vultus.server.access import Role

pytestmark = pytest.mark.browser

FOCUSED = "(document.activeElement.innerText || document.activeElement.id || '').trim()"


def _tab_to(page: Page, text: str) -> None:
    for _ in range(60):
        page.press("Tab")
        if page.run(FOCUSED) == text:
            # It is seen where one is: an outline is drawn.
            assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"{text!r} is not reached; at {page.run(FOCUSED)!r}")


def test_somebody_is_enrolled_and_erased(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    page = log_in(Role.admin)
    _tab_to(page, "Enrol somebody")
    page.press("Enter")
    page.wait("document.activeElement.tagName === 'H1'")
    page.press("Tab")
    page.press("Tab")
    assert page.run("document.activeElement.type") == "file"
    # Around what is chosen by a dialogue of the system there is an outline, too.
    label = "getComputedStyle(document.activeElement.closest('label')).outlineStyle"
    assert page.run(label) != "none"
    page.upload(".chooser input", photos["hopper"], photos["small"])
    page.wait("document.querySelectorAll('.told :is(.good, .bad)').length === 2", seconds=60)
    _tab_to(page, "Leave it out")
    _tab_to(page, "Leave it out")
    page.press("Enter")
    page.wait("document.querySelectorAll('.photos-grid li').length === 1")
    assert page.run(FOCUSED) == "Leave it out"  # of the one beside it
    _tab_to(page, "name")
    page.call("Input.insertText", text="Grace Hopper")
    _tab_to(page, "Enrol")
    page.press("Enter")
    page.sees("What is noted", seconds=60)
    assert page.run("document.activeElement.tagName") == "H1"

    _tab_to(page, "Erase this person")
    page.press("Enter")
    page.wait("document.querySelector('dialog[open]')")
    assert page.run("document.activeElement.closest('dialog') !== null")
    page.press("Escape")
    page.wait("!document.querySelector('dialog')")
    assert page.run(FOCUSED) == "Erase this person"
    page.press("Enter")
    page.wait("document.querySelector('dialog[open]')")
    for _ in range(6):  # it does not lead out of the dialogue
        page.press("Tab")
        inside = (
            "document.activeElement.closest('dialog') || document.activeElement === document.body"
        )
        assert page.run(f"!!({inside})")
    _tab_to(page, "Erase for good")
    page.press("Enter")
    page.sees("Receipt of the erasure")
    assert page.run("document.activeElement.tagName") == "H1"
    assert not admin.get(PEOPLE).json()["people"]


def test_a_button_that_works_keeps_the_place(log_in: LogIn) -> None:
    page = log_in(Role.admin)
    page.go("/#/people/audit")
    page.wait("!document.querySelector('.busy')")
    _tab_to(page, "Check the chain")
    page.press("Enter")
    page.sees("The chain is whole")
    assert page.run(FOCUSED) == "Check the chain"


def test_faces_are_chosen_and_assigned(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path]
) -> None:
    gallery = "/v1/galleries/people"
    admin.put(f"{gallery}/review", json={"days": 7})
    for name in ("hopper", "collins"):
        admin.post(f"{gallery}/identify", files={"photo": photos[name].read_bytes()})
    page = log_in(Role.operator)
    page.go("/#/people/review")
    page.wait("document.querySelectorAll('.tile').length === 2")
    for _ in range(60):
        page.press("Tab")
        if page.run("document.activeElement.dataset.face"):
            break
    page.press(" ")
    page.sees("1 face chosen")
    assert page.run("document.activeElement.checked")  # the place is kept
    page.run("document.querySelector('#who').focus()")
    page.call("Input.insertText", text="Grace")
    page.run("document.querySelectorAll('.tile input')[1].click()")
    page.sees("2 faces chosen")
    assert page.run("document.querySelector('#who').value") == "Grace"  # nor is that lost
    page.run("document.querySelectorAll('.tile input')[1].click()")
    _tab_to(page, "Assign")
    page.press("Enter")
    page.sees("1 face was added to Grace")
    page.wait("document.activeElement.dataset.face")
