"""What SQLite gives as the rows of a store; a flipped bit may make a number of what was text."""

from collections.abc import Iterable, Iterator
from typing import Any

from vultus.core.errors import GalleryError
from vultus.gallery.stores.base import ItemRow, PersonRow

_OR_NONE = type(None)


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
