"""What works on jobs: one after another, in a thread that lets requests go first."""

import copy
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from vultus.core.errors import VultusError
from vultus.pipeline.recognizer import Recognizer
from vultus.server.galleries import Galleries
from vultus.server.jobs.archive import Limits
from vultus.server.jobs.calibrating import run_calibration
from vultus.server.jobs.enrolling import run_enrolment
from vultus.server.jobs.filming import run_film
from vultus.server.jobs.grouping import run_clustering
from vultus.server.jobs.job_store import Job, JobKind, JobStore
from vultus.server.jobs.migrating import run_migration
from vultus.server.jobs.run import CancelledError, Run, StoppedError
from vultus.server.problems import ProblemError, of_library

logger = logging.getLogger("vultus.server")

_KINDS: dict[JobKind, Callable[[Run], dict[str, Any]]] = {
    "enrolment": run_enrolment,
    "clustering": run_clustering,
    "calibration": run_calibration,
    "migration": run_migration,
    "film": run_film,
}
_STARTS = 20
"""A job that was begun so often without going on is what ends the service each time."""
_PATIENCE_S = 2.0
_NICE = 10
_POLL_S = 30.0
_SHARED_POLL_S = 0.5
"""Another process makes jobs, too, or leaves one behind."""


class Worker:
    """Works on the jobs of a service.

    Args:
        store: The jobs.
        galleries: The galleries.
        recognizer: What judges photos.
        limits: Of archives.
        keep_events: Whether enrolments are written to the gallery's log.

    Attributes:
        busy: Tells how many requests are being worked on: before each piece a job waits a while
            for them, so that who asks meanwhile is answered as fast as otherwise.
    """

    def __init__(
        self,
        store: JobStore,
        galleries: Galleries,
        recognizer: Recognizer,
        *,
        limits: Limits,
        keep_events: bool,
    ) -> None:
        self._store, self._galleries, self._recognizer = store, galleries, recognizer
        self._limits, self._keep_events = limits, keep_events
        self.busy: Callable[[], int] = int
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._live: dict[str, tuple[str, int, int]] = {}
        self._changes = 0
        self._left: set[str] = set()

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._run, name="vultus-jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the piece at hand; the job goes on at the next start."""
        self._end.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        """Look at once for what there is to do: a job was made, or cancelled."""
        self._changes += 1
        self._wake.set()

    def state(self) -> int:
        """A number that changes when a job went on; often, where another process may work on it."""
        return self._changes + (int(2 * time.monotonic()) if self._store.file.shared else 0)

    def live(self, job: Job) -> tuple[str, int, int]:
        """What is being done of a job, how many pieces are done, of how many."""
        return self._live.get(job.id, (job.doing, job.done, job.total))

    def _run(self) -> None:
        _let_others_first()
        while not self._end.is_set():
            self._wake.clear()
            try:
                job = self._store.claim(self._galleries.serves, self._left)
            except Exception as error:  # noqa: BLE001 - the thread must live; the next time comes
                logger.error("jobs cannot be looked for: %s", type(error).__name__)
                job = None
            if job is None:
                self._wake.wait(_SHARED_POLL_S if self._store.file.shared else _POLL_S)
                continue
            try:
                self._work(job)
            except StoppedError:
                if self._end.is_set():
                    return
            except Exception as error:  # noqa: BLE001 - the thread must live, others have their turn
                logger.error("a job is left for the next start: %s", type(error).__name__)
                self._left.add(job.id)
            finally:
                self._store.release(job)

    def _work(self, job: Job) -> None:
        self._changes += 1
        gallery = self._galleries.get(job.gallery, actor=f"key {job.key_id}")
        if job.cancelled:
            self._store.end(gallery, job, "cancelled")
            return
        if job.starts >= _STARTS:
            detail = "it was begun again and again, and never went on"
            self._store.end(gallery, job, "failed", error="internal", detail=detail)
            return
        if not self._store.begin(job):
            return
        run = Run(
            job=job,
            store=self._store,
            gallery=gallery,
            recognizer=self._unwatched(),
            limits=self._limits,
            keep_events=self._keep_events,
            tell=lambda *told: self._told(job, *told),
            go_on=lambda: self._may_go_on(job),
            is_mine=lambda: self._store.is_mine(job),
        )
        try:
            result = _KINDS[job.kind](run)
        except CancelledError:
            self._store.end(gallery, job, "cancelled")
        except StoppedError:
            raise
        except VultusError as error:
            problem = of_library(error)
            self._store.end(gallery, job, "failed", error=problem.code, detail=str(problem))
            logger.warning("a job failed: %s", type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one job must not end the others
            detail = "the service failed; its log says more"
            self._store.end(gallery, job, "failed", error="internal", detail=detail)
            logger.error("a job failed: %s", type(error).__name__)
        else:
            self._store.end(gallery, job, "done", result=result)
        finally:
            self._live.pop(job.id, None)
            self._changes += 1

    def _unwatched(self) -> Recognizer:
        """The same models, which do not count photos of jobs among those of requests."""
        own = copy.copy(self._recognizer)
        own.watcher = None
        return own

    def _told(self, job: Job, what: str, done: int, total: int) -> None:
        if (what, total) != self.live(job)[::2]:
            self._store.update(job, doing=what, total=total, done=done)
        self._live[job.id] = (what, done, total)
        self._changes += 1

    def _may_go_on(self, job: Job) -> None:
        """Wait for requests, a while; see whether the job is to end."""
        until = time.monotonic() + _PATIENCE_S
        while self.busy() and time.monotonic() < until and not self._end.is_set():
            time.sleep(0.01)
        if self._end.is_set() or not self._store.is_mine(job):
            raise StoppedError
        try:
            if self._store.get(job.gallery, job.id).cancelled:
                raise CancelledError
        except ProblemError as error:  # it was deleted
            raise CancelledError from error


def _let_others_first() -> None:
    """On Linux, threads have priorities of their own."""
    if hasattr(os, "setpriority"):
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        except OSError:  # it is a courtesy
            logger.debug("jobs go on with the priority of requests")
