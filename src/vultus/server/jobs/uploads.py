"""What was uploaded for a job: sealed on its way to the disk, and read at any place."""

import hashlib
import io
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from vultus.core.errors import InputError
from vultus.core.files import private_opener
from vultus.gallery.security.sealing import OVERHEAD, new_cipher, seal, unseal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_CHUNK = 1 << 20
_HELD = 8


class UploadWriter:
    """Seals what comes, in pieces of a megabyte; nothing of it is on the disk in clear.

    Args:
        path: The file to make, for its owner only.
        key: 32 bytes; who destroys it has destroyed what was uploaded.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._cipher: AESGCM = new_cipher(key)
        self._stream = open(path, "xb", opener=private_opener)  # noqa: SIM115 - closed by `close`
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
        while len(self._rest) >= _CHUNK:
            self._put(bytes(self._rest[:_CHUNK]))
            del self._rest[:_CHUNK]

    def close(self, *, whole: bool) -> None:
        """End the file; if it is whole, it is on the disk when this returns."""
        if not self._stream.closed:
            if whole:
                self._put(bytes(self._rest))
                self._stream.flush()
                os.fsync(self._stream.fileno())
            self._stream.close()

    def _put(self, data: bytes) -> None:
        if data:
            self._stream.write(seal(self._cipher, data, _place(self._chunks)))
            self._chunks += 1


class Upload:
    """What an `UploadWriter` wrote, to be read at any place as `MappedFile` is.

    Args:
        file: The file.
        key: Its key.
        size: Of what was uploaded, in bytes.

    Attributes:
        path: What messages call it: of the file itself nobody needs to know.

    Raises:
        InputError: When it is read, if it is gone, or not as it was written.
    """

    path = Path("upload.zip")

    def __init__(self, file: Path, key: bytes, size: int) -> None:
        self._file, self._cipher, self.size = file, new_cipher(key), size
        self._lock = threading.Lock()
        self._chunks: OrderedDict[int, bytes] = OrderedDict()

    def read(self, start: int, length: int) -> bytes:
        """Bytes ``start`` to ``start + length``; fewer where it ends before."""
        end = min(start + length, self.size)
        parts = []
        while start < end:
            number, offset = divmod(start, _CHUNK)
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
        data = unseal(self._cipher, self._sealed(number), _place(number))
        if data is None or len(data) != min(_CHUNK, self.size - number * _CHUNK):
            raise InputError("what was uploaded is not as it was written any more")
        with self._lock:
            self._chunks[number] = data
            while len(self._chunks) > _HELD:
                self._chunks.popitem(last=False)
        return data

    def _sealed(self, number: int) -> bytes:
        try:
            with open(self._file, "rb") as stream:
                stream.seek(number * (_CHUNK + OVERHEAD))
                return stream.read(_CHUNK + OVERHEAD)
        except OSError as error:
            raise InputError("what was uploaded is gone, or cannot be read") from error


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
