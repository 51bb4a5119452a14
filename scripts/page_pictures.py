"""Draws the pictures of the service's page for the documentation, by a real Chromium.

    python scripts/page_pictures.py docs/_static/page

The people are on two portraits in the public domain, an astronaut's and an admiral's.
"""

import contextlib
import io
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from PIL import Image as PilImage

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.server.browser.chromium import Page, running_chromium
from tests.server.conftest import running

from vultus import Recognizer
from vultus.image.demo_photos import COLLINS, HOPPER, SMALL, TOGETHER, write_demo_photos
from vultus.server.access import Role
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

_PHONE = (390, 780)
_LONGEST_PX = 2200


@dataclass(frozen=True)
class Studio:
    """What pictures are taken with.

    Attributes:
        page: Logged in as an administrator.
        photos: The demo's folder.
        people: Its photos by person.
        person: The id of Grace Hopper.
        folder: Where pictures go.
    """

    page: Page
    photos: Path
    people: dict[str, list[Path]]
    person: str
    folder: Path

    def open(self, place: str) -> None:
        """Go to a screen."""
        self.page.go(f"/#/people/{place}")
        self.page.wait("document.querySelector('.screen:not(.busy)')", seconds=60)

    def take(self, name: str, *, whole: bool = True) -> None:
        """Keep what is seen."""
        with PilImage.open(io.BytesIO(self.page.picture(whole=whole))) as image:
            shown = image.convert("RGB").crop((0, 0, image.width, min(image.height, _LONGEST_PX)))
            shown.save(self.folder / f"{name}.webp", quality=80, method=6)


def main(folder: Path) -> None:
    """Take every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with _studio(folder) as studio:
        for name, scene in _SCENES.items():
            scene(studio)
            studio.take(name)
        studio.page.look(dark=True)
        _identify(studio)
        studio.take("identify_dark")
        studio.page.look(size=_PHONE)
        _identify(studio)
        studio.take("identify_phone")
        studio.page.look()
        studio.page.fill("#language", "zh")
        _identify(studio)
        studio.take("identify_zh")


@contextlib.contextmanager
def _studio(folder: Path) -> Iterator[Studio]:
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        people = write_demo_photos(work / "photos")
        context = open_context(ServerSettings(gallery=(work / "people.db",)), Recognizer())
        key = context.keys.add(Role.admin)[1]
        profile = work / "profile"
        profile.mkdir()
        with running(context) as address, running_chromium(profile) as browser:
            with httpx.Client(base_url=address, timeout=60) as client:
                client.headers["Authorization"] = f"Bearer {key}"
                person = _people(client, people)
                _many(client, people)
            page = browser.open(address)
            studio = Studio(page, work / "photos", people, person, folder)
            studio.take("login")
            page.fill("#key", key)
            page.click("Log in")
            page.sees("This gallery")
            yield studio


def _people(client: httpx.Client, people: dict[str, list[Path]]) -> str:
    """Grace Hopper is enrolled; faces of both wait for review."""
    gallery = "/v1/galleries/people"
    client.put(f"{gallery}/review", json={"days": 30})
    details = {"name": HOPPER, "groups": ["navy", "science"], "consent_purpose": "the front door"}
    files = [("photos", photo.read_bytes()) for photo in people[HOPPER][:2]]
    made = client.post(f"{gallery}/people", data=details, files=files)
    return str(made.json()["person"]["id"])


def _many(client: httpx.Client, people: dict[str, list[Path]]) -> None:
    """A zip is enrolled, one photo of which is too small."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for photo in people[HOPPER][2:4]:
            archive.write(photo, f"{HOPPER}/{photo.name}")
        archive.write(people[HOPPER][0].parent.parent / SMALL, f"{HOPPER}/{SMALL}")
    client.post(
        "/v1/galleries/people/jobs/enrolment",
        content=buffer.getvalue(),
        headers={"Content-Type": "application/zip"},
    ).raise_for_status()


def _job(studio: Studio) -> None:
    studio.open("jobs")
    studio.page.wait("document.querySelector('.tag.done')", seconds=60)
    studio.page.click("Open")
    studio.page.wait("document.querySelector('.tag.done') && document.querySelector('table')")


def _identify(studio: Studio) -> None:
    studio.open("identify")
    studio.page.upload(".chooser input", studio.photos / TOGETHER)
    studio.page.wait("document.querySelector('article.face')", seconds=60)


def _compare(studio: Studio) -> None:
    studio.open("compare")
    studio.page.upload(".side:nth-child(1) input", studio.people[HOPPER][0])
    studio.page.upload(".side:nth-child(2) input", studio.people[HOPPER][2])
    studio.page.wait("document.querySelector('article.face')", seconds=60)
    studio.page.wait("document.querySelectorAll('.crop img').length === 2", seconds=60)


def _enrol(studio: Studio) -> None:
    studio.open("people/new")
    photos = (*studio.people[COLLINS][:2], studio.photos / SMALL)
    studio.page.upload(".chooser input", *photos)
    judged = "document.querySelectorAll('.told .good, .told .bad').length"
    studio.page.wait(f"{judged} === {len(photos)}", seconds=60)
    studio.page.fill("#name", COLLINS)


def _review(studio: Studio) -> None:
    for photo in studio.people[COLLINS][:5]:
        studio.page.click("Identify", within="nav")
        studio.page.wait("document.querySelector('.screen.identify:not(.busy)')")
        studio.page.upload(".chooser input", photo)
        studio.page.wait("document.querySelector('article.face')", seconds=60)
    studio.page.click("Review", within="nav")
    studio.page.wait("document.querySelector('.tile')", seconds=60)
    studio.page.run("document.querySelectorAll('.tile input')[0].click()")


def _opened(place: str) -> Callable[[Studio], None]:
    return lambda studio: studio.open(place)


_SCENES: dict[str, Callable[[Studio], None]] = {
    "review": _review,
    "overview": _opened("overview"),
    "people": _opened("people"),
    "person": lambda studio: studio.open(f"people/{studio.person}"),
    "enrol": _enrol,
    "identify": _identify,
    "compare": _compare,
    "events": _opened("events"),
    "jobs": _job,
    "thresholds": _opened("thresholds"),
    "audit": _opened("audit"),
    "settings": _opened("settings"),
}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
