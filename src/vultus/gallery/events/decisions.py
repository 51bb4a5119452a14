"""A decision of a recogniser as an event: the one spelling that services and cameras share."""

from collections.abc import Mapping
from typing import Any

from vultus.core.results import Identification
from vultus.gallery.events.event import NewEvent
from vultus.gallery.gallery import Gallery


def decision_event(
    gallery: Gallery,
    answer: Identification,
    *,
    event_id: str | None = None,
    at: str | None = None,
    source: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> NewEvent:
    """The event "recognised", "unknown" or "refused" of an answer.

    Whom an unknown face resembles is not told, only how much: a name or uid would outlive the
    erasure of that person.

    Args:
        gallery: The gallery that gave the answer.
        answer: The answer.
        event_id: As `NewEvent.id`; None for a random one.
        at: As `NewEvent.at`; None for now.
        source: As `NewEvent.source`.
        data: What else to tell, e.g. ``track``, ``box_xyxy``, or ``review``: the number under which
            `vultus.gallery.review.queue.ReviewQueue.offer` keeps the face.

    Raises:
        IdentityNotFoundError: If who was named is not enrolled any more.
    """
    told: dict[str, Any] = {
        "similarity": answer.candidates[0].similarity if answer.candidates else None,
        "threshold": answer.threshold.similarity,
        "fpir": answer.fpir,
        "gallery_size": answer.gallery_size,
        "refusal": list(answer.refusal),
    }
    told = {name: value for name, value in told.items() if value not in (None, [])}
    known = "unknown" if answer.identity is None else "recognised"
    given: dict[str, Any] = {"id": event_id, "at": at}
    return NewEvent(
        type="refused" if answer.refusal else known,
        source=source,
        person=None if answer.identity is None else gallery.person(answer.identity).uid,
        data={
            **{name: value for name, value in told.items() if value not in (None, [])},
            **(data or {}),
        },
        **{name: value for name, value in given.items() if value is not None},
    )
