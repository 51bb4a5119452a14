"""A passive look for presentation attacks, as a reason to refuse faces of a photo."""

import dataclasses

from vultus.liveness.passive import PassiveLiveness
from vultus.pipeline.photos import AnalysedPhoto


def with_liveness(photo: AnalysedPhoto, liveness: PassiveLiveness) -> AnalysedPhoto:
    """A photo whose faces are refused, too, where a presentation attack is suspected.

    Args:
        photo: As `Analyser.analyse` gave it.
        liveness: What looks.
    """
    signals = liveness.judge(photo.image, photo.faces)
    refusals = tuple(
        (*known, *signal.refusal) for known, signal in zip(photo.refusals, signals, strict=True)
    )
    return dataclasses.replace(photo, refusals=refusals)
