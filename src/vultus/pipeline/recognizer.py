"""Decisions about photos: the same person? who is it? is anybody known?"""

import dataclasses
from collections.abc import Iterable, Iterator
from functools import cached_property

from vultus.core.choices import (
    DEFAULT_FMR,
    DEFAULT_FPIR,
    DEFAULT_PRIOR,
    DEFAULT_SELECT,
    Selection,
)
from vultus.core.embeddings import Embeddings
from vultus.core.errors import (
    QualityError,
)
from vultus.core.results import Identification, Verification
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.liveness.passive import PassiveLiveness, open_passive_liveness
from vultus.matching.verify import verify
from vultus.pipeline.covered import both_covered
from vultus.pipeline.enrolling import Enrolling
from vultus.pipeline.liveness import with_liveness
from vultus.pipeline.photos import (
    AnalysedPhoto,
    ErrorHandler,
    PhotoSource,
    photo_name,
    tell,
)
from vultus.pipeline.selection import refused_faces
from vultus.quality.measures import FaceQuality


class Recognizer(Enrolling):
    """Finds, compares and names faces; the five-line way into Vultus.

    Settings and the steps before a decision (`detect`, `analyse`, `embed`) are those of `Analyser`,
    thresholds and calibration those of `Deciding`, galleries and enrolment those of `Enrolling`.

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
