"""Draws the pictures of the service's page for the documentation, by a real Chromium.

    python scripts/page_pictures.py docs/_static/page [SCREEN ...]

Every screen is drawn in light and dark colours, and on a phone: beside each other in English by
day and in Chinese by night. The people are on two portraits in the public domain, an astronaut's
and an admiral's; whoever else is enrolled is a name with a vector made up.
"""

import contextlib
import io
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path

import httpx
import numpy as np
from PIL import Image as PilImage

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.server.browser.chromium import Page, running_chromium
from tests.server.conftest import jpeg, running
from tests.server.monitors.cameras import http_camera

from vultus import Recognizer
from vultus.core.embeddings import Embeddings
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.people.details import PersonDetails
from vultus.image.demo_photos import COLLINS, HOPPER, SMALL, TOGETHER, write_demo_photos
from vultus.image.io import read_image
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

_DESK, _PHONE = (1280, 860), (390, 780)
_LONGEST_PX = {_DESK: 2900, _PHONE: 1700}
_GAP_PX = 16
_FRAMES = 120
"""Of the camera, four seconds."""
_FEW = 8000
"""Colours that letters and lines have."""
LOOKS = ("", "_dark", "_phone")
"""How the names of a screen's pictures end."""
_GALLERY = "/v1/galleries/people"
_OTHERS = {
    "Ada Lovelace": ("science",),
    "Emmy Noether": ("science",),
    "祖冲之": ("science",),
    "محمد بن موسى الخوارزمي": ("science",),
    "Srinivasa Ramanujan": (),
    "Sofja Wassiljewna Kowalewskaja": ("science", "letters"),
    "Bashō": ("letters",),
    "Katherine Johnson": ("science",),
}


@dataclass(frozen=True)
class Studio:
    """What pictures are taken with.

    Attributes:
        page: Logged in as an administrator.
        stranger: Logged in as nobody.
        client: Asks as the administrator.
        photos: The demo's folder.
        people: Its photos by person.
        person: The id of Grace Hopper.
    """

    page: Page
    stranger: Page
    client: httpx.Client
    photos: Path
    people: dict[str, list[Path]]
    person: str

    def open(self, place: str) -> None:
        """Go to a screen."""
        self.page.go(f"/#/people/{place}")
        self.page.wait("document.querySelector('.screen:not(.busy)')", seconds=60)

    def look(self, *, size: tuple[int, int], dark: bool, language: str) -> None:
        """How both pages look from now on, and speak."""
        for page in (self.page, self.stranger):
            page.look(size=size, dark=dark, language=language)
            page.run(f"localStorage.setItem('vultus-language', '{language}')")

    def seen(self, page: Page, size: tuple[int, int]) -> PilImage.Image:
        """What is seen now."""
        page.run("document.activeElement.blur(), window.scrollTo(0, 0)")
        page.run("for (const one of document.images) one.loading = 'eager'")  # also below
        page.wait("[...document.images].every((one) => one.complete)")
        with PilImage.open(io.BytesIO(page.picture())) as image:
            cut = (0, 0, image.width, min(image.height, _LONGEST_PX[size]))
            return image.convert("RGB").crop(cut)


Scene = Callable[[Studio], Page]


def main(folder: Path, wanted: Sequence[str]) -> None:
    """Take every picture, or those of some screens."""
    folder.mkdir(parents=True, exist_ok=True)
    scenes = {name: scene for name, scene in SCENES.items() if not wanted or name in wanted}
    with _studio() as studio:
        for name, picture in _drawn(studio, scenes, _DESK, dark=False, language="en"):
            _save(picture, folder / f"{name}{LOOKS[0]}.webp")
        for name, picture in _drawn(studio, scenes, _DESK, dark=True, language="en"):
            _save(picture, folder / f"{name}{LOOKS[1]}.webp")
        phones = dict(_drawn(studio, scenes, _PHONE, dark=False, language="en"))
        for name, picture in _drawn(studio, scenes, _PHONE, dark=True, language="zh"):
            _save(_beside(phones[name], picture), folder / f"{name}{LOOKS[2]}.webp")


def _drawn(
    studio: Studio, scenes: dict[str, Scene], size: tuple[int, int], *, dark: bool, language: str
) -> Iterator[tuple[str, PilImage.Image]]:
    studio.look(size=size, dark=dark, language=language)
    for name, scene in scenes.items():
        yield name, studio.seen(scene(studio), size)


def _beside(left: PilImage.Image, right: PilImage.Image) -> PilImage.Image:
    size = (left.width + _GAP_PX + right.width, max(left.height, right.height))
    both = PilImage.new("RGB", size, "#8a94a3")
    both.paste(left, (0, 0))
    both.paste(right, (left.width + _GAP_PX, 0))
    return both


def _save(picture: PilImage.Image, path: Path) -> None:
    """As small as it can be read: words alone are kept exactly, with fewer colours."""
    if picture.getcolors(_FEW) is None:  # there are photos on it
        picture.save(path, "WEBP", method=6, quality=70)
    else:
        few = picture.quantize(128, dither=PilImage.Dither.NONE).convert("RGB")
        few.save(path, "WEBP", method=6, lossless=True)


@contextlib.contextmanager
def _studio() -> Iterator[Studio]:
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        people = write_demo_photos(work / "photos")
        (work / "more").mkdir()
        settings = ServerSettings(
            gallery=(work / "people.db",),
            data=work / "more",
            monitor_networks=(IPv4Network("127.0.0.0/8"),),
        )
        context = open_context(settings, Recognizer())
        key = context.keys.add(Role.admin)[1]
        profile = work / "profile"
        profile.mkdir()
        context.galleries.make("visitors")
        camera = work / "camera.mjpeg"
        camera.write_bytes(_before_the_camera(people[HOPPER][0]))
        with (
            running(context) as address,
            running_chromium(profile, camera=camera) as browser,
            httpx.Client(base_url=address, timeout=60) as client,
            http_camera(read_image(camera.read_bytes())) as door,
        ):
            client.headers["Authorization"] = f"Bearer {key}"
            person = _people(client, context, people)
            _jobs(client, people, work / "photos")
            _seen(context, client, person)
            _monitors(client, door.server_port)
            page, stranger = browser.open(address), browser.open(address)
            page.fill("#key", key)
            page.click("Log in")
            page.sees("This gallery")
            yield Studio(page, stranger, client, work / "photos", people, person)


def _before_the_camera(photo: Path) -> bytes:
    frame = np.full((480, 640, 3), 110, np.uint8)
    portrait = read_image(photo)[:480, 51:461]
    frame[: len(portrait), 115 : 115 + portrait.shape[1]] = portrait
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1.5, (_FRAMES, 1, *frame.shape[1:]))
    # A camera never gives the same pixels twice; sessions take one that does for a film.
    return b"".join(jpeg(np.clip(frame + one, 0, 255).astype(np.uint8)) for one in noise)


def _people(client: httpx.Client, context: Context, people: dict[str, list[Path]]) -> str:
    """Grace Hopper is enrolled, and others by name; faces of Eileen Collins wait for review."""
    client.put(f"{_GALLERY}/review", json={"days": 30})
    client.put(f"{_GALLERY}/crops")
    gallery = context.galleries.get("people", actor="demo")
    rng = np.random.default_rng(7)
    for name, groups in _OTHERS.items():
        vectors = rng.standard_normal((2, gallery.space.dim)).astype(np.float32)
        vectors[1] = vectors[0] + 0.1 * vectors[1]  # two photos of one
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        made_up = Embeddings(vectors, norms=np.ones(2, np.float32), space=gallery.space)
        gallery.enroll(name, made_up, details=PersonDetails(groups=groups))
    details = {"name": HOPPER, "groups": ["navy", "science"], "consent_purpose": "the front door"}
    files = [("photos", photo.read_bytes()) for photo in people[HOPPER][:2]]
    made = client.post(f"{_GALLERY}/people", data=details, files=files)
    for photo in (*people[COLLINS][:5], people[HOPPER][3]):
        client.post(f"{_GALLERY}/identify", files={"photo": photo.read_bytes()})
    return str(made.json()["person"]["id"])


def _jobs(client: httpx.Client, people: dict[str, list[Path]], folder: Path) -> None:
    """Zips: one is enrolled, a photo of which is too small; the faces of another are grouped."""
    small = people[HOPPER][0].parent.parent / SMALL
    enrolled = {f"{HOPPER}/{photo.name}": photo for photo in people[HOPPER][2:4]}
    every = [photo for name in people for photo in people[name][:4]]
    grouped = {f"DSC_{31 * number:04}.jpg": photo for number, photo in enumerate(every, 1)}
    for kind, photos in {
        "enrolment": {**enrolled, f"{HOPPER}/{SMALL}": small},
        "clustering": {**grouped, SMALL: small},
    }.items():
        with zipfile.ZipFile(folder / f"{kind}.zip", "w") as archive:
            for name, photo in photos.items():
                archive.write(photo, name)
        client.post(
            f"{_GALLERY}/jobs/{kind}",
            content=(folder / f"{kind}.zip").read_bytes(),
            headers={"Content-Type": "application/zip"},
        ).raise_for_status()


def _monitors(client: httpx.Client, port: int) -> None:
    """A camera that sees Grace Hopper, one that is not there, one that nobody started."""
    for name, address, started in (
        ("Front door", f"http://127.0.0.1:{port}/", True),
        ("Yard", "rtsp://user:password@127.0.0.1:9/yard", True),
        ("Reading room", f"http://127.0.0.1:{port}/", False),
    ):
        told = {"name": name, "address": address, "snapshots": started}
        monitor = client.post(f"{_GALLERY}/monitors", json=told).raise_for_status().json()["id"]
        if started:
            client.post(f"{_GALLERY}/monitors/{monitor}/start").raise_for_status()


def _seen(context: Context, client: httpx.Client, person: str) -> None:
    """Some were seen in the morning."""
    log = EventLog(context.galleries.get("people", actor="demo"))
    people = client.get(f"{_GALLERY}/people").json()["people"]
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for number, one in enumerate(one for one in people if one["id"] != person):
        came = today - timedelta(minutes=17 * number + 3 * number * number + 20)
        lasted_s = 400.0 + 61 * number * number
        told = {"person": one["id"], "source": "Front door"}
        for kind, event_id, at in (
            ("recognised", f"d/{number}", came),
            ("left", f"d/{number}/left", came + timedelta(seconds=lasted_s)),
        ):
            data = {"start_s": 0.0, "end_s": lasted_s if kind == "left" else 0.0}
            log.append(NewEvent(type=kind, id=event_id, at=at.isoformat(), data=data, **told))


def _live(studio: Studio) -> Page:
    studio.open("live")
    studio.page.wait("document.querySelector('.box.known')", seconds=60)
    studio.page.wait("document.querySelector('.tag.reconnecting')", seconds=60)
    studio.page.wait("document.querySelector('.snapshots .cut')?.naturalWidth > 0", seconds=60)
    return studio.page


def _liveness(studio: Studio) -> Page:
    """A movement is asked; no more frames are looked at, which all show one photo."""
    studio.open("liveness")
    studio.page.run(
        "(() => { const asked = window.fetch; window.fetch = (path, given) =>"
        " document.querySelector('.prompt').dataset.sign !== 'ahead' && path.includes('/frames')"
        " ? new Promise(() => {}) : asked(path, given); })()"
    )
    studio.page.run("document.querySelector('.session button').click()")
    moving = "!['ahead', 'rejected'].includes(document.querySelector('.prompt').dataset.sign)"
    studio.page.wait(moving, seconds=60)
    return studio.page


def _rejected(studio: Studio) -> Page:
    studio.open("liveness")
    studio.page.run("document.querySelector('.session button').click()")
    studio.page.wait("document.querySelector('.prompt[data-sign=rejected]')", seconds=60)
    return studio.page


def _attendance(studio: Studio) -> Page:
    studio.open("attendance")
    studio.page.run("document.querySelectorAll('.tools button')[1].click()")
    studio.page.wait("document.querySelectorAll('tbody tr').length > 4")
    return studio.page


def _login(studio: Studio) -> Page:
    studio.stranger.go("/")
    studio.stranger.wait("document.querySelector('#key')")
    return studio.stranger


def _job(kind: str) -> Scene:
    def scene(studio: Studio) -> Page:
        jobs = studio.client.get(f"{_GALLERY}/jobs").json()["jobs"]
        studio.open(f"jobs/{next(job['id'] for job in jobs if job['kind'] == kind)}")
        studio.page.wait("document.querySelector('.tag.done')", seconds=120)
        return studio.page

    return scene


def _grouping(studio: Studio) -> Page:
    _job("clustering")(studio)
    studio.page.upload("#zip-again", studio.photos / "clustering.zip")
    studio.page.wait("document.querySelectorAll('.crops-grid .cut').length > 7", seconds=60)
    return studio.page


def _identify(studio: Studio) -> Page:
    studio.open("identify")
    studio.page.upload(".chooser input", studio.photos / TOGETHER)
    studio.page.wait("document.querySelector('article.face')", seconds=60)
    return studio.page


def _camera(studio: Studio) -> Page:
    studio.open("identify")
    studio.page.run("document.querySelector('#camera').click()")
    studio.page.wait("document.querySelector('.camera .box.known')", seconds=60)
    return studio.page


def _compare(studio: Studio) -> Page:
    studio.open("compare")
    studio.page.upload(".side:nth-child(1) input", studio.people[HOPPER][0])
    studio.page.upload(".side:nth-child(2) input", studio.people[HOPPER][2])
    studio.page.wait("document.querySelector('article.face')", seconds=60)
    studio.page.wait("document.querySelectorAll('.crop img').length === 2", seconds=60)
    return studio.page


def _enrol(studio: Studio) -> Page:
    studio.open("people/new")
    photos = (*studio.people[COLLINS][:2], studio.photos / SMALL)
    studio.page.upload(".chooser input", *photos)
    judged = "document.querySelectorAll('.told .good, .told .bad').length"
    studio.page.wait(f"{judged} === {len(photos)}", seconds=60)
    studio.page.fill("#name", COLLINS)
    return studio.page


def _review(studio: Studio) -> Page:
    studio.open("review")
    studio.page.wait("document.querySelector('.tile')", seconds=60)
    studio.page.run("document.querySelectorAll('.tile input')[0].click()")
    return studio.page


def _opened(place: str) -> Scene:
    def scene(studio: Studio) -> Page:
        studio.open(place)
        return studio.page

    return scene


def _person(studio: Studio) -> Page:
    studio.open(f"people/{studio.person}")
    return studio.page


SCENES: dict[str, Scene] = {
    "login": _login,
    "overview": _opened("overview"),
    "people": _opened("people"),
    "person": _person,
    "enrol": _enrol,
    "identify": _identify,
    "camera": _camera,
    "compare": _compare,
    "liveness": _liveness,
    "rejected": _rejected,
    "live": _live,
    "attendance": _attendance,
    "review": _review,
    "events": _opened("events"),
    "jobs": _opened("jobs"),
    "job": _job("enrolment"),
    "grouping": _grouping,
    "thresholds": _opened("thresholds"),
    "audit": _opened("audit"),
    "settings": _opened("settings"),
}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
