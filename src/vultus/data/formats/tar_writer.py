"""Writes WebDataset tars: shards of images, each with a file that names who it is."""

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vultus.core.files import make_private_folder, private_opener

SHARD_IMAGES = 10_000
SHARD_BYTES = 1 << 30

AddSample = Callable[[str | None, bytes, str], None]
"""Appends an image: identity (None: of nobody known), bytes of its file, the ending of its name."""


@contextmanager
def tar_writer(folder: Path) -> Iterator[AddSample]:
    """Make ``shard-000000.tar`` and so on: ``000000000.jpg`` and beside it ``000000000.cls``.

    The ``.cls`` holds the identity's name as text; images of nobody known have none. A shard ends
    at `SHARD_IMAGES` images or `SHARD_BYTES` bytes. Dates and owners are left out, so that the same
    images make the same files.

    Args:
        folder: Made if it does not exist.

    Yields:
        What appends an image; the last shard is complete when the block ends.
    """
    make_private_folder(folder)
    with ExitStack() as opened:
        tar: tarfile.TarFile | None = None
        written = shards = 0

        def add(identity: str | None, data: bytes, ending: str) -> None:
            nonlocal tar, written, shards
            full = written and (written % SHARD_IMAGES == 0 or _size(tar) > SHARD_BYTES)
            if tar is None or full:
                opened.close()
                tar = opened.enter_context(_shard(folder / f"shard-{shards:06}.tar"))
                shards += 1
            _append(tar, f"{written:09}{ending}", data)
            if identity is not None:
                _append(tar, f"{written:09}.cls", identity.encode())
            written += 1

        yield add


@contextmanager
def _shard(path: Path) -> Iterator[tarfile.TarFile]:
    with (
        open(path, "xb", opener=private_opener) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        yield tar


def _size(tar: tarfile.TarFile | None) -> int:
    return 0 if tar is None else tar.offset


def _append(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
