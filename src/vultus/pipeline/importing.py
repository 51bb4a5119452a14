"""Many people enrolled at once: of a folder of people, or of a table with photos and notes."""

import csv
import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from vultus import __version__
from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.errors import IdentityNotFoundError, InputError
from vultus.core.progress import Progress, tracked
from vultus.core.text import did_you_mean
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import Consent, PersonDetails, now
from vultus.gallery.people.names import normalise_identity
from vultus.pages.blocks import Section, write_blocks
from vultus.pipeline.enrolment import people_of_folder, size_note
from vultus.pipeline.photos import Skipped, file_digest
from vultus.pipeline.recognizer import Recognizer

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
_NAMES = "This page says who is, or was to be, enrolled. Show it only to those who may know."


@dataclass(frozen=True, slots=True)
class PersonToImport:
    """Somebody who is to be enrolled.

    Attributes:
        identity: The name.
        photos: Their files.
        details: What else to note, or None.
        consent_dated: Whether the source says when the consent was given; else it is taken as given
            when it is first noted.
    """

    identity: str
    photos: tuple[Path, ...]
    details: PersonDetails | None = None
    consent_dated: bool = False


@dataclass(frozen=True, slots=True)
class ImportedPerson:
    """What became of somebody.

    Attributes:
        identity: The name.
        added: How many photos were enrolled now.
        enrolled_before: How many were there already, and not looked at again.
        left_out: ``photo``, ``error`` and ``reason`` of each that was not taken.
    """

    identity: str
    added: int
    enrolled_before: int
    left_out: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of everybody.

    Attributes:
        people: In the order of the source.
        notes: What else there is to know, as `Skipped.notes`.
    """

    people: tuple[ImportedPerson, ...]
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def added(self) -> int:
        """How many photos were enrolled."""
        return sum(person.added for person in self.people)

    @property
    def enrolled_before(self) -> int:
        """How many photos were there already."""
        return sum(person.enrolled_before for person in self.people)

    @property
    def left_out(self) -> list[Mapping[str, str]]:
        """The photos that were not taken, with ``identity``."""
        return [
            {"identity": person.identity, **photo}
            for person in self.people
            for photo in person.left_out
        ]

    @property
    def without_photo(self) -> list[str]:
        """Who is not in the gallery, because no photo was taken."""
        return [p.identity for p in self.people if not p.added and not p.enrolled_before]

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "people": len(self.people),
            "added": self.added,
            "enrolled_before": self.enrolled_before,
            "without_photo": self.without_photo,
            "left_out": [dict(photo) for photo in self.left_out],
            "notes": list(self.notes),
        }

    def write_page(self, path: str | Path, *, gallery: str, model: str) -> None:
        """Write a page for whoever has to bring better photos.

        Args:
            path: The HTML file; one that is there is replaced.
            gallery: What the gallery is called.
            model: Whose embeddings it holds.

        Raises:
            InputError: If it cannot be written.
        """
        counts = (
            f"{len(self.people):,} people: {self.added:,} photos enrolled, "
            f"{self.enrolled_before:,} enrolled before, {len(self.left_out):,} left out."
        )
        missing = [("name",), *((name,) for name in self.without_photo)]
        rows = [("name", "photo", "why")]
        rows += [(p["identity"], p["photo"], p["error"]) for p in self.left_out]
        sections = [
            Section("What was done", counts + "".join(f" Note: {note}." for note in self.notes)),
            Section("Not enrolled: no photo was taken", rows=missing if missing[1:] else ()),
            Section("Photos that were left out", rows=rows if rows[1:] else ()),
        ]
        footer = f"{gallery}; {model}; Vultus {__version__}; {now()}"
        title = "Import of people"
        write_blocks(Path(path), title=title, sections=sections, footer=footer, privacy=_NAMES)


def import_people(
    recognizer: Recognizer,
    gallery: Gallery,
    source: str | Path,
    *,
    select: Selection = DEFAULT_SELECT,
    progress: Progress | None = None,
) -> ImportReport:
    """Enrol everybody of a folder or a table; run again, it goes on where it was.

    Each person is one transaction. Photos that are in the gallery already, by the digests of their
    files (by their paths, if enrolled before there were any), are not looked at again, wherever
    they lie now; those that were left out are.

    Args:
        recognizer: Makes the embeddings.
        gallery: Where to.
        source: A folder with one folder of photos per person, or a CSV file, see `read_table`.
        select: Which face of a photo is meant that shows several.
        progress: Told how many people are done.

    Raises:
        InputError: If there is no such source, or a line of the table is wrong; nothing is
            enrolled then.
        GalleryError: If the gallery cannot be written.
    """
    skipped = Skipped()
    people = list(_people(Path(source), skipped))
    coming = {person.identity: len(person.photos) for person in people}
    if (crowd := size_note(recognizer, gallery, coming)) is not None:
        skipped.note(crowd)
    told = tracked(people, "importing", total=len(people), progress=progress)
    done = [_imported(recognizer, gallery, person, select, skipped) for person in told]
    return ImportReport(tuple(done), tuple(note.text for note in skipped.notes))


def _imported(
    recognizer: Recognizer,
    gallery: Gallery,
    person: PersonToImport,
    select: Selection,
    notes: Skipped,
) -> ImportedPerson:
    skipped = Skipped(on_note=notes.note)
    known = _known(gallery, person.identity)
    details = details_now(
        gallery, person.identity, person.details, consent_dated=person.consent_dated
    )
    fresh = [path for path in person.photos if not known.has(path)]
    added = 0
    try:
        if fresh:
            added = recognizer.enroll(
                gallery,
                person.identity,
                fresh,
                select=select,
                on_error=skipped,
                details=details,
            )
        if not added and known.any and details is not None:
            gallery.note(person.identity, details)
    except InputError as error:  # of this person's notes: others go on
        skipped(person.identity, error)
    before = len(person.photos) - len(fresh)
    return ImportedPerson(person.identity, added, before, tuple(skipped.photos))


@dataclass(frozen=True, slots=True)
class _Known:
    """The photos of a person that are in the gallery.

    Attributes:
        digests: Of their files.
        paths: Of those that were enrolled without a digest.
        any: Whether there is one.
    """

    digests: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    any: bool = False

    def has(self, path: Path) -> bool:
        return _source(path) in self.paths or file_digest(path) in self.digests


def _known(gallery: Gallery, identity: str) -> _Known:
    try:
        photos = gallery.photos(identity)
    except IdentityNotFoundError:
        return _Known()
    return _Known(
        frozenset(photo["sha256"] for photo in photos if photo["sha256"] is not None),
        frozenset(str(photo["source"]) for photo in photos if photo["sha256"] is None),
        any=True,
    )


def details_now(
    gallery: Gallery, identity: str, details: PersonDetails | None, *, consent_dated: bool
) -> PersonDetails | None:
    """What is to be noted of somebody, without a consent that stands there already.

    Run again, an import must not say that it was given today.

    Args:
        gallery: Where.
        identity: Of whom.
        details: What is to be noted, or None.
        consent_dated: Whether it says when the consent was given.
    """
    if details is None or not details.consent or consent_dated:
        return details
    try:
        noted = gallery.person(identity).consent
    except IdentityNotFoundError:
        return details
    if noted is None or (noted.purpose, noted.until) != (
        details.consent.purpose,
        details.consent.until,
    ):
        return details
    return dataclasses.replace(details, consent=None)


def _source(path: Path) -> str:
    # As the gallery keeps it: a file name need not be valid text.
    return str(path).encode("utf-8", "backslashreplace").decode()


def _people(source: Path, skipped: Skipped) -> Iterator[PersonToImport]:
    if source.is_dir():
        for name, photos in people_of_folder(source, on_error=skipped).items():
            yield PersonToImport(normalise_identity(name), tuple(photos))
    elif source.is_file():
        yield from read_table(source)
    else:
        raise InputError(
            f"there is no {source}; give a folder with one folder of photos per person, or a CSV "
            f"file with the columns {', '.join(_NEEDED)}"
        )


def read_table(path: str | Path) -> list[PersonToImport]:
    """Read a CSV file with one line per photo.

    Columns: ``photo`` (a path; a relative one is beside the file), ``name``; and as needed
    ``external_id``, ``groups`` (separated by ``;``), ``consent`` (what for), ``consent_given_at``,
    ``consent_until``, ``retain_until``. A consent without ``consent_given_at`` counts as given when
    it is first imported. Any other column is metadata. What is empty is not noted; lines of one
    person must not contradict each other.

    Args:
        path: The file, UTF-8.

    Raises:
        InputError: If the file cannot be read, a column is missing, or a line is wrong; the message
            names the line.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return read_table_lines(stream, path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from None


def read_table_lines(stream: TextIO, path: Path) -> list[PersonToImport]:
    """As `read_table`, of a table that is no file of its own.

    Args:
        stream: The text, opened with ``newline=""``.
        path: What messages call it, and beside what relative paths are.

    Raises:
        InputError: As `read_table`.
    """
    try:
        reader = csv.DictReader(stream, strict=True)
        columns = tuple(reader.fieldnames or ())
        lines = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from None
    for name in _NEEDED:
        if name not in columns:
            hint = did_you_mean(name, list(columns))
            raise InputError(
                f"{path} must have a column {name!r}{hint}; it has {', '.join(columns) or 'none'}"
            )
    people: dict[str, _Lines] = {}
    for number, row in lines:
        with _named(f"{path}, line {number}"):
            _add(people, row, path.parent)
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
        raise InputError(f"{where}: {error}") from None


def _add(people: dict[str, _Lines], row: dict[str, Any], folder: Path) -> None:
    if None in row or None in row.values():
        raise InputError(f"a line must have as many fields as the first, got {list(row.values())}")
    told = {name: value.strip() for name, value in row.items() if value.strip()}
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
    with _named(f"{path}, {name!r}"):
        details = _details(told.values)
    photos = tuple(dict.fromkeys(told.photos))
    return PersonToImport(name, photos, details, "consent_given_at" in told.values)


def _details(values: Mapping[str, str]) -> PersonDetails | None:
    consent = None
    if "consent" in values:
        given, until = values.get("consent_given_at", now()), values.get("consent_until")
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
