"""How long what is kept: of a gallery, and of the service itself."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from vultus.gallery.events.log import EventLog, EventRules
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import now
from vultus.gallery.review.queue import ReviewQueue
from vultus.server.context import Admin, Operator, WholeAdmin
from vultus.server.fields import GalleryId
from vultus.server.retention import Retention, RetentionRules
from vultus.server.routing import make_router

router = make_router("/v1", "retention", 404, 411, 413)

_LONGEST_DAYS = 36500
_NEVER = "9999-12-31T23:59:59+00:00"
_COUNTED = 1000
Days = Annotated[float, Field(gt=0, le=_LONGEST_DAYS)]
Hours = Annotated[float, Field(gt=0, le=24 * _LONGEST_DAYS)]


class RetentionWanted(BaseModel):
    """How often what is over is looked for, and how long what is the service's own is kept."""

    model_config = ConfigDict(extra="forbid")

    every_h: Annotated[float, Field(ge=1 / 60, le=24 * 7)] = Field(
        description="Hours from one look to the next.", examples=[1.0]
    )
    jobs_days: Days = Field(description="Jobs that ended, with their results.", examples=[30.0])
    deliveries_days: Days = Field(description="What was sent to webhooks.", examples=[30.0])
    answers_h: Hours = Field(
        description="Hours for which answers to an Idempotency-Key are kept.", examples=[24.0]
    )


class RetentionTold(BaseModel):
    """The schedule by which what is over goes, in all galleries and of the service itself."""

    every_h: float = Field(description="Hours from one look to the next.")
    jobs_days: float = Field(description="Jobs that ended, with their results.")
    deliveries_days: float = Field(description="What was sent to webhooks.")
    answers_h: float = Field(description="Hours for which answers to an Idempotency-Key are kept.")
    was_set: bool = Field(description="Whether it was set here, not by how it was started.")
    last_at: str | None = Field(description="When was looked last; null if it was not yet.")
    next_at: str | None = Field(description="When is looked next.")


class GalleryRetentionWanted(BaseModel):
    """How long a gallery keeps what happened."""

    model_config = ConfigDict(extra="forbid")

    events_days: Days | None = Field(description="Null for ever.", examples=[90.0])


class GalleryRetention(BaseModel):
    """How long a gallery keeps what."""

    events_days: float | None = Field(description="What happened; null for ever.")
    review_days: float | None = Field(
        description="Faces that nobody could name; null keeps none. `PUT .../review` sets it."
    )
    people_due: int = Field(
        description="People whose consent or time is over, erased at the next look; 1000 at most."
    )
    next_person_at: str | None = Field(
        description="When the time of the next person is over; null if nobody's ends."
    )


@router.get("/retention")
def retention_told(caller: WholeAdmin) -> RetentionTold:
    """The schedule by which what is over goes."""
    return _told(caller.context.background.retention)


@router.put("/retention")
def set_retention(caller: WholeAdmin, wanted: RetentionWanted) -> RetentionTold:
    """Go by another schedule from now on, and after a restart."""
    retention = caller.context.background.retention
    retention.set_rules(RetentionRules(**wanted.model_dump()))
    return _told(retention)


@router.delete("/retention")
def unset_retention(caller: WholeAdmin) -> RetentionTold:
    """Go by the schedule that the service was started with again."""
    retention = caller.context.background.retention
    retention.set_rules(None)
    return _told(retention)


@router.get("/galleries/{gallery}/retention")
def gallery_retention(caller: Operator, gallery: GalleryId) -> GalleryRetention:
    """How long a gallery keeps what, and whose time is over next."""
    return _of(caller.gallery(gallery))


@router.put("/galleries/{gallery}/retention")
def set_gallery_retention(
    caller: Admin, gallery: GalleryId, wanted: GalleryRetentionWanted
) -> GalleryRetention:
    """Say how long a gallery keeps events, those that are there, too."""
    known = caller.gallery(gallery)
    EventLog(known).keep(EventRules(days=wanted.events_days))
    return _of(known)


def _of(known: Gallery) -> GalleryRetention:
    review, store, when = ReviewQueue(known).rules(), known.opened.store, now()
    with store.transaction():
        due = store.expired(when, limit=_COUNTED)
        later = store.expired(_NEVER, limit=len(due) + 1)[len(due) :]
    return GalleryRetention(
        events_days=EventLog(known).rules().days,
        review_days=None if review is None else review.days,
        people_due=len(due),
        next_person_at=later[0].expires_at if later else None,
    )


def _told(retention: Retention) -> RetentionTold:
    rules = retention.rules
    return RetentionTold(
        every_h=rules.every_h,
        jobs_days=rules.jobs_days,
        deliveries_days=rules.deliveries_days,
        answers_h=rules.answers_h,
        was_set=retention.was_set,
        last_at=_time(retention.last_s),
        next_at=_time(retention.next_s),
    )


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
