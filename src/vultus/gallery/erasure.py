"""Erasing people: the log that outlives backups, and the receipt.

A copy of a gallery that was made before an erasure still holds the person. So what was erased is
noted outside, in ``<gallery>-erased``, before the erasure is done, and done again when such a copy
is opened in the gallery's place. The note tells no name: random bytes, the time and the place in
the audit log.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from vultus.core.errors import GalleryError
from vultus.core.files import sync_folder

_LINE = re.compile(rb"([0-9a-f]{32}) ([0-9a-f]{32}) (\S+) ([0-9a-f]{64}) ([0-9a-f]{8})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """What was done to erase somebody.

    Attributes:
        identity: The name, which the gallery no longer holds.
        subject: What the audit log calls the person.
        erased_at: ISO 8601, UTC.
        rows: How many rows of each kind are gone.
        audit_position: Of the entry in the audit log.
        audit_digest: Of that entry, in hexadecimal.
        scrubbed: Whether no file of the gallery holds the person's key any more. If not, a reader
            was in the way, and it is done at the next change, opening or closing.
    """

    identity: str
    subject: str
    erased_at: str
    rows: dict[str, int]
    audit_position: int
    audit_digest: str
    scrubbed: bool

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return asdict(self)


class Erasures(Protocol):
    """The notes of what was erased from one gallery, where they outlive it."""

    @property
    def place(self) -> str:
        """What messages call it."""

    @property
    def unit(self) -> str:
        """What its size is counted in."""

    def size(self) -> int:
        """How much is noted: grows with each note; 0 where there is none."""

    def append(self, uid: bytes, *, at: str, digest: bytes) -> int:
        """Note an erasure; gives the size with it. See `ErasureLog.append`."""

    def erased(self, *, within: int | None = None) -> tuple[list[bytes], int]:
        """The 16 random bytes of everybody who was erased; the size of what was read.

        Args:
            within: Only what was noted up to this size; None for all.
        """

    def digests(self) -> frozenset[bytes]:
        """Digests of the entries in the audit log of all erasures that are noted."""


class ErasureLog:
    """The notes of what was erased from one gallery, in a file beside it.

    Args:
        location: The gallery's file; the log lies beside what a link leads to.
        gallery_id: 16 bytes. Notes of another gallery that had this name are passed over.
    """

    def __init__(self, location: str | Path, *, gallery_id: bytes) -> None:
        self.path = Path(f"{os.path.realpath(location)}-erased")
        self._gallery_id = gallery_id.hex().encode()

    @property
    def place(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def unit(self) -> str:
        """Bytes."""
        return "bytes"

    def size(self) -> int:
        """Bytes of the log; 0 where there is none."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, uid: bytes, *, at: str, digest: bytes) -> int:
        """Note an erasure, on disk when this returns; call it before the change is done.

        Args:
            uid: The person's 16 random bytes.
            at: When, ISO 8601.
            digest: Of the entry in the audit log.

        Returns:
            The size of the log with the note.

        Raises:
            GalleryError: If the log cannot be written.
        """
        body = b" ".join((self._gallery_id, uid.hex().encode(), at.encode(), digest.hex().encode()))
        line = body + b" " + _checksum(body) + b"\n"
        new = not self.path.exists()
        try:
            with open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "rb+") as stream:
                # What has no end was never done: its writer was killed before the change.
                stream.seek(stream.read().rfind(b"\n") + 1)
                stream.write(line)
                stream.truncate()
                stream.flush()
                os.fsync(stream.fileno())
            if new:
                sync_folder(self.path.parent)
        except OSError as error:
            raise GalleryError(
                f"nobody was erased: {self.path} cannot be written ({error.strerror or error})"
            ) from error
        return self.size()

    def erased(self, *, within: int | None = None) -> tuple[list[bytes], int]:
        """The 16 random bytes of everybody who was erased from this gallery; bytes of the log.

        Args:
            within: Only so many bytes of the log; None for all.

        Raises:
            GalleryError: If the log cannot be read, or a whole line of it was changed.
        """
        data = self._read()[:within]
        return [uid for uid, _ in self._notes(data)], len(data)

    def digests(self) -> frozenset[bytes]:
        """Digests of the entries in the audit log of all erasures that are noted.

        Raises:
            GalleryError: As `erased`.
        """
        return frozenset(digest for _, digest in self._notes(self._read()))

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise GalleryError(f"{self.path} cannot be read: {error}") from error

    def _notes(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Whom and which entry of the audit log each note of this gallery tells."""
        for number, line in enumerate(data.split(b"\n")[:-1], 1):
            found = _LINE.fullmatch(line)
            if found is None or found[5] != _checksum(line[: found.start(5) - 1]):
                raise GalleryError(
                    f"{self.path} is damaged in line {number}; restore it, so that nobody who was "
                    "erased comes back"
                )
            if found[1] == self._gallery_id:
                yield bytes.fromhex(found[2].decode()), bytes.fromhex(found[4].decode())


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:8].encode()
