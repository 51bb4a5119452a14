"""Arrays side by side, in which row i of each is about one thing: a face, a crop, an embedding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vultus.core.checks import frozen
from vultus.core.errors import InputError

_Array = npt.NDArray[Any]


def freeze_arrays(record: Any) -> None:
    """Let a frozen dataclass hold read-only views of its arrays; the caller's stay writable."""
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, np.ndarray):
            object.__setattr__(record, field.name, frozen(value))


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What all structs of arrays can do: be counted, selected from, gone through, joined.

    A subclass is a frozen dataclass whose first field is an array; every field that holds an array
    has one row a thing, and all others hold for all rows.
    """

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, index: Any) -> Self:
        """Select by int, slice, mask or index array; the result is always of this class."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"row {index} of {len(self)} in {type(self).__name__}")
            index = [int(index)]
        return replace(self, **{name: array[index] for name, array in self._arrays().items()})

    def __iter__(self) -> Iterator[Self]:
        return (self[row] for row in range(len(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Join rows; an array that not every part has is left out.

        Raises:
            InputError: If there is no part, or what holds for all rows differs.
        """
        if not parts:
            raise InputError(f"concatenate needs at least one {cls.__name__}, got an empty list")
        cls._check_alike(parts)
        arrays = [part._arrays() for part in parts]
        joined: dict[str, _Array | None] = dict.fromkeys(set().union(*arrays))
        for name in set(arrays[0]).intersection(*arrays):
            joined[name] = np.concatenate([own[name] for own in arrays])
        return replace(parts[0], **joined)

    @classmethod
    def _check_alike(cls, parts: Sequence[Self]) -> None:
        """Raise if parts cannot stand in one struct."""

    def _arrays(self) -> dict[str, _Array]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
