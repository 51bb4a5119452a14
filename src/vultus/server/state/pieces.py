"""What is uploaded for jobs, in files of one machine or in a database."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vultus.core.errors import InputError
from vultus.core.files import make_private_folder, private_opener
from vultus.gallery.security.sealing import OVERHEAD

if TYPE_CHECKING:
    from vultus.server.state.base import ServiceState

PIECE = 1 << 20
"""Bytes of each piece but the last, before it is sealed."""
_GONE = "what was uploaded is gone, or cannot be read"


class FilePieces:
    """In one file, for its owner only.

    Args:
        path: The file; made by the first piece.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: BinaryIO | None = None

    def put(self, number: int, sealed: bytes) -> None:
        """See `vultus.server.state.base.SealedPieces`."""
        if self._stream is None:
            if not self._path.parent.exists():
                make_private_folder(self._path.parent)
            self._stream = open(self._path, "xb", opener=private_opener)  # noqa: SIM115 - see `end`
        self._stream.write(sealed)

    def end(self, *, whole: bool) -> None:
        """See `SealedPieces`."""
        if self._stream is not None and not self._stream.closed:
            if whole:
                self._stream.flush()
                os.fsync(self._stream.fileno())
            self._stream.close()

    def read(self, number: int) -> bytes:
        """See `SealedPieces`."""
        try:
            with open(self._path, "rb") as stream:
                stream.seek(number * (PIECE + OVERHEAD))
                return stream.read(PIECE + OVERHEAD)
        except OSError as error:
            raise InputError(_GONE) from error

    def remove(self) -> None:
        """See `SealedPieces`."""
        self._path.unlink(missing_ok=True)


class DatabasePieces:
    """In rows of a database, where every process may read them.

    Args:
        state: The tables.
        job_id: Of the job.
    """

    def __init__(self, state: "ServiceState", job_id: str) -> None:
        self._state, self._job = state, job_id

    def put(self, number: int, sealed: bytes) -> None:
        """See `vultus.server.state.base.SealedPieces`."""
        # As a question, so that it waits for nobody: what belongs to no job yet is in no one's way.
        self._state.rows(
            "INSERT INTO uploads (job, piece, at, body) VALUES (?, ?, ?, ?) RETURNING piece",
            *(self._job, number, time.time(), sealed),
        )

    def end(self, *, whole: bool) -> None:
        """See `SealedPieces`: each piece was kept as it came."""

    def read(self, number: int) -> bytes:
        """See `SealedPieces`."""
        row = self._state.row(
            "SELECT body FROM uploads WHERE job = ? AND piece = ?", self._job, number
        )
        if row is None:
            raise InputError(_GONE)
        return bytes(row[0])

    def remove(self) -> None:
        """See `SealedPieces`."""
        self._state.change("DELETE FROM uploads WHERE job = ?", self._job)
