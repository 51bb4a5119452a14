"""A service that may watch this machine's loopback interface and a folder of films."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from ipaddress import IPv4Network
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from vultus.core.faces import Image
from vultus.pipeline.recognizer import Recognizer
from vultus.server.context import Context
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings
from vultus.video.sources.live import Patience

SIZE = (192, 224)
FPS = 10


def portrait(photo: Image, number: int = 0) -> Image:
    """A small picture of somebody, moved a little by its number, with room about the face."""
    canvas = np.full((SIZE[1] + 16, SIZE[0] + 16, 3), 120, np.uint8)
    small = np.asarray(PilImage.fromarray(photo).resize(SIZE), np.uint8)
    across = 8 + number % 5
    canvas[8 : 8 + SIZE[1], across : across + SIZE[0]] = small
    return canvas


def write_film(path: Path, images: list[Image]) -> Path:
    """A film of pictures, lossless, ten a second."""
    av = pytest.importorskip("av", reason="films are written by PyAV (extra `video`)")
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], "bgr0"
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.fixture
def films(tmp_path: Path, hopper: Image, rocket: Image) -> Path:
    """A folder with `door.mkv`: nobody, then Grace Hopper for two seconds, then nobody."""
    folder = tmp_path / "films"
    folder.mkdir()
    nobody = portrait(rocket[: rocket.shape[0], : rocket.shape[1]])
    seen = [portrait(hopper, number) for number in range(20)]
    write_film(folder / "door.mkv", [nobody] * 4 + seen + [nobody] * 16)
    return folder


@pytest.fixture
def settings(tmp_path: Path, films: Path) -> ServerSettings:
    (tmp_path / "more").mkdir()
    return ServerSettings(
        gallery=(tmp_path / "people.db",),
        data=tmp_path / "more",
        monitor_networks=(IPv4Network("127.0.0.0/8"),),
        monitor_folder=films,
        most_monitors=3,
    )


@pytest.fixture
def context(settings: ServerSettings, recognizer: Callable[[], Recognizer]) -> Iterator[Context]:
    pytest.importorskip("av", reason="films are read by PyAV (extra `video`)")
    made = open_context(settings, recognizer())
    hurried(made)
    yield made
    made.background.close()
    made.galleries.close()


def hurried(context: Context) -> None:
    """Films are watched as fast as can be, and what failed is tried again soon."""
    monitors = context.background.monitors
    patience = Patience(first_s=0.1, longest_s=0.3, timeout_s=3)
    monitors.means = replace(monitors.means, patience=patience, pace=0)
