"""One number out of many measures."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Curve:
    """A logistic curve from a measure's magnitude to [0, 1].

    ``q(x) = 1 / (1 + exp(-(|x| - half_at) / width))``; where more is worse (``width < 0``) divided
    by ``q(0)``, so that nothing wrong is 1.

    Attributes:
        half_at: Where the logistic is 1/2, in the measure's unit.
        width: How slowly it changes, in the measure's unit; negative where more is worse.
    """

    half_at: float
    width: float

    def __call__(self, values: Floats) -> npt.NDArray[np.float64]:
        """(n,) measures, of which the magnitude counts, to (n,) float64 in (0, 1)."""
        steps = (np.abs(values.astype(np.float64)) - self.half_at) / self.width
        at_zero = 1 / (1 + np.exp(self.half_at / self.width))
        return np.asarray(_logistic(steps) / (at_zero if self.width < 0 else 1.0))


def _logistic(steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(np.clip(-steps, -30, 30))))


CURVES: Mapping[str, Curve] = {
    "sharpness": Curve(0.205, 0.056),
    "inter_eye_distance": Curve(7.9, 2.3),
    "contrast": Curve(0.023, 0.006),
    "over_exposure": Curve(0.79, -0.13),
    "occlusion": Curve(1.18, -0.38),
    "cut_off": Curve(0.73, -0.15),
    "yaw_deg": Curve(70.0, -12.0),
    "pitch_deg": Curve(50.0, -8.0),
}
"""The factors of `combined_score`, by measure."""


def combined_score(measures: Mapping[str, Floats]) -> Floats:
    """Combine the measures of n faces.

    With q the `CURVES` of the measures::

        score = min(q_sharpness, q_inter_eye_distance)
                * q_contrast * q_over_exposure * q_occlusion * q_cut_off * q_yaw * q_pitch

    Sharpness and size are two views of the same lack of detail, so only the worse one counts.
    The curves were fitted on damaged copies of 60 development faces so that the score comes near
    to the cosine similarity between the embeddings of the damaged and the clean copy, by one
    MobileFaceNet; those of yaw and pitch were chosen on genuine pairs of development faces. Other
    models differ in where they fail, less in the order.

    Under-exposure and mean luminance are not in it: a dark face whose contrast is left is
    recognised well. Noise and compression are not seen, and a small face that was enlarged with
    smooth interpolation before it came here scores too high.

    Args:
        measures: (n,) float32 by name; at least the names of `CURVES`.

    Returns:
        (n,) float32 in [0, 1].
    """
    quality = {name: curve(measures[name]) for name, curve in CURVES.items()}
    detail = np.minimum(quality.pop("sharpness"), quality.pop("inter_eye_distance"))
    return np.asarray(detail * np.prod(list(quality.values()), axis=0), np.float32)


def trusted_score(strength: Floats, trust: Floats) -> Floats:
    """One number out of an embedding's norm and what a trust head says: ``strength * sqrt(trust)``.

    Of what was tried on 4,489 genuine pairs of undamaged development faces it told best which
    would be missed at the threshold of FMR 1e-3: leaving out pairs by the lower of their two
    scores, the mean share of missed pairs while up to half of the pairs go was 0.60 of what it is
    with all (vultus-s2; mobilefacenet-y1 0.51), for the norm alone 0.61 (0.51), with the measures
    as another factor 0.61 (0.52), for the measures' `combined_score` alone 0.85 (0.76). So the
    measures are not in it; they stay limits of the gate, with reasons. On undamaged faces the
    norm does nearly all of it; what trust adds shows on damaged ones.

    Args:
        strength: (n,) float32 in [0, 1], of `vultus.quality.trust.Trust`: the norm on the scale of
            clean faces.
        trust: (n,) float32 in [0, 1], its score.

    Returns:
        (n,) float32 in [0, 1].
    """
    return np.asarray(strength * np.sqrt(trust), np.float32)
