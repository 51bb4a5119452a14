"""Tables that people made, of whatever their spreadsheet writes and calls CSV."""

import codecs
import csv
import io
from dataclasses import dataclass
from pathlib import Path

from vultus.core.errors import InputError

_SEPARATORS = ",;\t"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LONGEST = 40
"""Characters of a column's name that a message shows; a key has 44 in base64."""


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A table, as text without blanks around it.

    Attributes:
        columns: Their names, each once.
        rows: What each line says, with a value a column; lines without any are left out.
        lines: Where in the file each row ends, from 1.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    @property
    def shown_columns(self) -> str:
        """Their names, for a message; what may be somebody's key is not shown."""
        shown = [
            name if len(name) <= _LONGEST else f"one of {len(name)} characters"
            for name in self.columns
        ]
        return ", ".join(shown) or "none"


def read_csv_file(path: str | Path) -> CsvTable:
    """Read a file whose first line names its columns; see `read_csv`.

    Raises:
        InputError: If it cannot be read, and as `read_csv`.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    return read_csv(content, str(path))


def read_csv(content: bytes, name: str) -> CsvTable:
    """Read a table whose first line names its columns.

    Fields are parted by commas, semicolons or tabs, as the first line has them: spreadsheets write
    one or the other by the country they are set to.

    Args:
        content: UTF-8, with a byte order mark or without, or UTF-16 with one.
        name: What messages call it.

    Raises:
        InputError: If it is no text, a quote is never closed, two columns have one name, or a line
            has more or fewer fields than the first; the message names the line.
    """
    text = _text(content, name)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
        lines = [
            (reader.line_num, tuple(field.strip() for field in line))
            for line in reader
            if any(field.strip() for field in line)
        ]
    except csv.Error as error:
        raise InputError(f"{name} cannot be read as CSV: {error}") from None
    if not lines:
        return CsvTable((), (), ())
    (_, columns), rows = lines[0], lines[1:]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InputError(f"{name} must name each column once, {twice[0]!r} is there twice")
    for number, row in rows:
        if len(row) != len(columns):
            raise InputError(
                f"{name}, line {number}: a line must have as many fields as the first, "
                f"{len(columns)}, got {len(row)}"
            )
    return CsvTable(columns, tuple(row for _, row in rows), tuple(number for number, _ in rows))


def _text(content: bytes, name: str) -> str:
    coding = "utf-16" if content.startswith(_UTF_16) else "utf-8-sig"
    try:
        return content.decode(coding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name} must be text in UTF-8, line {line} is not; save it as CSV in UTF-8"
        ) from None


def _separator(text: str) -> str:
    """What parts the first line into most fields; a comma where all do alike."""

    def fields(separator: str) -> int:
        return len(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), ()))

    try:
        return max(_SEPARATORS, key=fields)
    except csv.Error:
        return ","
