"""The photos of an uploaded zip: whose they are, read one by one, never unpacked to the disk."""

import hashlib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vultus.core.errors import ImageError, InputError
from vultus.core.faces import Image
from vultus.core.zip_file import ZipMember, read_member, zip_members
from vultus.gallery.people.details import PersonDetails
from vultus.gallery.people.names import normalise_identity
from vultus.image.io import is_hidden, is_image_name
from vultus.pipeline.people_source import read_table_bytes
from vultus.pipeline.photos import StoredPhoto
from vultus.server.jobs.uploads import Upload
from vultus.server.photos import decoded

_UNPACKED_TIMES = 10
_UNPACKED_SPARE = 64 << 20
_LARGEST_TABLE = 16 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold.

    Attributes:
        photos: How many.
        bytes: Of one photo, unpacked.
        pixels: Of one photo.
    """

    photos: int
    bytes: int
    pixels: int


@dataclass(frozen=True, slots=True)
class PersonPhotos:
    """Somebody of an archive.

    Attributes:
        identity: The name.
        photos: Names of their photos.
        details: What else to note, or None.
        consent_dated: As `vultus.pipeline.people_source.PersonToImport`.
    """

    identity: str
    photos: tuple[str, ...]
    details: PersonDetails | None = None
    consent_dated: bool = False


class Archive:
    """The photos of an upload.

    Hidden files are passed over. A zip that would unpack to much more than it is, or holds too
    many files, is refused before any of it is unpacked.

    Args:
        upload: The zip.
        limits: What it may hold.

    Attributes:
        names: Of all photos, sorted.

    Raises:
        InputError: If it is no zip that is whole and fit, or holds no photo.
    """

    def __init__(self, upload: Upload, limits: Limits) -> None:
        self._upload, self._limits = upload, limits
        members, _ = zip_members(upload.path, stream=upload.stream())
        seen = [member for member in members if not any(map(is_hidden, member.name.split("/")))]
        seen = [member for member in seen if not member.name.startswith("__MACOSX/")]
        if len(seen) > limits.photos:
            raise InputError(f"a zip may hold {limits.photos:,} files, this one has {len(seen):,}")
        most = _UNPACKED_TIMES * upload.size + _UNPACKED_SPARE
        if sum(member.size for member in seen) > most:
            raise InputError(
                f"the zip unpacks to more than {_UNPACKED_TIMES} times its size, as no photos do"
            )
        self._members = {member.name: member for member in seen}
        self.names = sorted(name for name in self._members if is_image_name(name))
        if not self.names:
            raise InputError("the zip holds no photo")

    def photo(self, name: str) -> StoredPhoto:
        """A photo that is read when its turn comes."""
        return StoredPhoto(name, lambda: self._image(name))

    def read(self, name: str) -> bytes:
        """The bytes of a photo.

        Raises:
            ImageError: If there is none of that name, it is damaged, or too large.
        """
        member = self._members.get(name)
        if member is None:
            raise ImageError(f"{name} is not in the zip")
        try:
            return self._content(member, self._limits.bytes)
        except InputError as error:
            raise ImageError(str(error)) from error

    def digest(self, name: str) -> str | None:
        """SHA-256 of a photo's bytes; None if it cannot be read."""
        try:
            return hashlib.sha256(self.read(name)).hexdigest()
        except ImageError:
            return None

    def people(self) -> list[PersonPhotos]:
        """Who is to be enrolled: as the one CSV file says, else a folder a person.

        Raises:
            InputError: If neither is there, or a line of the table is wrong.
        """
        tables = [name for name in self._members if name.lower().endswith(".csv")]
        if len(tables) > 1:
            raise InputError(f"the zip may hold one CSV file, this one has {len(tables)}")
        return self._by_table(tables[0]) if tables else self._by_folder()

    def folders(self) -> list[str]:
        """The person of each photo, by folder, in the order of `names`; "" for none."""
        inside = _without_root(self.names)
        return [path.parts[0] if len(path.parts) > 1 else "" for path in inside]

    def _by_folder(self) -> list[PersonPhotos]:
        people: dict[str, list[str]] = {}
        for name, folder in zip(self.names, self.folders(), strict=True):
            if folder:
                people.setdefault(normalise_identity(folder), []).append(name)
        if not people:
            raise InputError(
                "the zip must hold a folder of photos for each person, named after them, or a CSV "
                "file with the columns photo and name"
            )
        return [PersonPhotos(name, tuple(photos)) for name, photos in people.items()]

    def _by_table(self, name: str) -> list[PersonPhotos]:
        content = self._content(self._members[name], _LARGEST_TABLE)
        found = read_table_bytes(content, Path(name))
        return [
            PersonPhotos(
                person.identity,
                tuple(posixpath.normpath(photo.as_posix()) for photo in person.photos),
                person.details,
                person.consent_dated,
            )
            for person in found
        ]

    def _content(self, member: ZipMember, most: int) -> bytes:
        return read_member(self._upload, member, max_bytes=most)

    def _image(self, name: str) -> Image:
        return decoded(self.read(name), what=name, most_pixels=self._limits.pixels)


def _without_root(names: Sequence[str]) -> list[PurePosixPath]:
    """Paths without the folders that all of them lie in, as far as a person's folder remains."""
    paths = [PurePosixPath(name) for name in names]
    while len({path.parts[0] for path in paths}) == 1 and min(len(p.parts) for p in paths) > 2:
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]
    return paths
