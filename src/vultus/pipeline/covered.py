"""A covered or doubtful face against somebody of whom every enrolled photo is, too."""

from vultus.core.embeddings import Embeddings
from vultus.core.errors import IdentityNotFoundError
from vultus.core.results import Identification
from vultus.gallery.gallery import Gallery
from vultus.quality.gate import QualityGate


def both_covered(
    gate: QualityGate | None, gallery: Gallery, identity: str, probe: Embeddings
) -> tuple[str, ...]:
    """Say why a face cannot be compared with an enrolled person, as `QualityGate.judge_pair`.

    Args:
        gate: What is refused; None refuses nothing.
        gallery: The enrolled people.
        identity: Whom the face is compared with.
        probe: The face; several where photos of one person are fused, and all must be covered.

    Returns:
        A reason in words; empty where one side shows a face, or nobody knows: of photos that were
        enrolled before it was kept, and of embeddings without their measures.
    """
    limit = None if gate is None else gate.max_both_occlusion
    if limit is None or probe.occlusion is None or not (probe.occlusion > limit).all():
        return ()
    try:
        seen = [photo["occlusion"] for photo in gallery.photos(identity)]
    except IdentityNotFoundError:  # erased meanwhile
        return ()
    if not seen or any(value is None or value <= limit for value in seen):
        return ()
    return (
        f"the face and every enrolled photo of {identity!r} are probably covered: occlusion "
        f"{float(probe.occlusion.min()):.2f} and {min(seen):.2f} or more, one of them must be at "
        f"most {limit:g}; what covers them alike makes strangers alike, and no error rate is known "
        "for that. Show the face, or enrol a photo that does",
    )


def raised_for(
    gate: QualityGate | None, gallery: Gallery, identity: str, probe: Embeddings
) -> tuple[float, str]:
    """By how much a threshold rises against an enrolled person, as `QualityGate.raised_by`.

    Args:
        gate: What is asked for, with the limits of the model in use; None raises nothing.
        gallery: The enrolled people.
        identity: Whom the face is compared with.
        probe: The face; several where photos of one person are fused: the best counts.

    Returns:
        What is added to the threshold, and how doubtful both are in words; 0 and no words where one
        side has a face that is trusted, or nobody knows.
    """
    if gate is None or probe.trust is None or not len(probe):
        return 0.0, ""
    trust = float(probe.trust.max())
    if not gate.raised_by(trust, 0.0):
        return 0.0, ""
    try:
        kept = [photo["trust"] for photo in gallery.photos(identity)]
    except IdentityNotFoundError:  # erased meanwhile
        return 0.0, ""
    if not kept or None in kept:
        return 0.0, ""
    return gate.raised_by(trust, max(kept)), (
        f"the face and every enrolled photo of {identity!r} are doubtful: trust {trust:.2f} and "
        f"at most {max(kept):.2f}"
    )


def unsure(
    gate: QualityGate | None, gallery: Gallery, answer: Identification, probe: Embeddings
) -> tuple[str, ...]:
    """Say why a face is not whom it would be: both are covered, or too doubtful for so little.

    Args:
        gate: As `raised_for`.
        gallery: The enrolled people.
        answer: What the threshold alone says.
        probe: As `raised_for`.

    Returns:
        A reason in words; empty where nobody would be named, or nothing speaks against it.
    """
    if answer.identity is None:
        return ()
    if covered := both_covered(gate, gallery, answer.identity, probe):
        return covered
    found = answer.candidates[0].similarity
    raised, words = raised_for(gate, gallery, answer.identity, probe)
    needed = answer.threshold.similarity + raised
    if found >= needed:
        return ()
    return (
        f"{words}; their similarity {found:.4f} would have to be {needed:.4f}, as what spoiled "
        "them alike makes strangers alike. Take, or enrol, a better photo",
    )
