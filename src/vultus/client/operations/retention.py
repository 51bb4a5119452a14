"""Operations of the service: retention. Written by scripts/client_operations.py."""

from dataclasses import dataclass

from vultus.client.call import Call, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionTold:
    """The schedule by which what is over goes, in all galleries and of the service itself.

    Attributes:
        every_h: Hours from one look to the next.
        jobs_days: Jobs that ended, with their results.
        deliveries_days: What was sent to webhooks.
        answers_h: Hours for which answers to an Idempotency-Key are kept.
        was_set: Whether it was set here, not by how it was started.
        last_at: When was looked last; null if it was not yet.
        next_at: When is looked next.
    """

    every_h: float
    jobs_days: float
    deliveries_days: float
    answers_h: float
    was_set: bool
    last_at: str | None
    next_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryRetention:
    """How long a gallery keeps what.

    Attributes:
        events_days: What happened; null for ever.
        review_days: Faces that nobody could name; null keeps none. `PUT .../review` sets it.
        people_due: People whose consent or time is over, erased at the next look; 1000 at most.
        next_person_at: When the time of the next person is over; null if nobody's ends.
    """

    events_days: float | None
    review_days: float | None
    people_due: int
    next_person_at: str | None


def retention_told() -> Call[RetentionTold]:
    """The schedule by which what is over goes."""
    return Call("GET", "/v1/retention", RetentionTold, repeatable=True)


def set_retention(
    *, every_h: float, jobs_days: float, deliveries_days: float, answers_h: float
) -> Call[RetentionTold]:
    """Go by another schedule from now on, and after a restart.

    Args:
        every_h: Hours from one look to the next.
        jobs_days: Jobs that ended, with their results.
        deliveries_days: What was sent to webhooks.
        answers_h: Hours for which answers to an Idempotency-Key are kept.
    """
    return Call(
        "PUT",
        "/v1/retention",
        RetentionTold,
        body={
            "every_h": every_h,
            "jobs_days": jobs_days,
            "deliveries_days": deliveries_days,
            "answers_h": answers_h,
        },
        repeatable=True,
    )


def unset_retention() -> Call[RetentionTold]:
    """Go by the schedule that the service was started with again."""
    return Call("DELETE", "/v1/retention", RetentionTold, repeatable=True)


def gallery_retention(gallery: str) -> Call[GalleryRetention]:
    """How long a gallery keeps what, and whose time is over next.

    Args:
        gallery: The gallery's id.
    """
    return Call(
        "GET", f"/v1/galleries/{quoted(gallery)}/retention", GalleryRetention, repeatable=True
    )


def set_gallery_retention(gallery: str, *, events_days: float | None) -> Call[GalleryRetention]:
    """Say how long a gallery keeps events, those that are there, too.

    Args:
        gallery: The gallery's id.
        events_days: Null for ever.
    """
    return Call(
        "PUT",
        f"/v1/galleries/{quoted(gallery)}/retention",
        GalleryRetention,
        body={"events_days": events_days},
        repeatable=True,
    )
