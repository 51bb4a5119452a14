"""Which photos there are: in folders, zips, WebDataset tars and lists, in an order that stays."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from vultus.core.errors import ImageError, InputError
from vultus.core.mapped_file import MappedFile
from vultus.core.zip_file import ZipMember, is_zip, read_member
from vultus.data.formats.files import MAX_IMAGE_BYTES, ZipFiles, read_image_file
from vultus.data.formats.tar_file import tar_members
from vultus.data.formats.webdataset import expand_braces
from vultus.image.io import is_hidden, is_image_name, list_images

_LIST = ".txt"
_TAR = ".tar"
_TAR_NUMBERS = 2
_MAX_LIST_BYTES = 1 << 32


class StoredPlace(NamedTuple):
    """One photo and where its bytes lie; every process that sees the same disk can read them.

    Attributes:
        name: What results call it: its path, or the archive's with the member's behind it.
        archive: Path of the zip or tar that it is in; empty for a file of its own.
        numbers: Where in the archive: start and size in a tar; start, packed size, size, CRC,
            method and flags in a zip.
    """

    name: str
    archive: str = ""
    numbers: tuple[int, ...] = ()

    def read(self) -> bytes:
        """The bytes of its file.

        Raises:
            ImageError: If they cannot be read, or are more than 64 MiB.
        """
        if not self.archive:
            return read_image_file(self.name)
        file = _opened(self.archive)
        try:
            if len(self.numbers) == _TAR_NUMBERS:
                return self._from_tar(file)
            member = ZipMember(self.name[len(self.archive) + 1 :], *self.numbers)
            return read_member(file, member, max_bytes=MAX_IMAGE_BYTES)
        except InputError as error:
            raise ImageError(str(error)) from error

    def _from_tar(self, file: MappedFile) -> bytes:
        start, size = self.numbers
        if size > MAX_IMAGE_BYTES:
            raise ImageError(f"{self.name} must have at most {MAX_IMAGE_BYTES:,} bytes")
        data = file.read(start, size)
        if len(data) < size:
            raise ImageError(f"{self.name} is cut short: its archive is smaller than it was")
        return data


@lru_cache(maxsize=64)  # each takes a descriptor
def _opened(archive: str) -> MappedFile:
    return MappedFile(Path(archive))


def list_photos(sources: Sequence[str | Path]) -> list[StoredPlace]:
    """Find the photos of folders, zips, tars, lists and single files.

    Args:
        sources: Folders (searched with all that is below them; a folder that holds tars and no
            image gives what is in the tars), ``.zip``, ``.tar`` (also ``train-{0000..0031}.tar``),
            ``.txt`` (a path a line, relative to the list; empty lines are passed over), photos, and
            patterns of them.

    Returns:
        Each photo once; the sources in their order, sorted within each but for tars and lists,
        which have an order of their own.

    Raises:
        InputError: If there is no source, or an archive or list is damaged.
        ImageError: If a source holds no photo.
    """
    if isinstance(sources, (str, Path)):
        raise InputError(f"sources must be a list of paths, got one {type(sources).__name__}")
    if not sources:
        raise InputError("sources must name at least one folder, archive, list or photo, got none")
    found: dict[str, StoredPlace] = {}
    for source in sources:
        own = {place.name: place for place in _photos_of(Path(source), str(source))}
        if not own:
            raise ImageError(f"{source} must hold photos, found none in it")
        for name, place in own.items():
            found.setdefault(name, place)
    return list(found.values())


def photo_list_digest(photos: Iterable[StoredPlace]) -> str:
    """SHA-256 of names, places and order, in hexadecimal."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(repr(tuple(photo)).encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def _photos_of(source: Path, given: str) -> Iterator[StoredPlace]:
    if source.suffix.lower() == _TAR:
        yield from chain.from_iterable(_tar(Path(path)) for path in _tars(source, given))
    elif source.is_dir() and (tars := _only_tars(source)):
        yield from chain.from_iterable(map(_tar, tars))
    elif source.suffix.lower() == _LIST and source.is_file():
        yield from (StoredPlace(path) for path in _listed(source))
    elif is_zip(source):
        yield from _zip(source)
    else:
        yield from (StoredPlace(str(path)) for path in list_images([given]))


def _tars(source: Path, given: str) -> list[str]:
    names = [str(source)] if source.exists() else list(expand_braces(given))
    if missing := [name for name in names if not Path(name).is_file()]:
        raise InputError(f"there is no file {missing[0]}, one of {len(names)} that {given} means")
    return names


def _only_tars(folder: Path) -> list[Path]:
    tars = sorted(path for path in folder.glob(f"*{_TAR}") if not is_hidden(path.name))
    return tars if tars and not any(is_image_name(path.name) for path in folder.iterdir()) else []


def _tar(path: Path) -> Iterator[StoredPlace]:
    for member in tar_members(MappedFile(path)):
        if is_image_name(member.name.rpartition("/")[2]):
            yield StoredPlace(f"{path}/{member.name}", str(path), (member.start, member.size))


def _zip(path: Path) -> Iterator[StoredPlace]:
    files = ZipFiles(path)
    for index in range(len(files.names)):
        name, *numbers = files.member(index)
        yield StoredPlace(f"{path}/{name}", str(path), tuple(numbers))


def _listed(path: Path) -> Iterator[str]:
    try:
        if path.stat().st_size > _MAX_LIST_BYTES:
            raise InputError(f"{path} must have at most {_MAX_LIST_BYTES:,} bytes; split it")
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
            for line in lines:
                if name := line.rstrip("\r\n"):
                    yield str(path.parent / name)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
