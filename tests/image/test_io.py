import io
import os
import struct
import time
import warnings
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image as PilImage
from PIL import ImageOps

from vultus.core.errors import ImageError, InputError
from vultus.image.io import EXTENSIONS, list_images, read_image, write_image

LOSSLESS = ("PNG", "BMP", "TIFF")


def photo(height: int = 32, width: int = 48) -> np.ndarray[Any, np.dtype[np.uint8]]:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 5, columns * 4, (rows + columns) * 2], axis=2).astype(np.uint8)


def encoded(picture: PilImage.Image, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **settings)
    return buffer.getvalue()


def png_header_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_give_the_pixels_that_were_written(kind: str, tmp_path: Path) -> None:
    data = encoded(PilImage.fromarray(photo()), kind)
    np.testing.assert_array_equal(read_image(data), photo())
    path = tmp_path / "named.whatever"
    path.write_bytes(data)
    np.testing.assert_array_equal(read_image(path), photo())
    np.testing.assert_array_equal(read_image(str(path)), photo())


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_are_close_and_in_rgb_order(kind: str) -> None:
    read = read_image(encoded(PilImage.fromarray(photo()), kind, quality=95))
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - photo()).mean() < 4
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    assert read_image(encoded(PilImage.fromarray(red), kind))[8, 8].argmax() == 0


def test_heif_is_read_upright_without_touching_pillows_formats(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    PilImage.init()  # its own formats, which it registers when it first needs them
    formats = set(PilImage.OPEN)  # other packages may have registered HEIF
    exif = PilImage.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    heif.from_pillow(PilImage.fromarray(photo(64, 96))).save(
        buffer, quality=95, exif=exif.tobytes()
    )
    read = read_image(buffer.getvalue())
    upright = np.rot90(photo(64, 96), -1)
    assert read.shape == (96, 64, 3)
    assert np.abs(read.astype(int) - upright).mean() < 6
    assert set(PilImage.OPEN) == formats
    with pytest.raises(ImageError, match="cap is 100"):
        read_image(buffer.getvalue(), max_pixels=100)


@pytest.mark.parametrize(("orientation", "quarters"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_heif_that_is_turned_by_exif_alone_is_read_upright(orientation: int, quarters: int) -> None:
    heif = pytest.importorskip("pillow_heif")
    exif = PilImage.Exif()
    exif[0x0112] = 1
    buffer = io.BytesIO()
    pixels = photo(64, 96)
    heif.encode("RGB", (96, 64), pixels.tobytes(), buffer, quality=95, exif=exif.tobytes())
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00"
    data = buffer.getvalue()
    assert data.count(entry) == 1
    assert b"irot" not in data
    read = read_image(data.replace(entry + b"\x01", entry + bytes([orientation])))
    upright = np.rot90(pixels, quarters)
    assert read.shape == upright.shape
    assert np.abs(read.astype(int) - upright).mean() < 6


def test_heif_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"pip install 'pillow-heif>="):
        read_image(b"\0\0\0\x1cftypheic" + bytes(100))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_as_pillow_does(kind: str, orientation: int) -> None:
    exif = PilImage.Exif()
    exif[0x0112] = orientation
    settings = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(PilImage.fromarray(photo()), kind, exif=exif, **settings)
    with PilImage.open(io.BytesIO(data)) as opened:
        wanted = np.asarray(ImageOps.exif_transpose(opened))
    np.testing.assert_array_equal(read_image(data), wanted)
    if kind != "TIFF":  # a Pillow TIFF turns itself while loading
        with PilImage.open(io.BytesIO(data)) as opened:
            np.testing.assert_array_equal(read_image(opened), wanted)


def test_damaged_exif_and_impossible_orientation_leave_the_picture_as_stored() -> None:
    plain = PilImage.fromarray(photo())
    bad = encoded(plain, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(read_image(bad), photo())
    exif = PilImage.Exif()
    exif[0x0112] = 77
    np.testing.assert_array_equal(read_image(encoded(plain, "PNG", exif=exif)), photo())


def test_pictures_larger_than_a_band_are_complete() -> None:
    large = np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)
    exif = PilImage.Exif()
    exif[0x0112] = 8
    data = encoded(PilImage.fromarray(large), "PNG", exif=exif, compress_level=1)
    np.testing.assert_array_equal(read_image(data), np.rot90(large))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(kind: str) -> None:
    values = np.linspace(0, 65535, 1024).astype(np.uint16).reshape(16, 64)
    read = read_image(encoded(PilImage.fromarray(values), kind))
    np.testing.assert_array_equal(read[..., 0], np.rint(values / 257))
    np.testing.assert_array_equal(read[..., 0], read[..., 2])


def test_sixteen_bit_big_endian_and_integer_mode_agree_with_little_endian() -> None:
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(8, 32)
    wanted = np.rint(values / 257)
    big = PilImage.frombytes("I;16B", (32, 8), values.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(big)[..., 1], wanted)
    wide = PilImage.fromarray(values.astype(np.int32))
    assert wide.mode == "I"
    np.testing.assert_array_equal(read_image(wide)[..., 1], wanted)


def test_twelve_bit_tiff_uses_its_own_range() -> None:
    values = np.array([[0, 4095], [2048, 1024]])
    packed = bytes([0x00, 0x0F, 0xFF, 0x80, 0x04, 0x00])
    tags = [(256, 4, 2), (257, 4, 2), (258, 3, 12), (259, 3, 1), (262, 3, 1)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 4, 2), (279, 4, 6)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    data = b"II*\0" + struct.pack("<I", 14) + packed
    data += struct.pack("<H", len(tags)) + entries + bytes(4)
    np.testing.assert_array_equal(read_image(data)[..., 0], np.rint(values * 255 / 4095))


def test_integer_pixels_beyond_sixteen_bit_and_floats_are_refused_with_advice() -> None:
    wide = PilImage.fromarray(np.array([[0, 70000]], np.int32))
    with pytest.raises(ImageError, match=r"from 0 to 70000.*scale it to 8 or 16 bit"):
        read_image(wide)
    with pytest.raises(ImageError, match=r"mode 'F'.*convert it to 8 bit"):
        read_image(PilImage.fromarray(np.ones((2, 2), np.float32)))


def test_sixteen_bit_colour_png_keeps_its_tones() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    values = np.array([[[65535, 0, 32768], [257, 514, 60000]]], ">u2")
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    data += chunk(b"IDAT", zlib.compress(b"\0" + values.tobytes())) + chunk(b"IEND", b"")
    assert np.abs(read_image(data).astype(int) - values / 257).max() <= 1


def test_grey_palette_bilevel_and_cmyk_become_rgb() -> None:
    grey = PilImage.fromarray(photo()[..., 0])
    np.testing.assert_array_equal(
        read_image(encoded(grey, "PNG")), np.repeat(photo()[..., :1], 3, axis=2)
    )
    palette = PilImage.fromarray(photo()).quantize(32)
    np.testing.assert_array_equal(
        read_image(encoded(palette, "PNG")), np.asarray(palette.convert("RGB"))
    )
    bilevel = PilImage.fromarray((np.indices((8, 8)).sum(0) % 2).astype(bool))
    assert set(np.unique(read_image(encoded(bilevel, "PNG")))) == {0, 255}
    flat = PilImage.new("RGB", (16, 16), (200, 30, 60)).convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        middle = read_image(encoded(flat, kind))[8, 8].astype(int)
        assert np.abs(middle - (200, 30, 60)).max() <= 4


def test_alpha_is_composited_on_white_in_every_guise() -> None:
    rgba = np.dstack([photo(), np.full((32, 48), 128, np.uint8)])
    rgba[:8, :, 3] = 0
    rgba[8:16, :, 3] = 255
    alpha = rgba[..., 3:] / 255
    wanted = np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha))
    for source in (rgba, PilImage.fromarray(rgba), encoded(PilImage.fromarray(rgba), "PNG")):
        np.testing.assert_array_equal(read_image(source), wanted)
    grey_alpha = PilImage.fromarray(rgba).convert("LA")
    assert (read_image(encoded(grey_alpha, "PNG"))[:8] == 255).all()
    keyed = PilImage.new("P", (4, 4), 1)
    keyed.putpalette([0, 0, 0, 10, 20, 30])
    assert (read_image(encoded(keyed, "PNG", transparency=1)) == 255).all()
    assert (read_image(encoded(keyed, "PNG", transparency=0)) == (10, 20, 30)).all()
    key_colour = PilImage.new("RGB", (4, 4), (1, 2, 3))
    assert (read_image(encoded(key_colour, "PNG", transparency=(1, 2, 3))) == 255).all()


def test_the_first_of_several_frames_is_taken() -> None:
    frames = [PilImage.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    for kind in ("WEBP", "TIFF", "PNG", "MPO"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        read = read_image(data)
        assert read.shape == (10, 20, 3)
        assert read[5, 5, 0] > 240
        assert read[5, 5, 2] < 15


def test_arrays_rgb_is_a_view_and_grey_is_repeated() -> None:
    image = photo()
    assert np.shares_memory(read_image(image), image)
    np.testing.assert_array_equal(read_image(image[..., 1]), np.dstack([image[..., 1]] * 3))
    np.testing.assert_array_equal(read_image(image[..., 1:2]), read_image(image[..., 1]))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 3)), r"uint8, got float64; .*255 \* image"),
        (np.zeros((4, 4, 3), np.uint16), r"got uint16; .*image // 257"),
        (np.zeros((4, 4, 3), bool), "got bool"),
        (np.zeros((1, 4, 4, 3), np.uint8), "one image at a time"),
        (np.zeros((3, 4, 5), np.uint8), r"got \(3, 4, 5\)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ],
)
def test_arrays_of_another_kind_are_refused_with_advice(array: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_image(array)


def test_a_small_file_of_many_pixels_is_refused_before_decoding() -> None:
    with pytest.raises(ImageError, match=r"13000 x 13000 = 169,000,000 pixels, the cap is 50,000"):
        read_image(png_header_of(13000, 13000))  # Pillow alone only warns
    with pytest.raises(ImageError, match="pixels that Pillow opens"):
        read_image(png_header_of(60000, 60000))


def test_the_cap_is_inclusive_and_holds_for_pil_images_too() -> None:
    picture = PilImage.fromarray(photo(10, 10))
    assert read_image(encoded(picture, "PNG"), max_pixels=100).shape == (10, 10, 3)
    for source in (encoded(picture, "PNG"), picture):
        with pytest.raises(ImageError, match="10 x 10 = 100 pixels, the cap is 99"):
            read_image(source, max_pixels=99)
    with pytest.raises(InputError, match="max_pixels"):
        read_image(picture, max_pixels=0)


def test_a_file_with_far_more_bytes_than_its_pixels_can_need_is_refused() -> None:
    data = encoded(PilImage.fromarray(photo()), "PNG") + bytes(17 << 20)
    with pytest.raises(ImageError, match="more than an image of 2,000 pixels can need"):
        read_image(data, max_pixels=2000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_truncated_files_are_refused_with_the_path_and_the_cause(kind: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(PilImage.fromarray(noise), kind)
    path = tmp_path / "half.img"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"half\.img is damaged") as caught:
        read_image(path)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("cut", [1, 2])
def test_a_jpeg_may_lack_its_end_marker(
    cut: int, progressive: bool, caplog: pytest.LogCaptureFixture
) -> None:
    data = encoded(PilImage.fromarray(photo()), "JPEG", progressive=progressive)
    np.testing.assert_array_equal(read_image(data[:-cut]), read_image(data))
    assert "lacks its end" in caplog.text


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_pixels_is_refused_or_complete(progressive: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(PilImage.fromarray(noise), "JPEG", progressive=progressive)
    whole = read_image(data)
    refused = 0
    for cut in range(3, 200):
        try:
            np.testing.assert_array_equal(read_image(data[:-cut]), whole)
        except ImageError:
            refused += 1
    assert refused > 190


@pytest.mark.parametrize("settings", [{"restart_marker_blocks": 1}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_with_restart_marks_that_lacks_pixels_is_refused(
    mode: str, settings: dict[str, int]
) -> None:
    picture = PilImage.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    smooth = picture.resize((96, 80), PilImage.Resampling.BICUBIC).convert(mode)
    data = encoded(smooth, "JPEG", quality=90, **settings)
    whole = read_image(data)
    np.testing.assert_array_equal(read_image(data[:-2]), whole)
    for cut in range(3, len(data) // 3):
        with suppress(ImageError):  # one that is read is whole
            np.testing.assert_array_equal(read_image(data[:-cut]), whole)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"just a line of text, no image at all, and some more of it to fill", "is text"),
        (b"%PDF-1.7 xxx", "is a PDF"),
        (b"\0\0\0\x1cftypavif" + bytes(100), "AVIF image or a video"),
        (bytes(1000), "not an image of an accepted format"),
    ],
)
def test_what_is_no_accepted_image_is_named(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_image(data)


def test_the_first_picture_of_a_gif_is_read() -> None:
    first, second = (np.full((20, 30, 3), value, np.uint8) for value in (50, 200))
    first[5:, 7:] = (250, 10, 10)
    pictures = [PilImage.fromarray(array) for array in (first, second)]
    data = encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:])
    assert np.array_equal(read_image(data), first)
    clear = PilImage.fromarray(np.zeros((4, 4, 4), np.uint8)).convert("RGBA")
    assert (read_image(encoded(clear, "GIF")) == 255).all()
    for length in range(0, len(data) // 2, 7):
        with pytest.raises(ImageError):
            read_image(data[:length])


def test_a_gif_of_comments_is_refused_at_once() -> None:
    data = encoded(PilImage.fromarray(photo()), "GIF")
    start = 13 + (6 << (data[10] & 7))
    comment = b"\x21\xfe" + (b"\xff" + bytes(255)) * 200_000 + b"\0"
    begin = time.process_time()
    with pytest.raises(ImageError, match="before its picture"):
        read_image(data[:start] + comment + data[start:])
    assert time.process_time() - begin < 3
    kept = b"\x21\xfe\x03abc\0"
    assert np.array_equal(read_image(data[:start] + kept + data[start:]), read_image(data))


def test_the_first_picture_of_an_mpo_is_read() -> None:
    pictures = [PilImage.fromarray(photo()), PilImage.fromarray(255 - photo())]
    data = encoded(pictures[0], "MPO", save_all=True, append_images=pictures[1:])
    assert np.array_equal(read_image(data), read_image(encoded(pictures[0], "JPEG")))


def test_missing_files_folders_pipes_and_addresses(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no such file: .*nothing\.jpg"):
        read_image(tmp_path / "nothing.jpg")
    with pytest.raises(ImageError, match="is a folder and must be an image file"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="addresses are not opened"):
        read_image("https://example.org/face.jpg")
    with pytest.raises(ImageError, match="null"):
        read_image("a\0b.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a regular file"):
        read_image(tmp_path / "pipe.jpg")
    with pytest.raises(InputError, match="got int"):
        read_image(3)  # type: ignore[arg-type]


def test_no_warning_of_pillow_leaks_and_filters_are_put_back() -> None:
    keyed = PilImage.new("P", (4, 4), 1)
    keyed.putpalette([0, 0, 0, 10, 20, 30])
    data = encoded(keyed, "PNG", transparency=bytes([255, 0]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        read_image(data)
        read_image(encoded(PilImage.new("L", (9_500, 9_500)), "PNG"), max_pixels=10**8)
        assert list(warnings.filters) == before
    assert caught == []


def test_a_real_photo_is_read() -> None:
    path = get_sample_data("grace_hopper.jpg", asfileobj=False)
    image = read_image(path)
    assert image.shape == (600, 512, 3)
    assert image.flags.c_contiguous


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".jpg", ".webp"])
def test_written_images_are_read_back(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{ending}"
    write_image(path, photo())
    error = np.abs(read_image(path).astype(int) - photo())
    assert error.max() == 0 if ending in (".png", ".bmp", ".tif") else error.mean() < 4


def test_writing_refuses_unknown_endings_wrong_arrays_and_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must end in one of"):
        write_image(tmp_path / "out.gif", photo())
    with pytest.raises(InputError, match="image must be uint8"):
        write_image(tmp_path / "out.png", photo().astype(np.float32))
    with pytest.raises(ImageError, match="cannot be written"):
        write_image(tmp_path / "missing" / "out.png", photo())


def make_tree(root: Path) -> None:
    for name in ("b.JPG", "a.png", "sub/c.webp", "sub/deep/d.tiff", "notes.txt", ".hidden.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / ".cache").mkdir()
    (root / ".cache" / "e.jpg").touch()


def test_folders_are_listed_with_what_is_below_sorted_and_without_hidden_files(
    tmp_path: Path,
) -> None:
    make_tree(tmp_path)
    names = [str(path.relative_to(tmp_path)) for path in list_images([tmp_path])]
    assert names == ["a.png", "b.JPG", "sub/c.webp", "sub/deep/d.tiff"]
    assert ".heic" in EXTENSIONS


def test_every_ending_that_can_be_read_is_listed_and_the_rest_is_counted_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_tree(tmp_path)
    for name in ("a.jfif", "b.MPO", "sub/c.gif", "d.hif", "e.avif", "f.MOV", "sub/f.mov", "README"):
        (tmp_path / name).touch()
    (tmp_path / "x.\x1b[2J").touch()
    (tmp_path / "elsewhere").symlink_to(tmp_path.parent, target_is_directory=True)
    assert len(list_images([tmp_path])) == 8
    said = ["2 .mov, 1 .\\x1b[2j, 1 .avif, 1 .txt, 1 links to folders, 1 without ending"]
    assert [record.getMessage() for record in caplog.records] == [
        f"of a folder or zip of images left out: 7 files ({text})" for text in said
    ]
    # What Vultus itself writes beside crops is no surprise.
    (tmp_path / "sub" / "alignment.jsonl").touch()
    counted: Counter[str] = Counter()
    list_images([tmp_path / "sub", str(tmp_path / "*")], left_out=counted)
    assert (counted[".mov"], counted[".txt"], len(caplog.records)) == (2, 1, 1)
    assert ".jsonl" not in counted
    (tmp_path / "films").mkdir()
    (tmp_path / "films/a.mov").touch()
    with pytest.raises(ImageError, match=r"no image below .*; left out: 1 file \(1 \.mov\)"):
        list_images([tmp_path / "films"])


def test_patterns_files_and_repeats(tmp_path: Path) -> None:
    make_tree(tmp_path)
    pattern = str(tmp_path / "**" / "*.*")
    assert len(list_images([pattern])) == 4
    named = [tmp_path / "notes.txt", tmp_path / "b.JPG"]
    assert list_images([*named, tmp_path / "*.JPG", named[0]]) == named
    odd = tmp_path / "[1].jpg"
    odd.touch()
    assert list_images([odd]) == [odd]


def test_what_matches_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="no image below the folder"):
        list_images([tmp_path / "empty"])
    with pytest.raises(ImageError, match="no image matches the pattern"):
        list_images([str(tmp_path / "*.jpg")])
    with pytest.raises(ImageError, match="no such file or folder"):
        list_images([tmp_path / "gone.jpg"])
    with pytest.raises(InputError, match="got one str"):
        list_images("folder")
    with pytest.raises(InputError, match="got none"):
        list_images([])


def test_open_files_are_photos_too(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_image(path, photo())
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_image(file), photo())
    np.testing.assert_array_equal(read_image(io.BytesIO(path.read_bytes())), photo())
    with path.open(encoding="latin-1") as text, pytest.raises(InputError, match="mode 'rb'"):
        read_image(text)  # type: ignore[arg-type]
    with path.open("rb") as file, pytest.raises(ImageError, match=r"a\.png has"):
        read_image(file, max_pixels=3)
    with path.open("rb") as closed:
        pass
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(closed)
