"""What tables of a report are made of, and how figures are written in them."""

from dataclasses import dataclass

from vultus.evaluation.measures.intervals import Interval

MISSING = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what to read first, and what stands below it in small.

    Attributes:
        text: Plain text.
        detail: Plain text, may be empty or of several lines.
    """

    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names a model or a file.

    Attributes:
        title: Plain text.
        head: One a column.
        rows: As long as the head.
        note: A paragraph below, may be empty.
        code: The cells are digests and settings, not figures.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    code: bool = False


def rate_text(rate: float) -> str:
    """A small rate as papers write it: ``1e-3``, ``3.2e-4``."""
    mantissa, _, exponent = f"{rate:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def interval_text(interval: Interval | None, form: str = ".2%") -> str:
    """Both ends of an interval; nothing where a file of an older version has none."""
    return "" if interval is None else f"{interval.low:{form}} {MISSING} {interval.high:{form}}"
