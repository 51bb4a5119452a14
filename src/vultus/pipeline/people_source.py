"""Who is to be enrolled: in a folder with a folder of photos per person, or in a table."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vultus.core.csv_file import CsvTable, read_csv, read_csv_file
from vultus.core.errors import InputError, PersonExpiredError
from vultus.core.text import did_you_mean
from vultus.gallery.people.details import Consent, PersonDetails, now, utc_time
from vultus.gallery.people.names import normalise_identity
from vultus.pipeline.enrolment import people_of_folder
from vultus.pipeline.photos import Skipped

_NEEDED = ("photo", "name")
_KNOWN = (
    *_NEEDED,
    "external_id",
    "groups",
    "consent",
    "consent_given_at",
    "consent_until",
    "retain_until",
)
_PER_PERSON = _KNOWN[2:]


@dataclass(frozen=True, slots=True)
class PersonToImport:
    """Somebody who is to be enrolled.

    Attributes:
        identity: The name.
        photos: Their files.
        details: What else to note, or None.
        consent_dated: Whether the source says when the consent was given; else it is taken as given
            when it is first noted.
        refusal: Why this person may not be enrolled, or None. Others of the source are.
    """

    identity: str
    photos: tuple[Path, ...]
    details: PersonDetails | None = None
    consent_dated: bool = False
    refusal: InputError | None = None


def people_to_import(source: str | Path, skipped: Skipped) -> list[PersonToImport]:
    """Who is in a folder with a folder of photos per person, or in a table.

    Args:
        source: The folder, or the CSV file; see `read_table`.
        skipped: Told of folders without a photo.

    Raises:
        InputError: If there is no such source, or a line of the table is wrong.
    """
    source = Path(source)
    if source.is_dir():
        found = people_of_folder(source, on_error=skipped).items()
        return [PersonToImport(normalise_identity(name), tuple(photos)) for name, photos in found]
    if source.is_file():
        return read_table(source)
    raise InputError(
        f"there is no {source}; give a folder with one folder of photos per person, or a CSV "
        f"file with the columns {', '.join(_NEEDED)}"
    )


def read_table(path: str | Path) -> list[PersonToImport]:
    """Read a CSV file with one line per photo.

    Columns: ``photo`` (a path; a relative one is beside the file), ``name``; and as needed
    ``external_id``, ``groups`` (separated by ``;``), ``consent`` (what for), ``consent_given_at``,
    ``consent_until``, ``retain_until``. A consent without ``consent_given_at`` counts as given when
    it is first imported; if it is over by then, that person is refused. Any other column is
    metadata. What is empty is not noted; lines of one person must not contradict each other.

    Args:
        path: The file, as `vultus.core.csv_file.read_csv` takes it.

    Raises:
        InputError: If the file cannot be read, a column is missing, or a line is wrong; the message
            names the line.
    """
    return _people(read_csv_file(path), Path(path))


def read_table_bytes(content: bytes, path: Path) -> list[PersonToImport]:
    """As `read_table`, of a table that is no file of its own.

    Args:
        content: The table.
        path: What messages call it, and beside what relative paths are.

    Raises:
        InputError: As `read_table`.
    """
    return _people(read_csv(content, str(path)), path)


def _people(table: CsvTable, path: Path) -> list[PersonToImport]:
    for name in _NEEDED:
        if name not in table.columns:
            hint = did_you_mean(name, list(table.columns))
            raise InputError(
                f"{path} must have a column {name!r}{hint}; it has {table.shown_columns}"
            )
    if not table.rows:
        raise InputError(f"{path} must have a line a photo below the names of its columns")
    people: dict[str, _Lines] = {}
    for number, row in zip(table.lines, table.rows, strict=True):
        with _named(f"{path}, line {number}"):
            _add(people, dict(zip(table.columns, row, strict=True)), path.parent)
    return [_person(path, name, told) for name, told in people.items()]


@dataclass(slots=True)
class _Lines:
    """What the lines of one person say."""

    values: dict[str, str] = field(default_factory=dict)
    photos: list[Path] = field(default_factory=list)


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Errors inside say where they are."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{where}: {error}") from None


def _add(people: dict[str, _Lines], row: dict[str, str], folder: Path) -> None:
    told = {name: value for name, value in row.items() if value}
    if "photo" not in told:
        raise InputError("photo must name a file, got nothing")
    name, photo = normalise_identity(told.pop("name", "")), Path(told.pop("photo"))
    person = people.setdefault(name, _Lines())
    for column, value in told.items():
        if person.values.setdefault(column, value) != value:
            raise InputError(
                f"{column} of {name!r} must be the same on all lines, got {value!r} after "
                f"{person.values[column]!r}"
            )
    person.photos.append(folder / photo)


def _person(path: Path, name: str, told: _Lines) -> PersonToImport:
    photos = tuple(dict.fromkeys(told.photos))
    try:
        with _named(f"{path}, {name!r}"):
            details = _details(told.values)
    except PersonExpiredError as error:
        return PersonToImport(name, photos, refusal=error)
    return PersonToImport(name, photos, details, "consent_given_at" in told.values)


def _details(values: Mapping[str, str]) -> PersonDetails | None:
    consent = None
    if "consent" in values:
        given, until = values.get("consent_given_at"), values.get("consent_until")
        # A table that is imported again next year names people whose consent is over by then.
        if given is None and until is not None and utc_time("consent_until", until) <= now():
            raise PersonExpiredError(
                f"the consent ended on {until}; note a new one, or leave them out"
            )
        given = now() if given is None else given
        consent = Consent(given_at=given, purpose=values["consent"], until=until)
    elif {"consent_given_at", "consent_until"} & set(values):
        raise InputError("consent must say what was agreed to where consent_until is given")
    metadata = {name: value for name, value in values.items() if name not in _PER_PERSON}
    groups = [name for name in values.get("groups", "").split(";") if name.strip()]
    details = PersonDetails(
        external_id=values.get("external_id"),
        metadata=metadata or None,
        groups=groups or None,
        consent=consent,
        retain_until=values.get("retain_until"),
    )
    return None if details == PersonDetails() else details
