"""What SQLite gives as the rows of a store; a flipped bit may make a number of what was text."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any, Literal

from vultus.core.errors import GalleryError
from vultus.gallery.stores.base import ItemRow, PersonRow
from vultus.gallery.stores.event_rows import EventRow

TagColumn = Literal["name_tag", "external_tag"]
TAG_COLUMNS: tuple[TagColumn, ...] = ("name_tag", "external_tag")
TAG_BYTES = 32
_AT_ONCE = 500  # values in one statement; SQLite takes 999 everywhere
_BUCKETS = 1 << 12  # of tags: among 200,000 people some 50 begin alike
_OR_NONE = type(None)
BYTES_OR_NONE = (bytes, _OR_NONE)


def typed(row: tuple[Any, ...], *types: type | tuple[type, ...]) -> tuple[Any, ...]:
    """A row, if it holds what it must.

    Raises:
        GalleryError: If it does not.
    """
    if not all(map(isinstance, row, types)):
        raise GalleryError("the gallery is damaged (a row of another kind); restore a backup")
    return row


def typed_rows(
    rows: Iterable[tuple[Any, ...]], *types: type | tuple[type, ...]
) -> Iterator[tuple[Any, ...]]:
    """As `typed`, for some rows."""
    return (typed(row, *types) for row in rows)


def person_row(row: tuple[Any, ...]) -> PersonRow:
    """Columns in the order of the fields.

    Raises:
        GalleryError: If one is of another type.
    """
    kinds = (int, bytes, bytes, (bytes, _OR_NONE), int, str, (str, _OR_NONE), bytes)
    person, uid, name_tag, external_tag, n_faces, enrolled_at, expires_at, record = typed(
        row, *kinds
    )
    return PersonRow(
        id=person,
        uid=uid,
        name_tag=name_tag,
        external_tag=external_tag,
        n_faces=n_faces,
        enrolled_at=enrolled_at,
        expires_at=expires_at,
        record=record,
    )


def item_row(row: tuple[Any, ...]) -> ItemRow:
    """Columns in the order of the fields.

    Raises:
        GalleryError: If one is of another type.
    """
    item, kind, key_id, created_at, expires_at, body = typed(
        row, int, str, int, str, (str, _OR_NONE), bytes
    )
    return ItemRow(
        id=item,
        kind=kind,
        key_id=key_id,
        created_at=created_at,
        expires_at=expires_at,
        body=body,
    )


def event_row(row: tuple[Any, ...]) -> EventRow:
    """Columns in the order of the fields, type and time together before the body.

    Raises:
        GalleryError: If one is of another type, or type and time are not as they are together.
    """
    position, tag, stream, of_type, at, twice, body = typed(
        row, int, bytes, int, str, str, str, bytes
    )
    check_sum(of_type + at, twice)
    return EventRow(position=position, tag=tag, stream=stream, type=of_type, at=at, body=body)


def batched(numbers: Collection[int]) -> Iterator[list[int]]:
    """As many at once as a statement takes."""
    left = iter(numbers)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def check_sum(found: object, due: object) -> None:
    """What was found must be what was counted.

    Raises:
        GalleryError: If it is not.
    """
    if found != due:
        raise GalleryError("the gallery is damaged (an index misses rows); restore a backup")


def tag_bucket(column: TagColumn, tag: bytes) -> int:
    """Number of the tags that begin as this one does."""
    return TAG_COLUMNS.index(column) * _BUCKETS + _beginning(tag)


def tag_range(tag: bytes) -> tuple[bytes, bytes]:
    """The first tag that begins as this one does, and the last."""
    low = _beginning(tag) << 4
    return low.to_bytes(2, "big"), (low + 15).to_bytes(2, "big") + b"\xff" * TAG_BYTES


def tags_of(rows: Iterable[tuple[Any, ...]]) -> bytes:
    """The exclusive or of tags, the first column of some rows."""
    together = 0
    for row in rows:
        together ^= int.from_bytes(row[0], "big")
    return together.to_bytes(TAG_BYTES, "big")


def _beginning(tag: bytes) -> int:
    return int.from_bytes(tag[:2], "big") >> 4
