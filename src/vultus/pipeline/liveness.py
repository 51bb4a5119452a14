"""What looks for presentation attacks found, as a reason to refuse faces of a photo."""

import dataclasses

from vultus.liveness.passive import PassiveLiveness
from vultus.liveness.session.proof import LiveProof
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
    return dataclasses.replace(photo, refusals=refusals, liveness=tuple(signals))


def with_live_session(photo: AnalysedPhoto, proof: LiveProof, *, least: float) -> AnalysedPhoto:
    """A photo whose faces are refused, too, where they are not that of an accepted session.

    Args:
        photo: As `Analyser.analyse` gave it.
        proof: Of the session.
        least: The cosine similarity to the session's person that a face must have.

    Raises:
        SpaceMismatchError: If the session was embedded by another model or settings.
    """
    alike = proof.likeness(photo.embeddings)
    refusals = tuple(
        known
        if value >= least
        else (
            *known,
            f"it is not the person of the liveness session (similarity {value:.3f}, {least:.3f} is "
            "needed)",
        )
        for known, value in zip(photo.refusals, alike.tolist(), strict=True)
    )
    return dataclasses.replace(photo, refusals=refusals)
