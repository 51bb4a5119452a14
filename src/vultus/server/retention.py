"""What is kept no longer than was agreed: looked for again and again while the service runs."""

import logging
import threading
import time
from dataclasses import dataclass

from vultus.core.errors import VultusError
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.pipeline.erasing import expire_people
from vultus.server.galleries import Galleries
from vultus.server.idempotency import Idempotency
from vultus.server.jobs.job_store import JobStore
from vultus.server.logs import told
from vultus.server.problems import ProblemError
from vultus.server.webhooks.hooks import Webhooks

logger = logging.getLogger("vultus.server")

_FIRST_S = 10.0
_DAY_S = 24 * 3600.0
_ACTOR = "retention"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """How often is looked, and how long what is the service's own is kept.

    Attributes:
        every_s: In seconds.
        jobs_days: Jobs that ended, with their results.
        deliveries_days: What was sent to webhooks.
        keep_events: Whether erasures are written to the gallery's log.
    """

    every_s: float
    jobs_days: float
    deliveries_days: float
    keep_events: bool


class Retention:
    """Erases and deletes what is over, as each gallery and the service say.

    Of a gallery: people whose consent or time to be kept is over, faces that wait for review, ways
    to undo, events. Of the service: jobs, answers, the log of what was sent to webhooks. The log
    of who did what is kept.

    Args:
        galleries: The galleries.
        jobs: The jobs.
        webhooks: The webhooks.
        idempotency: The answers.
        rules: How long.
    """

    def __init__(
        self,
        galleries: Galleries,
        *,
        jobs: JobStore,
        webhooks: Webhooks,
        idempotency: Idempotency,
        rules: RetentionRules,
    ) -> None:
        self._galleries, self._jobs, self._webhooks = galleries, jobs, webhooks
        self._idempotency, self._rules = idempotency, rules
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, some seconds after the service."""
        self._thread = threading.Thread(target=self._run, name="vultus-retention", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what is being erased is erased whole."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def apply(self) -> dict[str, int]:
        """Look now; how much of what was over, by kind."""
        counts = {"people": 0, "items": 0, "events": 0}
        for gallery_id in self._galleries.ids:
            if self._end.is_set():
                break
            for kind, count in self._safely(gallery_id).items():
                counts[kind] += count
        now = time.time()
        counts["jobs"] = self._jobs.expire(now - self._rules.jobs_days * _DAY_S)
        counts["deliveries"] = self._webhooks.expire(now - self._rules.deliveries_days * _DAY_S)
        counts["answers"] = self._idempotency.expire()
        return counts

    def _run(self) -> None:
        wait_s = _FIRST_S
        while not self._end.wait(wait_s):
            wait_s = self._rules.every_s
            try:
                counts = {kind: count for kind, count in self.apply().items() if count}
            except Exception as error:  # noqa: BLE001 - the thread must live; the next time comes
                logger.error("what is over could not be looked for: %s", type(error).__name__)
                continue
            if counts:
                told(logger, logging.INFO, "retention", dict(counts))

    def _safely(self, gallery_id: str) -> dict[str, int]:
        try:
            return self._of(gallery_id)
        except (VultusError, ProblemError) as error:  # the others have their time, too
            logger.error("a gallery keeps what is over: %s", type(error).__name__)
            return {}

    def _of(self, gallery_id: str) -> dict[str, int]:
        gallery = self._galleries.get(gallery_id, actor=_ACTOR)
        expiry, _ = expire_people(gallery)
        if self._rules.keep_events:
            EventLog(gallery).extend(
                [NewEvent(type="erased", source=_ACTOR) for _ in expiry.people]
            )
        # Whoever was erased, here or by another program, is in no result of a job any more.
        for uid in self._jobs.people(gallery_id):
            if gallery.person_by_uid(uid) is None:
                self._jobs.forget(uid)
        return {"people": len(expiry.people), "items": expiry.items, "events": expiry.events}
