"""The ways by which a photo comes to the page: pasted and dropped, not only chosen."""

import base64
from pathlib import Path

import pytest
from tests.server.browser.chromium import Page
from tests.server.browser.conftest import LogIn
from tests.server.browser.test_screens import _open

from vultus.server.access import Role

pytestmark = pytest.mark.browser

ARTICLE = "document.querySelectorAll('article.face').length"


def _give(page: Page, photo: Path, event: str, target: str = "document") -> None:
    """As when a photo is pasted (anywhere), or dropped on something."""
    data = base64.b64encode(photo.read_bytes()).decode()
    where = "clipboardData" if event == "ClipboardEvent('paste'" else "dataTransfer"
    page.run(
        f"(() => {{ const given = new DataTransfer();"
        f"const bytes = Uint8Array.from(atob('{data}'), (one) => one.charCodeAt(0));"
        "given.items.add(new File([bytes], 'photo.jpg', { type: 'image/jpeg' }));"
        f"{target}.dispatchEvent(new {event}, {{ {where}: given, bubbles: true }})); }})()"
    )


def test_photos_are_pasted_and_dropped(log_in: LogIn, photos: dict[str, Path]) -> None:
    page = log_in(Role.operator)
    _open(page, "Identify")
    page.wait("document.querySelector('.chooser')")
    _give(page, photos["hopper"], "ClipboardEvent('paste'")
    page.wait(f"{ARTICLE} === 1", seconds=60)
    _give(page, photos["together"], "DragEvent('drop'", "document.querySelector('.chooser')")
    page.wait(f"{ARTICLE} === 2", seconds=60)

    _open(page, "Compare")
    page.wait("document.querySelector('.sides')")
    for photo in ("hopper", "hopper-cropped"):  # the first goes to the left, the next to the right
        _give(page, photos[photo], "ClipboardEvent('paste'")
    page.sees("Similarity", seconds=60)
    assert page.run("document.querySelectorAll('.side .picture > img').length") >= 2

    page.go("/#/people/people/new")
    page.wait("document.querySelector('.chooser')")
    _give(page, photos["hopper"], "ClipboardEvent('paste'")
    page.wait("document.querySelectorAll('.told .good').length === 1", seconds=60)


def test_a_photo_pasted_on_a_persons_screen_goes_where_it_is_wanted(
    log_in: LogIn, photos: dict[str, Path]
) -> None:
    page = log_in(Role.operator)
    page.go("/#/people/people/new")
    page.upload(".chooser input", photos["hopper"])
    page.wait("document.querySelector('.told .good')", seconds=60)
    page.fill("#name", "Grace")
    page.click("Enrol")
    page.sees("What is noted", seconds=60)
    page.click("Is a photo of this person?")
    _give(page, photos["hopper-cropped"], "ClipboardEvent('paste'")
    page.sees("Similarity", seconds=60)
    page.sees("1 photo")  # compared, not enrolled
    page.click("Is a photo of this person?")
    _give(page, photos["hopper-cropped"], "ClipboardEvent('paste'")
    page.sees("2 photos", seconds=60)
