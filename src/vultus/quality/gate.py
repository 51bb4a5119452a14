"""Refuses faces that are too poor to be judged, and says why."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.quality.measures import FaceQuality
from vultus.quality.trust import damage_words

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class QualityGate:
    """Limits that a face must keep; None switches a limit off (of norm and trust: 0 does).

    The defaults refuse what cannot be recognised, not what is merely less than ideal: among
    development faces as they are they refuse few, see the guide. Enrolment may ask for more.

    Attributes:
        min_inter_eye_px: Least distance between the eyes, in pixels of the photo.
        min_sharpness: Least sharpness, in [0, 1].
        min_contrast: Least standard deviation of the luminance, in [0, 0.5].
        max_under_exposure: Most of the face that may be nearly black, as a share in [0, 1].
        max_over_exposure: Most of the face that may be nearly white, as a share in [0, 1].
        max_yaw_deg: Farthest turn to either side.
        max_pitch_deg: Farthest turn up or down.
        max_occlusion: Highest guess that something covers the face, in [0, 1].
        max_both_occlusion: Highest guess that something covers the face, in [0, 1], where it does
            so on both faces of a comparison (see `judge_pair`).
        max_cut_off: Most of the face that may lie beyond the photo's edge, as a share in [0, 1].
        min_score: Least combined score, in [0, 1].
        min_norm: Least norm of the embedding, on the scale of the model in use; None leaves it to
            the model's card (see `for_model`).
        min_trust: Least score of the model's trust head, in [0, 1]; None leaves it to the head.
        doubt_step: How much higher a threshold is, in cosine similarity, for each step by which
            both faces of a comparison are doubtful, see `raised_by`; None or 0 raises nothing.
            Less for models whose similarities lie closer together, see `for_model`.

    Raises:
        InputError: If a limit is outside of its range.

    Example:
        >>> strict = QualityGate(min_inter_eye_px=60, max_yaw_deg=20)
        >>> strict.min_inter_eye_px
        60
    """

    min_inter_eye_px: float | None = 24
    min_sharpness: float | None = 0.2
    min_contrast: float | None = 0.03
    max_under_exposure: float | None = 0.9
    max_over_exposure: float | None = 0.6
    max_yaw_deg: float | None = 55
    max_pitch_deg: float | None = 40
    max_occlusion: float | None = 0.8
    max_both_occlusion: float | None = 0.3
    max_cut_off: float | None = 0.3
    min_score: float | None = None
    min_norm: float | None = None
    min_trust: float | None = None
    doubt_step: float | None = 0.15

    def __post_init__(self) -> None:
        highest = {"min_contrast": 0.5, "max_yaw_deg": 90.0, "max_pitch_deg": 180.0}
        free = {"min_inter_eye_px": np.inf, "min_norm": np.inf}
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None:
                check_range(name, value, low=0, high={**highest, **free}.get(name, 1.0))

    def for_model(
        self, min_norm: float, min_trust: float = 0.0, *, per_decade: float | None = None
    ) -> "QualityGate":
        """The gate with a model's least norm and trust, where it has none of its own.

        Args:
            min_norm: Of the model's card; 0 where it states none.
            min_trust: Of the model's trust head; 0 where there is none.
            per_decade: How much higher the model's threshold is for a tenth of the false match
                rate (`vultus.core.thresholds.ThresholdTable.per_decade`). The step of doubt is for
                models with 0.09 and more; with less, as committees with vectors that are all
                alike, it is as much smaller. None leaves it.
        """
        scale = 1.0 if per_decade is None else min(1.0, per_decade / _USUAL_PER_DECADE)
        return replace(
            self,
            doubt_step=self.doubt_step and scale * self.doubt_step,
            min_norm=(min_norm or None) if self.min_norm is None else self.min_norm,
            min_trust=(min_trust or None) if self.min_trust is None else self.min_trust,
        )

    def judge_pair(self, first: FaceQuality, second: FaceQuality) -> tuple[str, ...]:
        """Say why two faces cannot be compared, though each could be with another.

        Two strangers in masks, or behind dark glasses, resemble each other more than two strangers
        do: with real masks they match about twenty times as often as a threshold states, and no
        threshold was measured for them.

        Args:
            first: The measures of one face.
            second: Of the other.

        Returns:
            A reason in words; empty where they can be compared.
        """
        limit = self.max_both_occlusion
        if limit is None:
            return ()
        if not (first.occlusion[0] > limit and second.occlusion[0] > limit):
            return ()
        found = [float(face.occlusion[0]) for face in (first, second)]
        return (
            f"both faces are probably covered: occlusion {found[0]:.2f} and {found[1]:.2f}, at "
            f"most one of them above {limit:g}; what covers them alike makes strangers alike, and "
            "no error rate is known for that",
        )

    def raised_by(self, first: float | None, second: float | None) -> float:
        """How much more similarity two faces must have, both of which are doubtful.

        A spoiled photo is hardly nearer to a stranger's good photo than a good one is, but it is to
        strangers' photos that were spoiled alike. So the face that is trusted more counts: a step
        is a factor e of its odds below those of a sure face, which are ten times those of
        ``min_trust`` (0.71 where that is 0.2; two of three undamaged faces have more).

        Args:
            first: The trust of one face, in [0, 1]; None where nobody knows, which raises nothing.
            second: Of the other.

        Returns:
            What is added to a threshold, at least 0; at most 0.35 for faces that a gate accepts
            with the usual step.
        """
        if not self.doubt_step or not self.min_trust or first is None or second is None:
            return 0.0
        steps = _log_odds(self.sure_trust) - _log_odds(max(first, second))
        return max(0.0, self.doubt_step * steps)

    def raised_each(self, trust: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32] | None:
        """How much more similarity each face must have with one as doubtful as itself.

        Of a pair the lower counts, as in `raised_by`.

        Args:
            trust: (n,) float32 in [0, 1]; None where nobody knows.

        Returns:
            (n,) float32, at least 0; None without trust.
        """
        if trust is None:
            return None
        return np.array([self.raised_by(one, one) for one in trust.tolist()], np.float32)

    @property
    def sure_trust(self) -> float:
        """The trust in [0, 1] below which a face is doubtful; 0 where trust is not asked for.

        Its odds are ten times those of ``min_trust``.
        """
        least = self.min_trust or 0.0
        return _SURE_ODDS * least / (1 + (_SURE_ODDS - 1) * least)

    def judge(self, quality: FaceQuality) -> list[tuple[str, ...]]:
        """Say for each face which limits it breaks.

        Args:
            quality: The measures of n faces.

        Returns:
            One tuple a face with a reason in words per broken limit, such as ``"inter-eye
            distance 14 px, needs 24"``; empty where the face is accepted.

        Raises:
            InputError: If ``min_norm`` is above 0 and the norms were not filled in.
        """
        if self.min_norm and quality.norm is None:
            raise InputError("min_norm needs the embeddings' norms; call with_norms first")
        reasons: list[list[str]] = [[] for _ in range(len(quality))]
        for rule in _RULES:
            limit: float | None = getattr(self, rule.limit)
            values: Floats | None = getattr(quality, rule.measure)
            if limit is None or values is None:
                continue
            for row in np.flatnonzero(rule.broken_by(values, limit)):
                reasons[row].append(rule.reason(float(values[row]), limit))
        self._judge_trust(quality, reasons)
        return [tuple(found) for found in reasons]

    def _judge_trust(self, quality: FaceQuality, reasons: list[list[str]]) -> None:
        trust, damage, stretch = quality.trust, quality.damage, quality.stretch
        if not self.min_trust or trust is None or damage is None or stretch is None:
            return
        for row in np.flatnonzero(trust < self.min_trust):
            words = damage_words(str(damage[row]), float(stretch[row]))
            numbers = _TRUST.reason(float(trust[row]), self.min_trust)
            # What was done comes first: what the measures say may only be its consequence.
            reasons[row].insert(0, f"probably {words}: {numbers}")


def kind_of_refusal(reason: str) -> str:
    """Which limit a reason of `QualityGate` speaks of: one of a few words, without its numbers.

    Args:
        reason: In words, as `QualityGate.judge`, `QualityGate.judge_pair` or an `Identification`
            has it.

    Returns:
        The measure (``"sharpness"``, ``"trust"``, ...), ``"both_covered"``, ``"both_doubtful"``,
        or ``"other"``.

    Example:
        >>> kind_of_refusal("inter-eye distance 14 px, needs 24")
        'inter_eye_distance'
    """
    if " are doubtful: trust " in reason:
        return "both_doubtful"
    for rule in _RULES:
        if reason.startswith(f"{rule.words} "):
            return rule.measure
    if f": {_TRUST.words} " in reason:
        return _TRUST.measure
    return "both_covered" if "are probably covered: occlusion " in reason else "other"


_SURE_ODDS = 10.0
_USUAL_PER_DECADE = 0.09
"""Of the models for which the step of doubt was chosen: 0.093 and 0.101."""


def _log_odds(trust: float) -> float:
    inside = min(max(float(trust), 1e-6), 1 - 1e-6)
    return float(np.log(inside / (1 - inside)))


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one limit is applied and put into words.

    ``unit`` is ``""``, ``" px"``, ``" degrees"`` or ``"%"`` (for a share).
    """

    limit: str
    measure: str
    words: str
    unit: str = ""

    @property
    def is_minimum(self) -> bool:
        return self.limit.startswith("min_")

    def broken_by(self, values: Floats, limit: float) -> npt.NDArray[np.bool_]:
        size = np.abs(values)
        return np.asarray(size < limit if self.is_minimum else size > limit)

    def reason(self, value: float, limit: float) -> str:
        bound = "needs" if self.is_minimum else "at most"
        found, wanted = self._distinct(abs(value), limit)
        return f"{self.words} {found}{self.unit}, {bound} {wanted}"

    def _distinct(self, value: float, limit: float) -> tuple[str, str]:
        # As many digits as it takes to show the difference: "24 px, needs 24" explains nothing.
        scale = 100 if self.unit == "%" else 1
        first = 0 if self.unit else 2
        for digits in range(first, 7):
            found, wanted = f"{value * scale:.{digits}f}", f"{limit * scale:.{digits}f}"
            if found != wanted:
                break
        return found, f"{limit * scale:.6f}".rstrip("0").rstrip(".")


_TRUST = _Rule("min_trust", "trust", "trust")
_RULES = (
    _Rule("min_inter_eye_px", "inter_eye_distance", "inter-eye distance", " px"),
    _Rule("min_sharpness", "sharpness", "sharpness"),
    _Rule("min_contrast", "contrast", "contrast"),
    _Rule("max_under_exposure", "under_exposure", "under-exposed", "%"),
    _Rule("max_over_exposure", "over_exposure", "over-exposed", "%"),
    _Rule("max_yaw_deg", "yaw_deg", "turned to the side by about", " degrees"),
    _Rule("max_pitch_deg", "pitch_deg", "turned up or down by about", " degrees"),
    _Rule("max_occlusion", "occlusion", "probably covered: occlusion"),
    _Rule("max_cut_off", "cut_off", "beyond the photo's edge", "%"),
    _Rule("min_score", "score", "quality score"),
    _Rule("min_norm", "norm", "embedding norm"),
)
