"""Many people enrolled at once: of a folder of people, or of a table with photos and notes."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vultus import __version__
from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.errors import IdentityNotFoundError, InputError
from vultus.core.progress import Progress, tracked
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import PersonDetails, now
from vultus.pages.blocks import Section, write_blocks
from vultus.pipeline.enrolment import size_note
from vultus.pipeline.people_source import PersonToImport, people_to_import
from vultus.pipeline.photos import Skipped, file_digest
from vultus.pipeline.recognizer import Recognizer

_NAMES = "This page says who is, or was to be, enrolled. Show it only to those who may know."


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
        source: A folder with one folder of photos per person, or a CSV file, see
            `vultus.pipeline.people_source.read_table`.
        select: Which face of a photo is meant that shows several.
        progress: Told how many people are done.

    Raises:
        InputError: If there is no such source, or a line of the table is wrong; nothing is
            enrolled then.
        GalleryError: If the gallery cannot be written.
    """
    skipped = Skipped()
    people = people_to_import(source, skipped)
    return import_listed(
        recognizer, gallery, people, skipped=skipped, select=select, progress=progress
    )


def import_listed(
    recognizer: Recognizer,
    gallery: Gallery,
    people: Sequence[PersonToImport],
    *,
    skipped: Skipped,
    select: Selection = DEFAULT_SELECT,
    progress: Progress | None = None,
) -> ImportReport:
    """As `import_people`, of people who were listed before.

    Args:
        recognizer: Makes the embeddings.
        gallery: Where to.
        people: As `people_to_import` gives them.
        skipped: Whose notes go into the report, too.
        select: Which face of a photo is meant that shows several.
        progress: Told how many people are done.

    Raises:
        GalleryError: If the gallery cannot be written.
    """
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
    if person.refusal is not None:
        skipped(person.identity, person.refusal)
        return ImportedPerson(person.identity, 0, 0, tuple(skipped.photos))
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
