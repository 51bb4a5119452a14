"""Bringing a gallery to another model: what a recogniser of that model does for it."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import (
    AlreadyEnrolledError,
    CalibrationError,
    IdentityNotFoundError,
    InputError,
    OutlierError,
    VultusError,
)
from vultus.core.progress import Progress, tracked
from vultus.core.text import argument
from vultus.core.thresholds import Threshold
from vultus.gallery.enrolment import resemblances
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.migration import Migration
from vultus.gallery.moving.status import MigrationStatus
from vultus.gallery.people.names import normalise_identity
from vultus.matching.person_threshold import threshold_for_person
from vultus.pipeline.enrolling import OUTLIER_FMR, tell_left_out
from vultus.pipeline.enrolment import people_of_folder
from vultus.pipeline.photos import ErrorHandler, Note, tell, tell_note
from vultus.pipeline.recognizer import Recognizer


def migrate_gallery(
    recognizer: Recognizer, gallery: Gallery, *, progress: Progress | None = None
) -> MigrationStatus:
    """Begin to bring a gallery to a recogniser's model, or go on: embed the crops that it keeps.

    The gallery goes on with its model until `Migration.finish`.

    Args:
        recognizer: Of the next model.
        gallery: The gallery.
        progress: Told how many people are done.

    Returns:
        How far it has come, and who must be photographed again.

    Raises:
        InputError: If the gallery is of that model already, or being brought to another one.
    """
    embedder, least = recognizer.embedder, None
    with suppress(CalibrationError):
        least = recognizer.threshold(OUTLIER_FMR).similarity
    migration = Migration(gallery)
    migration.begin(embedder.space, template=embedder.card.template, outlier_similarity=least)
    migration.embed_crops(embedder.embed, progress=progress)
    status = migration.status()
    if status is None:
        raise InputError(f"the migration of {gallery.location} was ended meanwhile")
    return status


def photograph_again(
    recognizer: Recognizer,
    gallery: Gallery,
    folder: str | Path,
    *,
    present: Recognizer | None = None,
    select: Selection = DEFAULT_SELECT,
    force: bool = False,
    on_error: ErrorHandler | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Enrol new photos of people of a gallery for the model to which it is being brought.

    The next model knows nobody yet, so it is the present one that says whether a photo shows whom
    it is said to: refused are photos that are less like the person's template than a stranger's is
    in one of 100 cases (FMR 0.01), and photos that show somebody else who is enrolled, as
    `Recognizer.enroll` says it. Where nobody can ask it, a note says so.

    Args:
        recognizer: Of the next model.
        gallery: The gallery, of which `migrate_gallery` was begun.
        folder: Holds one folder per person, named after them; who is not enrolled is refused.
        present: Of the gallery's present model; None compares with nobody.
        select: Which face of a photo is meant that shows several.
        force: Enrol photos that are unlike the person's others or like somebody else, too.
        on_error: Told which photos are unfit or refused, and which people; None raises at the
            first.
        progress: Told how many people are done.

    Returns:
        How many photos were added, by person.

    Raises:
        GallerySpaceError: If ``present`` is of another model than the gallery.
    """
    people = people_of_folder(folder, on_error=on_error)
    doubt = None if force else _Doubt.of(present, gallery, recognizer, on_error)
    again = _Again(recognizer, gallery, doubt, select, force, on_error)
    told = tracked(people.items(), "enrolling", total=len(people), progress=progress)
    return {name: again.enroll(name, photos) for name, photos in told}


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Whether photos show whom they are said to, by the present model."""

    present: Recognizer
    gallery: Gallery
    alike: Threshold | None

    @classmethod
    def of(
        cls,
        present: Recognizer | None,
        gallery: Gallery,
        coming: Recognizer,
        on_error: ErrorHandler | None,
    ) -> "_Doubt | None":
        if present is None or present.embedder.card.template != coming.embedder.card.template:
            text = (
                f"nobody asked {gallery.space.model} whether the photos show whom they are said to"
            )
            tell_note(on_error, Note("not compared", text))
            return None
        gallery.check_space(present.embedder.space)
        return cls(present, gallery, present.another_person(gallery))

    def errors(self, name: str, crops: AlignedCrops) -> list[VultusError | None]:
        """Why each photo is refused; None where it is not."""
        photos = self.present.embedder.embed(crops)
        told: list[VultusError | None] = list(self._unlike(name, photos))
        if self.alike is None:
            return told
        found = self.gallery.search(photos, rank=2)
        for like in resemblances(normalise_identity(name), found, self.alike):
            if like.nearest:
                told[like.place] = AlreadyEnrolledError(like.reason)
        return told

    def _unlike(self, name: str, photos: Embeddings) -> Iterator[OutlierError | None]:
        person, rule = self.gallery.person(name), None
        with suppress(CalibrationError):
            table, calibration = self.present.rules()
            rule = threshold_for_person(
                table,
                fmr=OUTLIER_FMR,
                photos_per_person=person.n_photos,
                calibration=calibration,
            )
        if rule is None or not person.n_photos:  # nobody can say, or there is nothing to be like
            yield from [None] * len(photos)
            return
        for similarity in self.gallery.similarities(name, photos).tolist():
            if similarity >= rule.similarity:
                yield None
                continue
            yield OutlierError(
                f"unlike the photos of {person.identity!r} (similarity {similarity:.4f}, below "
                f"{rule.similarity:.4f}, which a stranger reaches with FMR {OUTLIER_FMR:g}); if it "
                f"is somebody else, give that name, else take it all the same "
                f"({argument('force', True)})"
            )


@dataclass(frozen=True, slots=True)
class _Again:
    """Enrols people who were photographed again."""

    recognizer: Recognizer
    gallery: Gallery
    doubt: _Doubt | None
    select: Selection
    force: bool
    on_error: ErrorHandler | None

    def enroll(self, name: str, paths: Sequence[Path]) -> int:
        """How many photos of somebody were added."""
        photos = self._looked_at(paths)
        try:
            photos = self._believed(name, photos)
            if not photos:
                return 0
            done = Migration(self.gallery).enroll(
                name,
                Embeddings.concatenate([photo.face for photo in photos]),
                sources=[photo.name for photo in photos],
                crops=AlignedCrops.concatenate([photo.crop for photo in photos]),
                force=self.force,
            )
        except (InputError, IdentityNotFoundError) as error:
            tell(self.on_error, name, error)
            return 0
        tell_left_out(done, [photo.name for photo in photos], self.on_error)
        return done.added

    def _looked_at(self, paths: Sequence[Path]) -> list["_Photo"]:
        found = []
        for photo in self.recognizer.analyse(paths, on_error=self.on_error):
            try:
                index = self.recognizer.chosen_index(photo, self.select, photo.name)
            except VultusError as error:
                tell(self.on_error, photo.name, error)
                continue
            found.append(_Photo(photo.name, photo.embeddings[index], photo.crops[index]))
        return found

    def _believed(self, name: str, photos: Sequence["_Photo"]) -> list["_Photo"]:
        """The photos of whom the present model does not say that they are somebody else."""
        if self.doubt is None or not photos:
            return list(photos)
        crops = AlignedCrops.concatenate([photo.crop for photo in photos])
        kept = []
        for photo, error in zip(photos, self.doubt.errors(name, crops), strict=True):
            if error is None:
                kept.append(photo)
            else:
                tell(self.on_error, photo.name, error)
        return kept


@dataclass(frozen=True, slots=True, eq=False)
class _Photo:
    name: str
    face: Embeddings
    crop: AlignedCrops
