"""Writing the file of an index, a few thousand rows at a time."""

import mmap
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from vultus.core.files import writing
from vultus.search import coded
from vultus.search.index_file import Layout, Part, Stamp, header, layout
from vultus.search.rows import Rows

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_AT_ONCE = 1 << 14


class RowBlock(NamedTuple):
    """Some of the rows of a file.

    Attributes:
        ids: (m,) int64, ascending, above those of the block before.
        vectors: (m, dim) float32, rows of length 1.
        groups: (m,) int64.
    """

    ids: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    groups: npt.NDArray[np.int64]


def write_index(
    path: Path, blocks: Iterable[RowBlock], *, n: int, dim: int, stamp: Stamp, next_id: int
) -> None:
    """Write a file for its owner only; one that is there is replaced when this one is whole.

    Args:
        path: The file.
        blocks: Its rows.
        n: How many there are in all blocks.
        dim: Length of a vector.
        stamp: For what they stand.
        next_id: A number above all that were ever used.

    Raises:
        OutputError: If it cannot be written; a file that was there is untouched then.
    """
    remove_leftovers(path)
    plan = layout(n, dim)
    with writing(path, private=True) as stream:
        if fcntl is not None:  # so that `remove_leftovers` knows that somebody is at it
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(header(n, dim, next_id, stamp))
        stream.truncate(plan.size)
        done = 0
        for block in blocks:
            coded_rows = coded.encode(block.vectors)
            own: dict[str, npt.NDArray[Any]] = {
                "alive": np.ones(len(block.ids), np.bool_), "ids": block.ids,
                "groups": block.groups, "vectors": block.vectors, "codes": coded_rows.codes,
                "scales": coded_rows.scales, "radii": coded_rows.radii,
            }  # fmt: skip
            for name, values in own.items():
                part = plan.parts[name]
                stream.seek(part.start + done * part.row_bytes)
                stream.write(np.ascontiguousarray(values, part.dtype).data.cast("B"))
            done += len(block.ids)
        stream.flush()
        if n:
            _write_checksums(stream, plan)


def living_rows(parts: Sequence[Rows], dim: int) -> Iterator[RowBlock]:
    """The living rows of several parts, in the order of their numbers, as `write_index` wants them.

    Args:
        parts: No number is alive in two of them.
        dim: Length of a vector.
    """
    ids = np.concatenate([part.ids()[part.alive] for part in parts])
    order = np.argsort(ids, kind="stable")
    rows = [np.flatnonzero(part.alive) for part in parts]
    for start in range(0, len(ids), _AT_ONCE):
        own = order[start : start + _AT_ONCE]
        vectors = np.empty((len(own), dim), np.float32)
        groups, first = np.empty(len(own), np.int64), 0
        for part, living in zip(parts, rows, strict=True):
            here = (own >= first) & (own < first + len(living))
            places = living[own[here] - first]
            vectors[here] = part.vectors(places)[places]
            groups[here] = part.groups()[places]
            first += len(living)
        yield RowBlock(ids[own], vectors, groups)


def _write_checksums(stream: BinaryIO, plan: Layout) -> None:
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for part in plan.parts.values():
            stream.seek(part.checksums)
            stream.write(_checksums(memoryview(mapped), part))


def _checksums(view: memoryview, part: Part) -> bytes:
    sums = np.empty(part.n_blocks, "<u4")
    for number in range(part.n_blocks):
        with view[part.block(number)] as block:
            sums[number] = zlib.crc32(block)
    view.release()
    return sums.tobytes()


def remove_leftovers(path: Path) -> None:
    """Remove what killed writers of this file left beside it: it may hold who is erased by now."""
    if fcntl is None:
        return
    for part in path.parent.glob(f".{path.name[:40]}.*.part"):
        try:
            descriptor = os.open(part, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)
        except OSError:  # somebody is writing it
            continue
        finally:
            os.close(descriptor)
