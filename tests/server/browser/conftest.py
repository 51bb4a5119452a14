"""The page in a real browser, before a real service of a tiny model."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.server.browser.chromium import Chromium, Page, running_chromium
from tests.server.conftest import jpeg

from vultus.core.faces import Image
from vultus.embedding.embedder import Embedder
from vultus.matching.calibration import Calibration
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

LogIn = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory, hopper: Image) -> Iterator[Chromium]:
    """The browser; its camera sees Grace Hopper, and nobody for a while."""
    camera = tmp_path_factory.mktemp("camera") / "hopper.mjpeg"
    seen = np.full((480, 640, 3), 90, np.uint8)
    nobody = seen.copy()
    seen[:, 115:525] = hopper[:480, 51:461]
    camera.write_bytes(jpeg(seen) * 60 + jpeg(nobody) * 20)
    with running_chromium(tmp_path_factory.mktemp("chromium"), camera=camera) as browser:
        yield browser


@pytest.fixture
def context(
    tmp_path: Path, tiny_embedder: Embedder, tiny_calibration: Calibration
) -> Iterator[Context]:
    """As of the other tests of the service, but with the gate that refuses what is too poor."""
    recognizer = Recognizer(embedder=tiny_embedder, righting=())
    recognizer.use_calibration(tiny_calibration)
    settings = ServerSettings(gallery=(tmp_path / "people.db",), requests_per_minute=6000)
    made = open_context(settings, recognizer)
    yield made
    made.galleries.close()


@pytest.fixture
def log_in(chromium: Chromium, context: Context, address: str) -> Iterator[LogIn]:
    """Opens the page and logs in by a new key of a role.

    At the end no page may have complained, or have asked anybody but the service for anything.
    """
    pages: list[Page] = []

    def opened(role: Role | None, *, size: tuple[int, int] = (1280, 860)) -> Page:
        page = chromium.open(address, size=size)
        pages.append(page)
        if role is not None:
            page.fill("#key", context.keys.add(role)[1])
            page.click("Log in")
            page.wait("document.querySelector('nav a[aria-current]')")
        return page

    yield opened
    for page in pages:
        page.run("1")  # what was told meanwhile is heard
        assert page.complaints == []
        foreign = [url for url in page.asked if not url.startswith((address, "blob:", "data:"))]
        assert foreign == []
        page.close()


@pytest.fixture(scope="session")
def photos(
    tmp_path_factory: pytest.TempPathFactory, hopper: Image, collins: Image, rocket: Image
) -> dict[str, Path]:
    """Photos as files: of two people, of both, of a face that is too small, of nobody."""
    folder = tmp_path_factory.mktemp("photos")
    together = np.concatenate([hopper[:512, :512], collins], axis=1)
    images = {
        "hopper": hopper,
        "hopper-cropped": hopper[:440, 40:460],
        "collins": collins,
        "together": together,
        "small": hopper[::11, ::11],
        "nobody": rocket,
    }
    paths = {}
    for name, image in images.items():
        paths[name] = folder / f"{name}.jpg"
        paths[name].write_bytes(jpeg(image))
    return paths


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which `npm install axe-core` brings; no part of this repository."""
    folders = [os.environ.get("VULTUS_NODE_MODULES", ""), "node_modules"]
    if (npm := shutil.which("npm")) is not None:
        asked = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False)
        folders.append(asked.stdout.strip())
    for folder in filter(None, folders):
        if (script := Path(folder) / "axe-core" / "axe.min.js").is_file():
            return script.read_text(encoding="utf-8")
    pytest.skip("needs axe-core: npm install axe-core")
