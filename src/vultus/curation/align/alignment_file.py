"""What made the crops of a data set: a small TOML beside them, and a report with a line a photo."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import tomli_w

from vultus.core.choices import DEFAULT_SELECT
from vultus.core.errors import InputError
from vultus.core.files import private_opener, write_text
from vultus.core.plain_values import parse_json_lines, parse_toml, read_text
from vultus.core.settings_reader import read

SETTINGS = "alignment.toml"
REPORT = "alignment.jsonl"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AlignmentSettings:
    """How photos were made into crops.

    Attributes:
        template: A name of `vultus.alignment.crop_templates.TEMPLATES`.
        detector: Name of the detector.
        select: Which face of a photo is meant: ``largest``, ``central``, ``only`` or ``person``.
        model: Embedder, for ``person``; empty otherwise.
        ending: Format of the crops: ``.png``, ``.webp`` or ``.jpg``.
        quality: Of the lossy two.
        depth: How many folder names make an identity; 0 for all above the photo.
    """

    template: str = "arcface-112"
    detector: str = "mtcnn"
    select: str = DEFAULT_SELECT
    model: str = ""
    ending: str = ".png"
    quality: int = 95
    depth: int = 0


def sidecar(target: Path, name: str) -> Path:
    """Where a file about a data set lies: in its folder, or beside its file under its name."""
    return target / name if target.is_dir() else target.with_name(f"{target.name}.{name}")


def write_settings(path: Path, settings: AlignmentSettings, counts: Row) -> None:
    """Write the TOML whole.

    Args:
        path: The file.
        settings: Under ``[alignment]``.
        counts: Numbers under ``[result]``; empty while the work goes on.
    """
    file: Row = {"format": "vultus-alignment-1", "alignment": asdict(settings)}
    write_text(path, tomli_w.dumps(file | {"result": counts} if counts else file), private=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What the TOML holds."""

    format: Literal["vultus-alignment-1"]
    alignment: AlignmentSettings
    result: Mapping[str, Any] = field(default_factory=dict)


def read_settings(path: Path) -> AlignmentSettings:
    """Read the TOML.

    Raises:
        InputError: If it cannot be read or is of another format.
    """
    values = parse_toml(read_text(path, error=InputError), source=str(path), error=InputError)
    return read(_File, values, source=str(path), error=InputError).alignment


def check_template(source: Path, template: str) -> None:
    """Refuse crops that say of themselves that they were aligned to another template.

    Raises:
        InputError: If the TOML of the data set names another.
    """
    path = sidecar(source, SETTINGS)
    if path.is_file() and (found := read_settings(path).template) != template:
        raise InputError(
            f"{source} must hold crops of template {template!r}, and {path.name} says {found!r}; "
            "align the photos again, or take a model of that template"
        )


class Report:
    """A line of JSON a photo, appended as the work goes on.

    A last line that was cut off by a kill is taken away on opening.

    Args:
        path: The file; made if it is not there.

    Attributes:
        path: As passed.
        rows: What the file held on opening, by photo; of several lines the last counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        if path.exists():
            _cut_torn_line(path)
            self.rows = {row["photo"]: row for row in _read_rows(path)}

    def append(self, rows: Iterable[Row]) -> None:
        """Add rows; they are on disk when this returns."""
        text = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
        with open(self.path, "a", encoding="ascii", opener=private_opener) as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())

    def forget(self, photos: set[str]) -> None:
        """Write the file anew without the rows of these photos."""
        self.rows = {photo: row for photo, row in self.rows.items() if photo not in photos}
        self.rewrite(self.rows.values())

    def rewrite(self, rows: Iterable[Row]) -> None:
        """Put these rows in place of all others, whole or not at all."""
        text = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
        write_text(self.path, text, private=True)


def _cut_torn_line(path: Path) -> None:
    with path.open("rb+") as stream:
        data = stream.read()
        stream.truncate(data.rfind(b"\n") + 1)


def _read_rows(path: Path) -> Iterator[Row]:
    text = read_text(path, error=InputError)
    for number, row in parse_json_lines(text, source=str(path), error=InputError):
        if not (isinstance(row, dict) and isinstance(row.get("photo"), str)):
            raise InputError(
                f"{path}:{number} must be a line of a report, with the name of a photo, got "
                f"{row!s:.80}; remove the file and its crops to begin anew"
            )
        yield row
