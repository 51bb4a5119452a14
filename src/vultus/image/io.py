"""Photos in and out: files, bytes, arrays and PIL images become RGB uint8."""

import glob
import io
import logging
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from vultus.core.checks import check_array, check_positive_int
from vultus.core.errors import ImageError, InputError, OutputError
from vultus.core.faces import Image
from vultus.core.files import writing
from vultus.core.notices import give_notice
from vultus.image.decode import check_pixel_count, load_pixels, most_bytes, open_image
from vultus.image.rgb import composite_on_white, pillow_to_rgb

logger = logging.getLogger(__name__)

MAX_PIXELS = 50_000_000
"""Default cap of `read_image`: an 8000 x 6000 photo passes."""

EXTENSIONS = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".webp"),
        *(".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".hif"),
    }
)
"""File name endings (lower case) that `list_images` takes for photos inside folders: those of what
`read_image` reads."""

_LINKS = "links to folders"
_NAMED = 8

_SIDECARS = frozenset({"alignment.toml", "alignment.jsonl", "crops.json"})
_WRITERS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP",
    ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip


def read_image(
    source: str | Path | bytes | BinaryIO | npt.NDArray[Any] | PilImage.Image,
    *,
    max_pixels: int = MAX_PIXELS,
) -> Image:
    """Read a photo as upright RGB.

    Files and bytes may be JPEG (also MPO), PNG, WebP, BMP, TIFF, GIF (and HEIF with the extra
    ``heif``); the content decides, not the name. Of several frames the first is taken. EXIF
    orientation is applied, alpha is composited on white, grey and palette become RGB, 16 bit is
    scaled to 8 bit.

    Args:
        source: Path of a file, the bytes of a file, a file opened for bytes (read from where it
            stands on), a PIL image, or an array: (h, w, 3) uint8 RGB,
            (h, w, 4) uint8 RGBA with straight alpha, (h, w) or (h, w, 1) uint8 grey. An RGB array
            is passed on as a view of the same memory; OpenCV's are BGR and need
            ``image[..., ::-1]`` first.
        max_pixels: Refuse files and PIL images of more pixels before decoding them. Arrays are
            in memory already and are not limited.

    Returns:
        (h, w, 3) uint8, RGB.

    Raises:
        ImageError: If there is no such file, it is no image of an accepted format, is damaged or
            truncated, or has more pixels than the cap; or an array is of another dtype or shape.
        InputError: If ``source`` is of none of these types, or ``max_pixels`` is not positive.
    """
    check_positive_int("max_pixels", max_pixels)
    if isinstance(source, np.ndarray):
        return _array_to_rgb(source)
    if isinstance(source, PilImage.Image):
        return _loaded_to_rgb(source, "the PIL image", max_pixels)
    if isinstance(source, (bytes, bytearray, memoryview)):
        name = f"the image of {len(source):,} bytes"
        with open_image(io.BytesIO(source), name, max_pixels=max_pixels) as opened:
            return _loaded_to_rgb(opened, name, max_pixels)
    if isinstance(source, (str, Path)):
        return _read_file(source, max_pixels)
    if hasattr(source, "read"):
        return _read_stream(source, max_pixels)
    raise InputError(
        "an image must be a path, bytes, a file, a NumPy array or a PIL image, "
        f"got {type(source).__name__}"
    )


def write_image(
    path: str | Path, image: Image, *, quality: int = 95, private: bool = False
) -> None:
    """Write an RGB image; the path's ending chooses the format (.jpg .png .webp .bmp .tif).

    Args:
        path: Where; an existing file is replaced.
        image: (h, w, 3) uint8, RGB.
        quality: 1 to 100, for the lossy formats JPEG and WebP.
        private: The file is for its owner only.

    Raises:
        InputError: If the array is no RGB image, or the ending is of no format that is written.
        ImageError: If the file cannot be written.
    """
    check_array("image", image, dtype=np.uint8, shape=("h", "w", 3))
    target = Path(path)
    kind = _WRITERS.get(target.suffix.lower())
    if kind is None:
        raise InputError(
            f"the name must end in one of {', '.join(_WRITERS)} to choose a format, got {path}"
        )
    settings = {"quality": quality} if kind in ("JPEG", "WEBP") else {}
    try:
        with writing(target, private=private) as stream:
            PilImage.fromarray(image).save(stream, format=kind, **settings)
    except (OSError, ValueError) as error:
        named = isinstance(error, OutputError)
        raise ImageError(f"{error}" if named else f"{path} cannot be written: {error}") from error


def list_images(paths: Sequence[str | Path], *, left_out: Counter[str] | None = None) -> list[Path]:
    """Expand files, folders and glob patterns to image files.

    Folders are searched with all that is below them, for `EXTENSIONS`; hidden files and folders
    are skipped and links to folders are not followed. A file that is named itself is kept whatever
    its ending.

    Args:
        paths: Files, folders, or patterns such as ``"photos/**/*.jpg"``.
        left_out: What is there and not taken is counted here by its `ending`; None says it in the
            log.

    Returns:
        Each file once; arguments in their order, sorted by path within each.

    Raises:
        ImageError: If an argument matches no image.
        InputError: If ``paths`` is a single path rather than a list of them, or is empty.
    """
    if isinstance(paths, (str, Path)):
        raise InputError(f"paths must be a list of paths, got one {type(paths).__name__}")
    if not len(paths):
        raise InputError("paths must name at least one file, folder or pattern, got none")
    found: dict[Path, None] = {}
    counted: Counter[str] = Counter() if left_out is None else left_out
    for path in paths:
        found.update(dict.fromkeys(_expand(path, counted)))
    if left_out is None:
        warn_left_out(", ".join(map(str, paths[:_NAMED])), counted)
    return list(found)


def walk_images(
    root: Path, *, left_out: Counter[str] | None = None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Go through a folder and all below it; links to folders are not followed.

    Args:
        root: The folder.
        left_out: What is there and not given is counted here by its `ending`; but no hidden files.

    Yields:
        A folder, and the names of the folders and of the images in it, without the hidden ones.
    """
    counted: Counter[str] = Counter() if left_out is None else left_out
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not is_hidden(name)]
        images = [name for name in names if is_image_name(name)]
        if len(images) < len(names):
            counted.update(ending(name) for name in names if not _is_expected(name))
        counted.update(_LINKS for name in folders if os.path.islink(os.path.join(parent, name)))
        yield Path(parent), folders, images


def warn_left_out(where: str, left_out: Mapping[str, int]) -> None:
    """Say in the log what of a folder or zip is not used, in one line; nothing if that is nothing.

    Args:
        where: The folder or zip.
        left_out: How many files of each `ending`.
    """
    if text := left_out_text(left_out):
        give_notice(logger, f"{where}: {text}", logged=f"of a folder or zip of images {text}")


def left_out_text(left_out: Mapping[str, int]) -> str:
    """What is left out, and how often; "" for nothing.

    Example:
        >>> left_out_text({".txt": 1, ".mov": 3})
        'left out: 4 files (3 .mov, 1 .txt)'
    """
    kinds = sorted(left_out.items(), key=lambda kind: (-kind[1], kind[0]))
    shown = [f"{count:,} {name}" for name, count in kinds[:_NAMED] if count]
    if not shown:
        return ""
    more = f", and {len(kinds) - _NAMED} more kinds" if len(kinds) > _NAMED else ""
    total = sum(left_out.values())
    return f"left out: {total:,} file{'s' * (total > 1)} ({', '.join(shown)}{more})"


def ending(name: str) -> str:
    """The ending of a file's name, in lower case and fit to be shown, or "without ending"."""
    found = os.path.splitext(name)[1].lower()
    return ascii(found)[1:-1] if not found.isprintable() else found or "without ending"


def _is_expected(name: str) -> bool:
    return is_hidden(name) or is_image_name(name) or is_sidecar(name)


def is_sidecar(name: str) -> bool:
    """Whether Vultus itself writes a file of this name beside crops; nothing to be told of."""
    return name in _SIDECARS


def is_image_name(name: str) -> bool:
    """Whether a file of this name, without its folders, is taken for an image."""
    return not is_hidden(name) and os.path.splitext(name)[1].lower() in EXTENSIONS


def is_hidden(name: str) -> bool:
    """Whether files and folders of this name are passed over: also what macOS adds to zips."""
    return name.startswith((".", "__MACOSX"))


def _array_to_rgb(array: npt.NDArray[Any]) -> Image:
    if array.dtype != np.uint8:
        advice = {
            "f": "for values in [0, 1] pass (255 * image).round().astype(np.uint8)",
            "u": "for 16 bit pass (image // 257).astype(np.uint8)",
        }.get(array.dtype.kind, "convert it to 0..255 first")
        raise ImageError(f"an image array must be uint8, got {array.dtype}; {advice}")
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise ImageError(
            f"an image array must have shape (h, w, 3), (h, w, 4) or (h, w), got {array.shape}; "
            "pass one image at a time, channels last"
        )
    check_pixel_count((array.shape[1], array.shape[0]), "the array", max_pixels=array.size)
    if channels == 3:
        return array.view()
    if channels == 4:
        return composite_on_white(array)
    return np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)


def _loaded_to_rgb(picture: PilImage.Image, name: str, max_pixels: int) -> Image:
    check_pixel_count(picture.size, name, max_pixels=max_pixels)
    load_pixels(picture, name, max_pixels=max_pixels)
    return pillow_to_rgb(picture, name)


def _read_file(path: str | Path, max_pixels: int) -> Image:
    name = str(path)
    with (
        _open_file(path) as stream,
        open_image(stream, name, max_pixels=max_pixels) as opened,
    ):
        return _loaded_to_rgb(opened, name, max_pixels)


def _read_stream(stream: BinaryIO, max_pixels: int) -> Image:
    name = str(getattr(stream, "name", "the file"))
    try:
        # Copied, because an upload or a socket cannot go back, and decoders do.
        data: object = stream.read(most_bytes(max_pixels) + 1)
    except (OSError, ValueError) as error:
        raise ImageError(f"{name} cannot be read: {error}") from error
    if not isinstance(data, bytes):
        raise InputError(f"{name} must be open for bytes (mode 'rb'), its read() gave text")
    with open_image(io.BytesIO(data), name, max_pixels=max_pixels) as opened:
        return _loaded_to_rgb(opened, name, max_pixels)


def _open_file(path: str | Path) -> BinaryIO:
    try:
        # Asked before opening: opening a named pipe would wait for a writer, perhaps for ever.
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return open(path, "rb")
    except FileNotFoundError as error:
        hint = "; addresses are not opened, download it first" if "://" in str(path) else ""
        raise ImageError(f"no such file: {path}{hint}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path} cannot be opened: {reason}") from error
    if stat.S_ISDIR(mode):
        raise ImageError(
            f"{path} is a folder and must be an image file; name one inside it "
            "(in Python, list_images([...]) lists them)"
        )
    raise ImageError(f"{path} is not a regular file")


def _expand(path: str | Path, left_out: Counter[str]) -> list[Path]:
    if os.path.isdir(path):
        found = walk_images(Path(path), left_out=left_out)
        matches = sorted(parent / name for parent, _, names in found for name in names)
        searched = f"no image below the folder {path}"
    elif os.path.exists(path):
        return [Path(path)]
    elif glob.has_magic(str(path)):
        hits = [Path(hit) for hit in glob.iglob(str(path), recursive=True)]
        matches = sorted(hit for hit in hits if is_image_name(hit.name) and hit.is_file())
        left_out.update(
            ending(hit.name) for hit in hits if not _is_expected(hit.name) and hit.is_file()
        )
        searched = f"no image matches the pattern {path}"
    else:
        raise ImageError(f"no such file or folder: {path}")
    if not matches:
        rest = left_out_text(left_out)
        raise ImageError(
            f"{searched} (known endings: {' '.join(sorted(EXTENSIONS))}){rest and f'; {rest}'}"
        )
    return matches
