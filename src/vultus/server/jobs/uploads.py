"""What was uploaded for a job: sealed on its way to the disk, and read at any place."""

import hashlib
import io
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from vultus.core.errors import InputError
from vultus.gallery.security.sealing import new_cipher, seal, unseal
from vultus.server.state.base import SealedPieces
from vultus.server.state.pieces import PIECE, FilePieces

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_HELD = 8


class UploadWriter:
    """Seals what comes, in pieces of a megabyte; nothing of it is on the disk in clear.

    Args:
        place: Where to; a file is made, for its owner only.
        key: 32 bytes; who destroys it has destroyed what was uploaded.
    """

    def __init__(self, place: Path | SealedPieces, key: bytes) -> None:
        self._cipher: AESGCM = new_cipher(key)
        self._pieces = FilePieces(place) if isinstance(place, Path) else place
        self._closed = False
        self._digest = hashlib.sha256()
        self._rest = bytearray()
        self._chunks = self.size = 0

    @property
    def digest(self) -> bytes:
        """SHA-256 of what came."""
        return self._digest.digest()

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._digest.update(data)
        self.size += len(data)
        self._rest += data
        while len(self._rest) >= PIECE:
            self._put(bytes(self._rest[:PIECE]))
            del self._rest[:PIECE]

    def close(self, *, whole: bool) -> None:
        """End it; if it is whole, it outlives a power cut when this returns."""
        if not self._closed:
            if whole:
                self._put(bytes(self._rest))
            self._closed = True
            self._pieces.end(whole=whole)

    def _put(self, data: bytes) -> None:
        if data:
            self._pieces.put(self._chunks, seal(self._cipher, data, _place(self._chunks)))
            self._chunks += 1


class Upload:
    """What an `UploadWriter` wrote, to be read at any place as `MappedFile` is.

    Args:
        place: Where it was written.
        key: Its key.
        size: Of what was uploaded, in bytes.

    Attributes:
        path: What messages call it: of the file itself nobody needs to know.

    Raises:
        InputError: When it is read, if it is gone, or not as it was written.
    """

    path = Path("upload.zip")

    def __init__(self, place: Path | SealedPieces, key: bytes, size: int) -> None:
        self._pieces = FilePieces(place) if isinstance(place, Path) else place
        self._cipher, self.size = new_cipher(key), size
        self._lock = threading.Lock()
        self._chunks: OrderedDict[int, bytes] = OrderedDict()

    def read(self, start: int, length: int) -> bytes:
        """Bytes ``start`` to ``start + length``; fewer where it ends before."""
        end = min(start + length, self.size)
        parts = []
        while start < end:
            number, offset = divmod(start, PIECE)
            part = self._chunk(number)[offset : offset + end - start]
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def stream(self) -> io.BufferedReader:
        """As a file that can be sought in."""
        return io.BufferedReader(_Seekable(self))

    def _chunk(self, number: int) -> bytes:
        with self._lock:
            if number in self._chunks:
                self._chunks.move_to_end(number)
                return self._chunks[number]
        data = unseal(self._cipher, self._pieces.read(number), _place(number))
        if data is None or len(data) != min(PIECE, self.size - number * PIECE):
            raise InputError("what was uploaded is not as it was written any more")
        with self._lock:
            self._chunks[number] = data
            while len(self._chunks) > _HELD:
                self._chunks.popitem(last=False)
        return data


class _Seekable(io.RawIOBase):
    def __init__(self, upload: Upload) -> None:
        self._upload, self._at = upload, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._upload.size}[whence]
        if begin + offset < 0:
            raise OSError("a place before the beginning")
        self._at = begin + offset
        return self._at

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        data = self._upload.read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _place(chunk: int) -> bytes:
    return b"upload " + chunk.to_bytes(8, "big")
