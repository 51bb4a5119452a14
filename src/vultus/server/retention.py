"""What is kept no longer than was agreed: looked for again and again while the service runs."""

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any

from vultus.core.errors import VultusError
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.pipeline.erasing import expire_people
from vultus.server.galleries import Galleries
from vultus.server.idempotency import Idempotency
from vultus.server.jobs.job_store import JobStore
from vultus.server.logs import told
from vultus.server.problems import ProblemError
from vultus.server.state.base import ServiceState
from vultus.server.webhooks.hooks import Webhooks

logger = logging.getLogger("vultus.server")

_FIRST_S = 10.0
_HOUR_S, _DAY_S = 3600.0, 24 * 3600.0
_ACTOR = "retention"
_NAME = "retention"
_LOOK_S = 1.0
"""So often who shares a database looks whose turn it is, and by which rules."""
_TABLE = "CREATE TABLE IF NOT EXISTS retention (rule TEXT PRIMARY KEY, value REAL NOT NULL)"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """How often is looked, and how long what is the service's own is kept; all above 0.

    Attributes:
        every_h: In hours.
        jobs_days: Jobs that ended, with their results.
        deliveries_days: What was sent to webhooks.
        answers_h: Answers to requests with an idempotency key, in hours.
    """

    every_h: float
    jobs_days: float
    deliveries_days: float
    answers_h: float


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
        rules: How long, as the operator set it; what was set here since goes before.
        keep_events: Whether erasures are written to the gallery's log.
    """

    def __init__(
        self,
        galleries: Galleries,
        *,
        jobs: JobStore,
        webhooks: Webhooks,
        idempotency: Idempotency,
        rules: RetentionRules,
        keep_events: bool,
    ) -> None:
        self._galleries, self._jobs, self._webhooks = galleries, jobs, webhooks
        self._idempotency, self._given, self._keep_events = idempotency, rules, keep_events
        self._file: ServiceState = jobs.file
        self._file.define(_TABLE)
        self._end, self._again = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._last_s: float | None = None
        self._next_s: float | None = None
        self._use(self._kept())

    @property
    def last_s(self) -> float | None:
        """When was looked last, in seconds since 1970; None if it was not yet."""
        return self._schedule()[0] if self._file.shared else self._last_s

    @property
    def next_s(self) -> float | None:
        """When is looked next; None before `start`."""
        return self._schedule()[1] if self._file.shared else self._next_s

    @property
    def rules(self) -> RetentionRules:
        """How long, as it is done."""
        if self._file.shared:
            self._use(self._kept())
        return self._rules

    @property
    def was_set(self) -> bool:
        """Whether it was set here, and so outweighs what the service was started with."""
        return bool(self._kept_rows())

    def set_rules(self, rules: RetentionRules | None) -> None:
        """Go by other rules from now on, and after a restart; None for those it was started with.

        The time until the next look begins anew.
        """
        with self._file.transaction():
            self._file.change("DELETE FROM retention")
            for rule, value in {} if rules is None else asdict(rules).items():
                self._file.change("INSERT INTO retention (rule, value) VALUES (?, ?)", rule, value)
        self._use(self._given if rules is None else rules)
        next_s = time.time() + self._rules.every_h * _HOUR_S
        if self._file.shared:
            self._plan(self._schedule()[0], next_s)
        elif self._next_s is not None:
            self._next_s = next_s
        self._again.set()

    def _use(self, rules: RetentionRules) -> None:
        self._rules = rules
        self._idempotency.keep_s = rules.answers_h * _HOUR_S

    def _kept(self) -> RetentionRules:
        rows: dict[str, float] = dict(self._kept_rows())
        whole = rows.keys() == {rule.name for rule in fields(self._given)}
        return RetentionRules(**rows) if whole else self._given

    def _kept_rows(self) -> Sequence[tuple[Any, ...]]:
        return self._file.rows("SELECT rule, value FROM retention")

    def start(self) -> None:
        """Begin, some seconds after the service."""
        run = self._run_shared if self._file.shared else self._run
        self._thread = threading.Thread(target=run, name="vultus-retention", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what is being erased is erased whole."""
        self._end.set()
        self._again.set()
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
        self._last_s = now = time.time()
        counts["jobs"] = self._jobs.expire(now - self._rules.jobs_days * _DAY_S)
        counts["deliveries"] = self._webhooks.expire(now - self._rules.deliveries_days * _DAY_S)
        counts["answers"] = self._idempotency.expire()
        return counts

    def _run(self) -> None:
        wait_s = _FIRST_S
        while not self._end.is_set():
            self._next_s = time.time() + wait_s
            woken = self._again.wait(min(wait_s, threading.TIMEOUT_MAX))
            wait_s = self._rules.every_h * _HOUR_S
            if woken:  # to end, or to wait for another time
                self._again.clear()
                continue
            self._look()

    def _run_shared(self) -> None:
        """As `_run`, where one of several processes looks, as the schedule in the database says."""
        while not self._end.is_set():
            self._again.wait(_LOOK_S)
            self._again.clear()
            try:
                self._use(self._kept())
                if self._end.is_set() or not self._file.hold(_NAME):
                    continue
                last_s, next_s = self._schedule()
            except ProblemError as error:  # the database is away
                logger.error("what is over could not be looked for: %s", type(error).__name__)
                continue
            if next_s is None:
                self._plan(last_s, time.time() + _FIRST_S)
            elif time.time() >= next_s:
                self._look()
                with suppress(ProblemError):
                    self._plan(self._last_s, time.time() + self._rules.every_h * _HOUR_S)

    def _look(self) -> None:
        try:
            counts = {kind: count for kind, count in self.apply().items() if count}
        except Exception as error:  # noqa: BLE001 - the thread must live; the next time comes
            logger.error("what is over could not be looked for: %s", type(error).__name__)
            return
        if counts:
            told(logger, logging.INFO, "retention", dict(counts))

    def _schedule(self) -> tuple[float | None, float | None]:
        row = self._file.row("SELECT last_at, next_at FROM schedule WHERE name = ?", _NAME)
        return (None, None) if row is None else (row[0], row[1])

    def _plan(self, last_s: float | None, next_s: float) -> None:
        with self._file.transaction():
            self._file.change("DELETE FROM schedule WHERE name = ?", _NAME)
            self._file.change(
                "INSERT INTO schedule (name, last_at, next_at) VALUES (?, ?, ?)",
                *(_NAME, last_s, next_s),
            )

    def _safely(self, gallery_id: str) -> dict[str, int]:
        try:
            return self._of(gallery_id)
        except (VultusError, ProblemError) as error:  # the others have their time, too
            logger.error("a gallery keeps what is over: %s", type(error).__name__)
            return {}

    def _of(self, gallery_id: str) -> dict[str, int]:
        gallery = self._galleries.get(gallery_id, actor=_ACTOR)
        expiry, _ = expire_people(gallery)
        if self._keep_events:
            EventLog(gallery).extend(
                [NewEvent(type="erased", source=_ACTOR) for _ in expiry.people]
            )
        # Whoever was erased, here or by another program, is in no result of a job any more.
        for uid in self._jobs.people(gallery_id):
            if gallery.person_by_uid(uid) is None:
                self._jobs.forget(uid)
        return {"people": len(expiry.people), "items": expiry.items, "events": expiry.events}
