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
from vultus.core.liveness_signal import LivenessSignal
from vultus.core.results import Identification, Verification
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.liveness.passive import PassiveLiveness, open_passive_liveness
from vultus.liveness.session.proof import LiveProof
from vultus.matching.verify import verify
from vultus.pipeline.covered import unsure
from vultus.pipeline.enrolling import Enrolling
from vultus.pipeline.liveness import with_live_session, with_liveness
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
        live_session: LiveProof | None = None,
    ) -> Verification:
        """Decide whether two photos show the same person (1:1).

        Args:
            a: One photo.
            b: The other.
            fmr: False match rate that the calibrated threshold may have at most, in (0, 1].
            threshold: A cosine similarity in [-1, 1] to use instead; its error rate is unknown.
                Either is higher where both faces are doubtful (`QualityGate.raised_by`).
            cautious: The rate must hold inside the worst group of people that was measured; the
                price is more misses.
            prior: Probability of a match before looking, in (0, 1), for the answer's
                ``probability``; it takes a calibration, and changes no decision.
            select: Which face of each photo is meant.
            require_live: Refuse faces that are suspected of being presentation attacks, by the
                usual networks where the recogniser was given none (``liveness``). Attacks pass it.
            live_session: Photo ``a`` must show the person of this accepted session.

        Raises:
            ImageError, NoFaceError, SeveralFacesError: As `embed_face`.
            QualityError: As `embed_face`; if both faces are probably covered; and if photo ``a``
                does not show the person of ``live_session``.
            LivenessError: If a face is suspected of being an attack, or that cannot be judged; and
                if ``live_session`` does not hold.
            ModelNotFoundError: If ``require_live`` and the networks are not here.
            CalibrationError: If there is no threshold for that ``fmr``, or as `rules`.
            SpaceMismatchError: If the calibration in the store is of another embedding space.
        """
        rule = self.threshold(fmr, cautious=cautious) if threshold is None else Threshold(threshold)
        names = photo_name(a, 1), photo_name(b, 2)
        live = self._passive_liveness if require_live and self.liveness is None else None
        proofs = _holding(live_session), None
        (first, seen_a, passed_a, live_a), (second, seen_b, passed_b, live_b) = (
            self._meant(self._photo(photo, live, proof), select, name)
            for photo, name, proof in zip((a, b), names, proofs, strict=True)
        )
        if self.gate is not None and (why := self.gate.judge_pair(seen_a, seen_b)):
            raise QualityError(f"{' and '.join(names)} cannot be compared: {'; '.join(why)}")
        rule, doubt = self._raised(rule, seen_a, seen_b)
        site = self.calibration
        known = None if site is None else site.match_probability
        answer = verify(first, second, threshold=rule, match_probability=known, prior=prior)
        answer = dataclasses.replace(
            answer, notes=passed_a + passed_b + doubt, liveness=live_a + live_b
        )
        if self.watcher is not None:
            self.watcher.verified(answer)
        return answer

    def _raised(
        self, rule: Threshold, first: FaceQuality, second: FaceQuality
    ) -> tuple[Threshold, tuple[str, ...]]:
        """The threshold for two faces, and why it is higher where both are doubtful."""
        if self.limits is None or first.trust is None or second.trust is None:
            return rule, ()
        trusts = float(first.trust[0]), float(second.trust[0])
        raised = self.limits.raised_by(*trusts)
        if not raised:
            return rule, ()
        note = (
            f"both faces are doubtful (trust {trusts[0]:.2f} and {trusts[1]:.2f}): they need "
            f"{raised:.2f} more similarity, as what spoiled them alike makes strangers alike"
        )
        return rule.raised(raised), (note,)

    @cached_property
    def _passive_liveness(self) -> PassiveLiveness:
        return open_passive_liveness(runtime=self._runtime, threads=self.threads)

    def _meant(
        self, photo: AnalysedPhoto, select: Selection, name: str
    ) -> tuple[Embeddings, FaceQuality, tuple[str, ...], tuple[LivenessSignal, ...]]:
        """The face that is meant: vector, measures, notes of others by ``only``, liveness."""
        index = self.chosen_index(photo, select, name)
        notes: tuple[str, ...] = ()
        if photo.righting.words:
            notes = (f"{name}: {photo.righting.words}",)
        if select == "only" and len(photo.faces) > 1:
            others = refused_faces(photo.refusals)
            notes += (f"{name}: face {index + 1} is meant, others cannot be judged: {others}",)
        signals = photo.liveness[index : index + 1]
        return photo.embeddings[index], photo.quality[index], notes, signals

    def _photo(
        self, source: PhotoSource, live: PassiveLiveness | None, proof: LiveProof | None
    ) -> AnalysedPhoto:
        photo = next(self.analyse([source]))
        photo = photo if live is None else with_liveness(photo, live)
        if proof is None:
            return photo
        return with_live_session(photo, proof, least=self.threshold(DEFAULT_FMR).similarity)

    def identify(
        self,
        photo: PhotoSource,
        gallery: Gallery,
        *,
        fpir: float = DEFAULT_FPIR,
        threshold: float | None = None,
        cautious: bool = False,
        live_session: LiveProof | None = None,
    ) -> list[Identification]:
        """Name every face of a photo, or call it unknown (1:N, open set).

        Args:
            photo: The photo.
            gallery: The enrolled people.
            fpir: The chance in (0, 1) that a stranger is given a name, at most.
            threshold: A cosine similarity in [-1, 1] to use instead.
            cautious: As `gallery_threshold`; the price is more misses.
            live_session: Faces of others than the person of this accepted session are refused.

        Returns:
            One answer per face, in the order of `detect`; an empty list when there is no face.

        Raises:
            CalibrationError: If neither calibration nor card can carry that ``fpir`` for a
                gallery of this size, or its threshold misses more of the enrolled than
                ``max_fnir``.
            GallerySpaceError: If the gallery was enrolled with another model or settings.
            LivenessError: If ``live_session`` does not hold.
        """
        proof = _holding(live_session)
        if threshold is None:
            self.gallery_threshold(gallery, fpir=fpir, cautious=cautious)  # refused before any work
        analysed = self._photo(photo, None, proof)
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
            rule = self.gallery_rule(fpir=fpir, cautious=cautious)
            answers = gallery.identify(photo.embeddings, threshold=rule, fpir=fpir)
        else:
            answers = gallery.identify(photo.embeddings, threshold=Threshold(threshold))
        notes = (photo.righting.words,) if photo.righting.words else ()
        judged = [
            dataclasses.replace(
                answer, refusal=refusal or unsure(self.limits, gallery, answer, face), notes=notes
            )
            for answer, refusal, face in zip(answers, photo.refusals, photo.embeddings, strict=True)
        ]
        if self.watcher is not None:
            self.watcher.identified(gallery, judged)
        return judged

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


def _holding(proof: LiveProof | None) -> LiveProof | None:
    """A session's proof that holds now: refused before any work."""
    if proof is not None:
        proof.check()
    return proof
