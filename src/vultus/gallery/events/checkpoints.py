"""How far each writer of events came, noted in the transaction that writes its events."""

import json
from collections.abc import Mapping
from typing import Any

from vultus.core.errors import InputError
from vultus.gallery.opening import OpenedGallery
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.review.items import Items

_LARGEST = 1 << 20


class Checkpoints:
    """The notes of a gallery's writers, each sealed with a key of its own.

    Args:
        opened: The gallery's parts.
    """

    def __init__(self, opened: OpenedGallery) -> None:
        self._store = opened.store
        self._items = Items(opened, "checkpoint")
        self._numbers: dict[str, int] = {}

    def read(self, source: str) -> Any:
        """What a writer noted; None if nothing."""
        with self._store.transaction():
            found = self._find(_source(source))
        return None if found is None else found[1]["value"]

    def write(self, source: str, value: Mapping[str, Any] | None) -> None:
        """Note it, inside a writing transaction; None forgets it.

        Raises:
            InputError: If it is not fit for JSON, or larger than 1 MiB.
        """
        name = _source(source)
        found = self._find(name)
        if value is None:
            if found is not None:
                self._items.delete(found[0])
            return
        told = {"source": name, "value": _plain(value)}
        if found is None:
            self._numbers[name] = self._items.add(told, owner=None)
        else:
            self._items.rewrite(found[0], told)

    def _find(self, source: str) -> tuple[int, dict[str, Any]] | None:
        number = self._numbers.get(source)
        row = None if number is None else self._store.item(number)
        # Another process may have forgotten it, or a transaction may have failed.
        if row is not None and row.kind == self._items.kind:
            value = self._items.read(row.id)
            if value["source"] == source:
                return row.id, value
        all_of_them = {value["source"]: (row.id, value) for row, value in self._items.all()}
        self._numbers = {name: number for name, (number, _) in all_of_them.items()}
        return all_of_them.get(source)


def _source(source: str) -> str:
    return normalise_identity(source, what="source")


def _plain(value: Mapping[str, Any]) -> Any:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"a checkpoint must be fit for JSON: {error}") from error
    if len(text) > _LARGEST:
        raise InputError(f"a checkpoint may have {_LARGEST} bytes of JSON, got {len(text)}")
    return json.loads(text)
