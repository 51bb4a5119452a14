"""What made the crops of a data set: a small TOML beside them, and a report with a line a photo."""

import json
import os
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vultus.core.errors import InputError
from vultus.core.files import write_text

_FORMAT = "vultus-alignment-1"
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
    select: str = "largest"
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
    lines = [f"format = {json.dumps(_FORMAT)}", "", "[alignment]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in asdict(settings).items()]
    if counts:
        lines += ["", "[result]", *(f"{name} = {value}" for name, value in counts.items())]
    write_text(path, "\n".join(lines) + "\n")


def read_settings(path: Path) -> AlignmentSettings:
    """Read the TOML.

    Raises:
        InputError: If it cannot be read or is of another format.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if table.get("format") != _FORMAT:
            raise ValueError(f"format must be {_FORMAT!r}, got {table.get('format')!r}")
        names = {field.name for field in fields(AlignmentSettings)}
        stored = {name: value for name, value in table["alignment"].items() if name in names}
        return AlignmentSettings(**stored)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{path} says not how crops were made: {error}") from error


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
        with self.path.open("a", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())

    def forget(self, photos: set[str]) -> None:
        """Write the file anew without the rows of these photos."""
        self.rows = {photo: row for photo, row in self.rows.items() if photo not in photos}
        self.rewrite(self.rows.values())

    def rewrite(self, rows: Iterable[Row]) -> None:
        """Put these rows in place of all others, whole or not at all."""
        write_text(self.path, "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows))


def _cut_torn_line(path: Path) -> None:
    with path.open("rb+") as stream:
        data = stream.read()
        stream.truncate(data.rfind(b"\n") + 1)


def _read_rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(path.read_text(encoding="ascii").split("\n"), start=1):
        if not line:
            continue
        try:
            row = json.loads(line)
            if not isinstance(row["photo"], str):
                raise ValueError("photo must be a name")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}:{number} is no line of a report: {error}; remove the file and its crops "
                "to begin anew"
            ) from error
        yield row
