"""Small films that tests make themselves."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

Image = npt.NDArray[np.uint8]
FilmMaker = Callable[..., Path]


@pytest.fixture
def film(tmp_path: Path) -> FilmMaker:
    """Writes a film of frames that are grey by their number; times are in hundredths of seconds."""
    av = pytest.importorskip("av", reason="films are read by PyAV (extra `video`)")

    def write(
        name: str = "film.mkv",
        *,
        n_frames: int = 10,
        times: Sequence[int] | None = None,
        images: Sequence[Image] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as file:
            file.metadata.update(metadata or {})
            stream = file.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.time_base = Fraction(1, 100)
            stream.codec_context.time_base = Fraction(1, 100)
            if images is not None:
                stream.height, stream.width = images[0].shape[:2]
            for n in range(n_frames if images is None else len(images)):
                pixels = (
                    np.full((48, 64, 3), 10 + 20 * n, np.uint8) if images is None else images[n]
                )
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts = 4 * n if times is None else times[n]
                frame.time_base = Fraction(1, 100)
                file.mux(stream.encode(frame))
            file.mux(stream.encode())
        return path

    return write
