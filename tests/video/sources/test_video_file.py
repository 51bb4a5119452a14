from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.video.conftest import FilmMaker

from vultus.core.errors import VideoError
from vultus.video.sources.video_file import VideoFile


def test_every_frame_comes_in_order_with_its_time(film: FilmMaker) -> None:
    source = VideoFile(film(times=[0, 4, 8, 12, 40, 44, 48, 52, 56, 60]))
    frames = list(source.frames())
    assert [f.number for f in frames] == list(range(10))
    expected = [0, 0.04, 0.08, 0.12, 0.4, 0.44, 0.48, 0.52, 0.56, 0.6]
    np.testing.assert_allclose([f.time_s for f in frames], expected, atol=1e-3)
    greys = [float(f.image.mean()) for f in frames]
    np.testing.assert_allclose(greys, [10 + 20 * n for n in range(10)], atol=4)
    assert not source.is_live
    assert source.mended == 0


def test_it_goes_on_after_a_frame_as_if_nothing_had_been(film: FilmMaker) -> None:
    source = VideoFile(film())
    whole = list(source.frames())
    rest = list(source.frames(after=6))
    assert [(f.number, f.time_s) for f in rest] == [(f.number, f.time_s) for f in whole[7:]]
    np.testing.assert_array_equal(rest[0].image, whole[7].image)


def test_an_animated_gif_is_a_film(tmp_path: Path) -> None:
    pytest.importorskip("av")
    from PIL import Image

    pictures = [Image.new("RGB", (40, 30), (40 * n, 0, 0)) for n in range(4)]
    path = tmp_path / "a.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[70, 130, 70, 70])
    frames = list(VideoFile(path).frames())
    assert [round(float(f.image[..., 0].mean())) for f in frames] == [0, 40, 80, 120]
    np.testing.assert_allclose([f.time_s for f in frames], [0, 0.07, 0.2, 0.27], atol=1e-6)


def test_it_began_when_it_says_else_when_it_was_changed(film: FilmMaker) -> None:
    path = film()
    assert VideoFile(path).began_at == datetime.fromtimestamp(path.stat().st_mtime, UTC)
    told = film("b.mkv", metadata={"creation_time": "2026-03-01T08:00:00Z"})
    assert VideoFile(told).began_at == datetime(2026, 3, 1, 8, tzinfo=UTC)
    given = datetime(2020, 1, 1, tzinfo=UTC)
    assert VideoFile(told, began_at=given).began_at == given


def test_another_film_of_the_same_name_has_another_fingerprint(film: FilmMaker) -> None:
    path = film()
    first = VideoFile(path).fingerprint
    assert VideoFile(path).fingerprint == first
    assert VideoFile(film(n_frames=9)).fingerprint != first


@pytest.mark.parametrize("content", [b"", b"no film", bytes(range(256)) * 40])
def test_what_is_no_film_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("av")
    path = tmp_path / "bad.mkv"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"bad\.mkv (cannot be opened|has no picture|holds no)"):
        list(VideoFile(path).frames())


def test_a_film_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"gone\.mkv cannot be read: No such file"):
        VideoFile(tmp_path / "gone.mkv")


def test_of_a_film_that_is_cut_short_one_gets_what_there_is(film: FilmMaker) -> None:
    path = film(n_frames=10)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    frames = list(VideoFile(path).frames())
    assert 0 < len(frames) < 10


@pytest.mark.parametrize(
    ("degrees", "matrix"),
    # Of the track's header: where right and down of what is stored go, as phones write them.
    [(-90, (0, 1, -1, 0)), (90, (0, -1, 1, 0)), (180, (-1, 0, 0, -1))],
)
def test_a_phones_film_is_turned_as_it_says(
    tmp_path: Path, degrees: int, matrix: tuple[int, int, int, int]
) -> None:
    av = pytest.importorskip("av")
    shown = np.zeros((64, 96, 3), np.uint8)
    shown[:32, :48] = 250  # the upper left corner is light
    right, down = np.array(matrix[:2]), np.array(matrix[2:])
    height, width = (64, 96) if right[0] else (96, 64)
    rows, columns = np.mgrid[0:height, 0:width]
    at = columns[..., None] * right + rows[..., None] * down
    at -= at.min(axis=(0, 1))
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.set_display_rotation(degrees)
        picture = av.VideoFrame.from_ndarray(shown[at[..., 1], at[..., 0]], format="rgb24")
        file.mux(stream.encode(picture))
        file.mux(stream.encode())
    header = path.read_bytes()
    place = header.index(b"tkhd") + 44
    kept = np.frombuffer(header[place : place + 36], ">i4").reshape(3, 3)[:2, :2] >> 16
    assert tuple(kept.ravel().tolist()) == matrix
    (frame,) = VideoFile(path).frames()
    assert frame.image.shape == shown.shape
    np.testing.assert_allclose(frame.image, shown, atol=40)
