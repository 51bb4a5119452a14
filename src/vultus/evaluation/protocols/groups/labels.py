"""What is known of each photo: a table of labels, cut into bands, filtered and crossed to cells."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.csv_file import read_csv_file
from vultus.core.errors import InputError
from vultus.core.text import unknown_name

MOST_CELLS = 100
"""Cells that a page can still show, and that few photos can still fill."""
_MOST_VALUES = 24
"""Of one column: more are measures, which need bands."""
JOIN = ", "
"""Between the values of a cell's name."""
_RANGE = re.compile(r"\s*(\S*?)\s*\.\.\s*(\S*)\s*")


@dataclass(frozen=True, slots=True)
class LabelTable:
    """A table with a line a photo.

    Attributes:
        source: What messages call it.
        columns: Column -> a value a photo, as text without blanks around it.
    """

    source: str
    columns: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def column(self, name: str) -> tuple[str, ...]:
        """The values of one column.

        Raises:
            InputError: If there is none of that name; the message names the nearest.
        """
        if name not in self.columns:
            raise InputError(f"{self.source} has no column {unknown_name(name, self.columns)}")
        return self.columns[name]


def read_labels(path: str | Path) -> LabelTable:
    """Read a file whose first line names its columns, as `vultus.core.csv_file.read_csv` takes it.

    Raises:
        InputError: If it cannot be read, or has no line below the names.
    """
    table = read_csv_file(path)
    if not table.rows:
        raise InputError(f"{path} must have a line of column names and a line a photo")
    fields = zip(*table.rows, strict=True)
    return LabelTable(str(path), dict(zip(table.columns, fields, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """How photos are put into groups.

    Attributes:
        by: Columns whose values are crossed.
        bands: Column of numbers -> where its bands begin, rising: ``{"age": (18, 30, 50)}`` makes
            "below 18", "18 to 29", "30 to 49" and "50 and over".
        only: Column -> values that take part, or one range ``18..64`` (both ends included; either
            may be left out).

    Raises:
        InputError: If no column is named, one twice, or bands do not rise.
    """

    by: tuple[str, ...]
    bands: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.by or len(set(self.by)) < len(self.by):
            raise InputError(f"by must name one column or more, each once, got {list(self.by)}")
        for name, starts in self.bands.items():
            if name not in self.by:
                raise InputError(f"bands of {name!r} need it among the columns to group by")
            if (
                not starts
                or not all(map(math.isfinite, starts))
                or list(starts) != sorted(set(starts))
            ):
                raise InputError(f"bands of {name!r} must be numbers that rise, got {list(starts)}")

    def cells(self, table: LabelTable) -> "Cells":
        """The cell of each photo of a table.

        Photos that a filter leaves out, or that lack a value, are in none.

        Raises:
            InputError: If a column is missing or not what it must be, there are more than
                `MOST_CELLS`, or nothing is left.
        """
        kept = np.ones(len(table), np.bool_)
        for name, wanted in self.only.items():
            kept &= _chosen(table, name, wanted)
        if not kept.any():
            raise InputError(f"no photo of {table.source} is left by {dict(self.only)}")
        left_out = int((~kept).sum())
        axes = [_axis(table, name, self.bands.get(name), kept) for name in self.by]
        for axis in axes:
            kept &= axis.places >= 0
        if not kept.any():
            raise InputError(f"no photo of {table.source} has a value in each of {list(self.by)}")
        codes = np.ravel_multi_index(
            [axis.places.clip(0) for axis in axes], [len(axis.values) for axis in axes]
        )
        filled = np.unique(codes[kept])
        if len(filled) > MOST_CELLS:
            raise InputError(
                f"crossing {' x '.join(self.by)} gives {len(filled)} groups, at most {MOST_CELLS} "
                "can be told apart; cross fewer columns, or make fewer bands"
            )
        combined = list(product(*(axis.values for axis in axes)))
        places = np.where(kept, np.searchsorted(filled, codes), -1)
        names = tuple(combined[code] for code in filled.tolist())
        unlabelled = len(table) - left_out - int(kept.sum())
        seen = [{own[k] for own in names} for k in range(len(axes))]
        used = tuple(
            tuple(value for value in axis.values if value in found)
            for axis, found in zip(axes, seen, strict=True)
        )
        return Cells(self.by, names, used, places, left_out, unlabelled)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The groups, and which photo is in which.

    Attributes:
        by: The columns.
        values: Of each cell, its value in each column.
        axes: Of each column, the values that occur; bands from the lowest, words by alphabet.
        places: (n,) int64, the cell of each photo; -1 for none.
        filtered: Photos that a filter left out.
        unlabelled: Photos that lack a value.
    """

    by: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    axes: tuple[tuple[str, ...], ...]
    places: npt.NDArray[np.int64]
    filtered: int
    unlabelled: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of each cell, its values in one text."""
        return tuple(JOIN.join(own) for own in self.values)


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """One column: its distinct values, and which each photo has (-1: none)."""

    values: Sequence[str]
    places: npt.NDArray[np.int64]


def _axis(
    table: LabelTable,
    name: str,
    starts: tuple[float, ...] | None,
    kept: npt.NDArray[np.bool_],
) -> _Axis:
    texts = table.column(name)
    if starts is not None:
        numbers = _numbers(table, name)
        places = np.searchsorted(np.array(starts), numbers, side="right")
        return _Axis(_band_names(starts), np.where(np.isnan(numbers), -1, places))
    values = sorted({text for text, used in zip(texts, kept, strict=True) if used and text})
    if len(values) > _MOST_VALUES:
        raise InputError(
            f"column {name!r} of {table.source} has {len(values)} values, at most {_MOST_VALUES} "
            f"make groups; if it is a number, cut it into bands (bands {name}=18,30,50)"
        )
    found = {value: place for place, value in enumerate(values)}
    return _Axis(values, np.array([found.get(text, -1) for text in texts], np.int64))


def _band_names(starts: Sequence[float]) -> list[str]:
    whole = all(start == int(start) for start in starts)
    below = f"below {starts[0]:g}"
    middle = [_band_name(low, high, whole=whole) for low, high in pairwise(starts)]
    return [below, *middle, f"{starts[-1]:g} and over"]


def _band_name(low: float, high: float, *, whole: bool) -> str:
    if not whole:
        return f"{low:g} to under {high:g}"
    return f"{low:g}" if high - low == 1 else f"{low:g} to {high - 1:g}"


def _chosen(table: LabelTable, name: str, wanted: Sequence[str]) -> npt.NDArray[np.bool_]:
    texts = table.column(name)
    found = _RANGE.fullmatch(wanted[0]) if len(wanted) == 1 else None
    if found is None:
        unknown = sorted(set(wanted) - set(texts))
        if unknown:
            known = sorted(set(texts))[:_MOST_VALUES]
            raise InputError(
                f"column {name!r} of {table.source} has no value {unknown_name(unknown[0], known)}"
            )
        return np.isin(np.array(texts), wanted)
    try:
        low, high = (float(text) if text else None for text in found.groups())
    except ValueError:
        raise InputError(
            f"a range must be LOW..HIGH of numbers, either of which may be left out, "
            f"got {wanted[0]!r}"
        ) from None
    numbers = _numbers(table, name)
    with np.errstate(invalid="ignore"):
        above = ~np.isnan(numbers) if low is None else numbers >= low
        return np.asarray(above & (True if high is None else numbers <= high))


def _numbers(table: LabelTable, name: str) -> npt.NDArray[np.float64]:
    """A column of numbers; nan where it is empty."""
    values = np.empty(len(table))
    for row, text in enumerate(table.column(name)):
        try:
            values[row] = float(text) if text else math.nan
        except ValueError:
            raise InputError(
                f"column {name!r} of {table.source} must hold numbers, got {text!r} in entry "
                f"{row + 2}"
            ) from None
    return values
