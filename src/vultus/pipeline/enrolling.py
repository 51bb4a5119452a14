"""Enrolling: photos of somebody into a gallery, each held against who is there."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Literal

from vultus.core.choices import (
    DEFAULT_SELECT,
    Selection,
)
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import (
    AlreadyEnrolledError,
    CalibrationError,
    InputError,
    OutlierError,
    RepeatedPhotoError,
    VultusError,
)
from vultus.core.thresholds import Threshold
from vultus.gallery.enrolment import ALREADY, REPEATED, Enrolment, Resemblance, resemblances
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.people.details import PersonDetails
from vultus.gallery.people.faces import PhotoFile
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.stores.opening import is_there
from vultus.pipeline.deciding import Deciding
from vultus.pipeline.photos import (
    AnalysedPhoto,
    ErrorHandler,
    Note,
    PhotoSource,
    digested,
    tell,
    tell_note,
)

logger = logging.getLogger(__name__)

OUTLIER_FMR = 1e-2
"""Photos of one person are as alike as the threshold of this false match rate."""
_DOUBLE_FMR = 1e-4


class Enrolling(Deciding):
    """Puts people into galleries; what `Recognizer` stands on, above `Deciding`."""

    def _one_person(self) -> Threshold | None:
        """From which similarity on two names are taken for one person; None where nobody knows."""
        try:
            return self.threshold(_DOUBLE_FMR)
        except CalibrationError:
            return self.thresholds.points[-1] if self.thresholds.points else None

    def open_gallery(
        self, path: str | Path, *, key: MasterKey | None = None, actor: str | None = None
    ) -> Gallery:
        """Open a gallery of this model's embeddings; makes the file when there is none.

        In a file made here, photos of one person must be as alike as the threshold at a false
        match rate of 0.01, if the model has one; `Gallery.open` lets one choose.

        Args:
            path: The gallery's file, or the URL of one in a database.
            key: Its master key, if it has one or is to be made with one.
            actor: Who acts, for its audit log; None takes the name of the user.

        Raises:
            GalleryError: If the file is foreign or damaged, or its folder does not exist.
            GalleryKeyError: If a key is needed and missing or wrong, or given and not needed.
            GallerySpaceError: If it was made with another model or settings.
        """
        outlier_similarity = None
        if not is_there(path):
            with suppress(CalibrationError):
                outlier_similarity = self.threshold(OUTLIER_FMR).similarity
        space = self.embedder.space
        return Gallery.open(
            path, space=space, outlier_similarity=outlier_similarity, key=key, actor=actor
        )

    def enroll(
        self,
        gallery: Gallery,
        identity: str,
        photos: Iterable[PhotoSource],
        *,
        select: Selection = DEFAULT_SELECT,
        on_error: ErrorHandler | None = None,
        details: PersonDetails | None = None,
        force: bool | Literal["doubles"] = False,
    ) -> int:
        """Add photos of one person to a gallery, all in one step.

        A photo that is as like somebody else in the gallery as one person's photos are is left
        out. What that takes follows the gallery's size: FMR 1e-4, and strict enough that a
        stranger is taken for somebody in the gallery with FPIR 0.01 at most. Where thresholds do
        not carry that, and with ``force``, it is added, and a note says so (`Skipped.notes`, else
        the log).

        Args:
            gallery: Where to.
            identity: Who it is.
            photos: One or more photos of this person.
            select: Which face of each photo is meant.
            on_error: Called for each photo that is unfit or unlike the person's other photos,
                which is then left out; None raises at the first that is unfit, and nothing is
                added.
            details: What else to note of the person.
            force: Add photos that are unlike the person's others or like somebody else, too;
                ``"doubles"`` only the latter.

        Returns:
            How many photos were added.

        Raises:
            ImageError, NoFaceError, SeveralFacesError, QualityError: As `embed_face`, naming the
                photo, when ``on_error`` is None.
            AlreadyEnrolledError: If all photos show somebody else who is enrolled.
            InputError: If the photos contradict each other, or those enrolled before.
            GallerySpaceError: If the gallery was made with another model or settings.
        """
        kept = KeptCrops(gallery)
        digests: dict[str, str] = {}
        sources = digested(photos, digests)
        found, crops, names = self._enrolled_faces(sources, select, on_error, crops=kept.allowed)
        if found is None:
            return 0
        files = [PhotoFile(name, digests.get(name)) for name in names]
        alike = None if force == "doubles" else self.another_person(gallery)
        try:
            noted = self._resemblances(gallery, identity, found) if alike is None else ()
            taken = force is True
            with nullcontext() if crops is None else gallery.changing():
                enrolment = gallery.enroll(
                    identity, found, sources=files, alike=alike, details=details, force=taken
                )
                if crops is not None:
                    kept.keep(enrolment, crops)
        except (InputError, AlreadyEnrolledError) as error:
            if on_error is None:
                raise
            for name in names:
                on_error(name, error)
            return 0
        tell_left_out(enrolment, names, on_error)
        for like in (*noted, *enrolment.resemblances):
            if not enrolment.reasons[like.place]:
                tell_note(on_error, _resemblance_note(names[like.place], enrolment.identity, like))
        return enrolment.added

    def _enrolled_faces(
        self,
        photos: Iterable[PhotoSource],
        select: Selection,
        on_error: ErrorHandler | None,
        *,
        crops: bool,
    ) -> tuple[Embeddings | None, AlignedCrops | None, list[str]]:
        """The faces that are meant, their crops if wanted, and the photos' names."""
        names: list[str] = []
        faces: list[Embeddings] = []
        aligned: list[AlignedCrops] = []
        look = self.analyse if crops else self.known_photos  # what is known has no pixels
        for photo in look(photos, on_error=on_error):
            try:
                index = self.chosen_index(photo, select, photo.name)
            except VultusError as error:
                tell(on_error, photo.name, error)
                continue
            faces.append(photo.embeddings[index])
            names.append(photo.name)
            if isinstance(photo, AnalysedPhoto):
                aligned.append(photo.crops[index])
        if not faces:
            return None, None, names
        joined = AlignedCrops.concatenate(aligned) if crops else None
        return Embeddings.concatenate(faces), joined, names

    def another_person(self, gallery: Gallery) -> Threshold | None:
        """From which similarity on a photo shows one of a gallery; None where nobody can say.

        At a fixed FMR, a stranger would be like somebody in every large gallery.
        """
        pair = self._one_person()
        if pair is None:
            return None
        with suppress(CalibrationError):
            return max(pair, self.gallery_threshold(gallery), key=lambda rule: rule.similarity)
        return None

    def _resemblances(
        self, gallery: Gallery, identity: str, photos: Embeddings
    ) -> tuple[Resemblance, ...]:
        alike = self._one_person()
        if alike is None:
            return ()
        return resemblances(normalise_identity(identity), gallery.search(photos, rank=2), alike)


def tell_left_out(
    enrolment: Enrolment, names: Sequence[str], on_error: ErrorHandler | None
) -> None:
    """Tell which photos an enrolment left out, and why; without who is told, count them."""
    left_out = sum(map(bool, enrolment.reasons))
    if on_error is None:
        if left_out:  # without names, which would outlive an erasure in a log
            logger.warning(
                "%d of %d photos of somebody left out; on_error is told which and why",
                *(left_out, len(names)),
            )
        return
    for name, reasons in zip(names, enrolment.reasons, strict=True):
        if not reasons:
            continue
        text = "; ".join(reasons)
        if REPEATED in reasons:
            on_error(name, RepeatedPhotoError(text))
        else:
            kind = AlreadyEnrolledError if text.startswith(ALREADY) else OutlierError
            on_error(name, kind(text))


def _resemblance_note(photo: str, identity: str, found: Resemblance) -> Note:
    other, similarity = found.candidate.identity, found.candidate.similarity
    text = (
        f"{photo} of {identity!r} looks like {other!r}: similarity {similarity:.4f}, and one "
        f"person's photos reach {found.threshold}; if it is one person, keep one of the names"
    )
    details = {
        "photo": photo,
        "identity": identity,
        "like": other,
        "similarity": similarity,
        "threshold": found.threshold.to_dict(),
    }
    logged = "a photo of somebody looks like somebody else who is enrolled; on_error is told whom"
    return Note("resemblance", text, details, logged=logged)
