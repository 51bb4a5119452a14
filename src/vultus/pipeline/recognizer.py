"""Decisions about photos: the same person? who is it? is anybody known?"""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import Literal

from vultus.core.choices import (
    DEFAULT_FMR,
    DEFAULT_FPIR,
    DEFAULT_PRIOR,
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
    QualityError,
    RepeatedPhotoError,
    VultusError,
)
from vultus.core.results import Identification, Verification
from vultus.core.thresholds import Threshold
from vultus.gallery.enrolment import ALREADY, REPEATED, Enrolment, Resemblance, resemblances
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.people.details import PersonDetails
from vultus.gallery.people.faces import PhotoFile
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.security.master_key import MasterKey
from vultus.liveness.passive import PassiveLiveness, open_passive_liveness
from vultus.matching.verify import verify
from vultus.pipeline.analyser import with_liveness
from vultus.pipeline.covered import both_covered
from vultus.pipeline.deciding import Deciding
from vultus.pipeline.photos import (
    AnalysedPhoto,
    ErrorHandler,
    Note,
    PhotoSource,
    digested,
    photo_name,
    tell,
    tell_note,
)
from vultus.pipeline.selection import refused_faces
from vultus.quality.measures import FaceQuality

logger = logging.getLogger(__name__)

OUTLIER_FMR = 1e-2
"""Photos of one person are as alike as the threshold of this false match rate."""
_DOUBLE_FMR = 1e-4


class Recognizer(Deciding):
    """Finds, compares and names faces; the five-line way into Vultus.

    Settings and the steps before a decision (`detect`, `analyse`, `embed`) are those of `Analyser`,
    thresholds and calibration those of `Deciding`.

    Example::

        recognizer = Recognizer()
        answer = recognizer.verify("a.jpg", "b.jpg", fmr=1e-3)
        print(answer.same_person, answer.similarity, answer.threshold)
    """

    def verify(
        self,
        a: PhotoSource,
        b: PhotoSource,
        *,
        fmr: float = DEFAULT_FMR,
        threshold: float | None = None,
        cautious: bool = False,
        prior: float = DEFAULT_PRIOR,
        select: Selection = DEFAULT_SELECT,
        require_live: bool = False,
    ) -> Verification:
        """Decide whether two photos show the same person (1:1).

        Args:
            a: One photo.
            b: The other.
            fmr: False match rate that the calibrated threshold may have at most, in (0, 1].
            threshold: A cosine similarity in [-1, 1] to use instead; its error rate is unknown.
            cautious: The rate must hold inside the worst group of people that was measured; the
                price is more misses.
            prior: Probability of a match before looking, in (0, 1), for the answer's
                ``probability``; it takes a calibration, and changes no decision.
            select: Which face of each photo is meant.
            require_live: Refuse faces that are suspected of being presentation attacks, by the
                usual networks where the recogniser was given none (``liveness``). Attacks pass it.

        Raises:
            ImageError, NoFaceError, SeveralFacesError: As `embed_face`.
            QualityError: As `embed_face`; and if both faces are probably covered.
            ModelNotFoundError: If ``require_live`` and the networks are not here.
            CalibrationError: If there is no threshold for that ``fmr``, or as `rules`.
            SpaceMismatchError: If the calibration in the store is of another embedding space.
        """
        rule = self.threshold(fmr, cautious=cautious) if threshold is None else Threshold(threshold)
        names = photo_name(a, 1), photo_name(b, 2)
        live = self._passive_liveness if require_live and self.liveness is None else None
        (first, seen_a, passed_a), (second, seen_b, passed_b) = (
            self._meant(photo, select, name, live)
            for photo, name in zip((a, b), names, strict=True)
        )
        if self.gate is not None and (why := self.gate.judge_pair(seen_a, seen_b)):
            raise QualityError(f"{' and '.join(names)} cannot be compared: {'; '.join(why)}")
        site = self.calibration
        known = None if site is None else site.match_probability
        answer = verify(first, second, threshold=rule, match_probability=known, prior=prior)
        answer = dataclasses.replace(answer, notes=passed_a + passed_b)
        if self.watcher is not None:
            self.watcher.verified(answer)
        return answer

    @cached_property
    def _passive_liveness(self) -> PassiveLiveness:
        return open_passive_liveness(runtime=self._runtime, threads=self._threads)

    def _meant(
        self, source: PhotoSource, select: Selection, name: str, live: PassiveLiveness | None
    ) -> tuple[Embeddings, FaceQuality, tuple[str, ...]]:
        """The face that is meant, its measures, and what there is to know of others by ``only``."""
        photo = next(self.analyse([source]))
        photo = photo if live is None else with_liveness(photo, live)
        index = self.chosen_index(photo, select, name)
        notes: tuple[str, ...] = ()
        if photo.righting.words:
            notes = (f"{name}: {photo.righting.words}",)
        if select == "only" and len(photo.faces) > 1:
            others = refused_faces(photo.refusals)
            notes += (f"{name}: face {index + 1} is meant, others cannot be judged: {others}",)
        return photo.embeddings[index], photo.quality[index], notes

    def identify(
        self,
        photo: PhotoSource,
        gallery: Gallery,
        *,
        fpir: float = DEFAULT_FPIR,
        threshold: float | None = None,
        cautious: bool = False,
    ) -> list[Identification]:
        """Name every face of a photo, or call it unknown (1:N, open set).

        Args:
            photo: The photo.
            gallery: The enrolled people.
            fpir: The chance in (0, 1) that a stranger is given a name, at most.
            threshold: A cosine similarity in [-1, 1] to use instead.
            cautious: As `gallery_threshold`; the price is more misses.

        Returns:
            One answer per face, in the order of `detect`; an empty list when there is no face.

        Raises:
            CalibrationError: If neither calibration nor card can carry that ``fpir`` for a
                gallery of this size, or its threshold misses more of the enrolled than
                ``max_fnir``.
            GallerySpaceError: If the gallery was enrolled with another model or settings.
        """
        if threshold is None:
            self.gallery_threshold(gallery, fpir=fpir, cautious=cautious)  # refused before any work
        analysed = next(self.analyse([photo]))
        return self.identify_faces(
            analysed, gallery, fpir=fpir, threshold=threshold, cautious=cautious
        )

    def identify_faces(
        self,
        photo: AnalysedPhoto,
        gallery: Gallery,
        *,
        fpir: float = DEFAULT_FPIR,
        threshold: float | None = None,
        cautious: bool = False,
    ) -> list[Identification]:
        """As `identify`, for a photo that `analyse` gave."""
        if threshold is None:
            rule = self.gallery_threshold(gallery, fpir=fpir, cautious=cautious)
            answers = gallery.identify(photo.embeddings, threshold=rule, fpir=fpir)
        else:
            answers = gallery.identify(photo.embeddings, threshold=Threshold(threshold))
        notes = (photo.righting.words,) if photo.righting.words else ()
        judged = [
            dataclasses.replace(
                answer, refusal=refusal or self._covered(gallery, face, answer), notes=notes
            )
            for answer, refusal, face in zip(answers, photo.refusals, photo.embeddings, strict=True)
        ]
        if self.watcher is not None:
            self.watcher.identified(gallery, judged)
        return judged

    def _covered(
        self, gallery: Gallery, face: Embeddings, answer: Identification
    ) -> tuple[str, ...]:
        """Why the face cannot be whom it would be, if both are covered."""
        if answer.identity is None:
            return ()
        return both_covered(self.gate, gallery, answer.identity, face)

    def identify_many(
        self,
        photos: Iterable[PhotoSource],
        gallery: Gallery,
        *,
        fpir: float = DEFAULT_FPIR,
        threshold: float | None = None,
        cautious: bool = False,
        on_error: ErrorHandler | None = None,
    ) -> Iterator[tuple[AnalysedPhoto, list[Identification]]]:
        """As `identify`, for any number of photos; memory does not grow with their number.

        Args:
            photos: Sources, consumed lazily.
            gallery: The enrolled people.
            fpir: As `identify`.
            threshold: As `identify`.
            cautious: As `identify`.
            on_error: Called for each photo that is unreadable or shows no face, which is then left
                out; None raises.
        """
        if threshold is None:
            self.gallery_threshold(gallery, fpir=fpir, cautious=cautious)  # refused before any work
        for photo in self.analyse(photos, on_error=on_error):
            if len(photo.faces):
                answers = self.identify_faces(
                    photo, gallery, fpir=fpir, threshold=threshold, cautious=cautious
                )
                yield photo, answers
            else:
                tell(on_error, photo.name, self.no_face(photo, "no face found"))

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
            path: The gallery's file.
            key: Its master key, if it has one or is to be made with one.
            actor: Who acts, for its audit log; None takes the name of the user.

        Raises:
            GalleryError: If the file is foreign or damaged, or its folder does not exist.
            GalleryKeyError: If a key is needed and missing or wrong, or given and not needed.
            GallerySpaceError: If it was made with another model or settings.
        """
        outlier_similarity = None
        if not Path(path).exists():
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
