"""Which faces are to wait for review, and what is kept of them."""

import base64
from typing import Any

from vultus.core.embeddings import Embeddings
from vultus.core.results import Identification
from vultus.gallery.people.faces import vector_bytes


def doubtful(answer: Identification, within: float) -> bool:
    """Whether somebody should look at a face: unknown, or named by less than that above the limit.

    A face that the quality gate refused is not: nobody could judge it later either.
    """
    if answer.refusal:
        return False
    if answer.identity is None:
        return True
    margin = answer.candidates[0].similarity - answer.threshold.similarity
    return margin < within


def face_value(probe: Embeddings, place: int, source: str | None) -> dict[str, Any]:
    """What is kept of one face of many, fit for JSON."""
    quality = None if probe.quality is None else float(probe.quality[place])
    return {
        "vector": base64.b64encode(vector_bytes(probe.vectors[place])).decode(),
        "norm": float(probe.norms[place]),
        "quality": quality,
        # A file name need not be valid text.
        "source": None if source is None else source.encode("utf-8", "backslashreplace").decode(),
    }
