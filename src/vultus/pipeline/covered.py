"""A covered face against somebody of whom every enrolled photo is covered, too."""

from vultus.core.embeddings import Embeddings
from vultus.core.errors import IdentityNotFoundError
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
