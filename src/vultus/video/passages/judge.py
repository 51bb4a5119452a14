"""Who passed: one decision per passage, however often is looked, at one error rate."""

import dataclasses
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from vultus.core.checks import check_range
from vultus.core.choices import DEFAULT_FPIR
from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError, InputError
from vultus.core.results import Identification
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.gallery.gallery import Gallery
from vultus.matching.operating_point import known_stretches, threshold_for_fpir
from vultus.pipeline.deciding import Deciding
from vultus.pipeline.one_person import identify_shots
from vultus.pipeline.recognizer import Recognizer

FINAL_SHARE = 0.5
"""Of the FPIR; the last look, at all that was seen, has it."""


def early_share(look: int) -> float:
    """The share of the FPIR that an early look has: 1/4, 1/12, 1/24, ...; together 1/2 at most.

    A stranger is given a name by any of the looks with no more than the sum of their shares (the
    union bound), so the FPIR holds for the passage, however often is looked.

    Args:
        look: Which, from 1.

    Example:
        >>> [round(early_share(look), 4) for look in (1, 2, 3)]
        [0.25, 0.0833, 0.0417]
    """
    return (1 - FINAL_SHARE) / (look * (look + 1))


def shots_for_look(look: int) -> int:
    """After how many good shots an early look is taken: 2, 4, 8, ..., each at twice the evidence.

    Args:
        look: Which, from 1.
    """
    return 1 << look


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How passages are judged.

    Attributes:
        fpir: The chance in (0, 1) that the passage of a stranger is given a name, at most.
        threshold: A cosine similarity in [-1, 1] to use instead.
        cautious: One camera and one light make strangers alike, and a model's card does not know
            the camera. None takes no threshold below that which holds inside the worst group of
            people that was measured, at the strictest rate that is known of it, unless the site
            has a calibration of its own; True takes that group's FPIR, or refuses; False neither.
    """

    fpir: float = DEFAULT_FPIR
    threshold: float | None = None
    cautious: bool | None = None

    def __post_init__(self) -> None:
        check_range("fpir", self.fpir, low=0, high=1, low_open=True, high_open=True)
        if self.threshold is not None:
            check_range("threshold", self.threshold, low=-1, high=1)
            if self.cautious:
                raise InputError("cautious and threshold are two ways to decide; give one")


class PassageJudge:
    """Decides who passed.

    Args:
        recognizer: Knows thresholds.
        gallery: The enrolled people.
        settings: How.

    Raises:
        CalibrationError: If the FPIR cannot be kept for a gallery of this size.
        GallerySpaceError: If the gallery is of another model.
    """

    def __init__(
        self, recognizer: Recognizer, gallery: Gallery, settings: JudgeSettings | None = None
    ) -> None:
        self.settings = JudgeSettings() if settings is None else settings
        self._recognizer, self._gallery = recognizer, gallery
        gallery.check_space(recognizer.embedder.space)
        self.rule(1, FINAL_SHARE)  # refused before any work

    @property
    def alike(self) -> float:
        """From which similarity on two shots of one camera may be of one person."""
        try:
            return self._recognizer.threshold(_ONE_PERSON_FMR).similarity
        except CalibrationError:
            return self._gallery.outlier_similarity

    def early(self, shots: Embeddings, *, look: int) -> Identification | None:
        """Whether it is somebody already.

        Args:
            shots: The best shots.
            look: Which look of this passage, from 1.

        Returns:
            None where the rate that is left for this look is stricter than is known.
        """
        try:
            return self._judged(shots, early_share(look))
        except CalibrationError:
            return None

    def final(self, shots: Embeddings) -> Identification:
        """Who it was, by all that was seen.

        Raises:
            InputError: If the shots contradict each other.
            CalibrationError: If that rate cannot be kept.
        """
        return self._judged(shots, FINAL_SHARE)

    def rule(self, n_shots: int, share: float) -> Threshold:
        """The threshold of a look.

        Args:
            n_shots: How many shots are fused.
            share: Which part of the passage's FPIR the look may use.

        Raises:
            CalibrationError: If that rate cannot be kept.
        """
        given, fpir = self.settings.threshold, share * self.settings.fpir
        if given is not None:
            return Threshold(given)
        if self.settings.cautious:
            return self._cautious(n_shots, fpir)
        rule = self._recognizer.gallery_threshold(
            self._gallery, fpir=fpir, photos_per_probe=n_shots
        )
        if self.settings.cautious is None and self._recognizer.calibration is None:
            with suppress(CalibrationError):
                floor = self._cautious(n_shots, fpir, strictest=True)
                if floor.similarity > rule.similarity:
                    return floor
        return rule

    def _cautious(self, n_shots: int, fpir: float, *, strictest: bool = False) -> Threshold:
        """By the worst group of people, which was measured on single photos: raised for several."""
        table, _ = self._recognizer.rules(cautious=True)
        people = self._gallery.opened.roster.summary().people_by_faces
        try:
            rule = threshold_for_fpir(table, fpir=fpir, gallery_size=sum(people.values()))
        except CalibrationError:
            if not strictest or not table.points:
                raise
            rule = _floor(table, self._recognizer)
        stretches = known_stretches(self._recognizer.rates, None)
        return stretches.raised(
            rule, photos_per_probe=n_shots, photos_per_person=max(people, default=1)
        )

    def _judged(self, shots: Embeddings, share: float) -> Identification:
        rule, n_shots = self.known_rule(len(shots), share)
        found = identify_shots(
            self._recognizer, self._gallery, _best(shots, n_shots), threshold=rule.similarity
        )
        fpir = None if self.settings.threshold is not None else self.settings.fpir
        return dataclasses.replace(found, threshold=rule, fpir=fpir)

    def known_rule(self, n_shots: int, share: float) -> tuple[Threshold, int]:
        """The rule for so many shots, or for as many as a site measured if those are fewer.

        Args:
            n_shots: How many shots are fused.
            share: As `rule`.

        Returns:
            The rule, and for how many shots it is.

        Raises:
            CalibrationError: If that rate cannot be kept for one shot either.
        """
        for n in range(n_shots, 1, -1):
            with suppress(CalibrationError):
                return self.rule(n, share), n
        return self.rule(1, share), 1


_ONE_PERSON_FMR = 1e-4


def _best(shots: Embeddings, n_shots: int) -> Embeddings:
    """The best of the shots, in their order."""
    worth = shots.norms if shots.quality is None else shots.quality
    return shots[np.sort(np.argsort(-worth, kind="stable")[:n_shots])]


def _floor(table: ThresholdTable, recognizer: Deciding) -> Threshold:
    """The strictest rule that is known of the worst group; no FPIR follows from it."""
    rule = table.points[-1]
    model = recognizer.embedder.card.name
    origin = f"no lower, as one camera makes strangers alike ({model}); {rule.origin}"
    return dataclasses.replace(rule, origin=origin)
