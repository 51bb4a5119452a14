"""`Jobs`: the jobs of a service, and how many it takes."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vultus.gallery.gallery import Gallery
from vultus.pipeline.recognizer import Recognizer
from vultus.server.galleries import Galleries
from vultus.server.jobs.archive import Limits
from vultus.server.jobs.job_store import Job, JobKind, JobStore, NewUpload
from vultus.server.jobs.worker import Worker
from vultus.server.problems import ProblemError
from vultus.server.state.base import ServiceState

_UPLOADS_AT_ONCE = 4


class Jobs:
    """The jobs of a service.

    Args:
        file: Where they are kept.
        galleries: The galleries.
        recognizer: What judges photos.
        limits: Of archives.
        most: How many may wait.
        keep_events: Whether enrolments are written to the gallery's log.

    Attributes:
        store: The jobs.
        worker: What works on them.
        limits: Of archives.
    """

    def __init__(
        self,
        file: ServiceState,
        galleries: Galleries,
        recognizer: Recognizer,
        *,
        limits: Limits,
        most: int,
        keep_events: bool,
    ) -> None:
        self.store = JobStore(file)
        self.worker = Worker(
            self.store, galleries, recognizer, limits=limits, keep_events=keep_events
        )
        self.limits, self._most, self._uploads = limits, most, 0

    def check_room(self) -> None:
        """Refuse another job where so many wait.

        Raises:
            ProblemError: If they do.
        """
        if self.store.waiting() >= self._most:
            raise ProblemError(
                429,
                "too-many-jobs",
                f"{self._most} jobs wait; come again when one has ended",
                headers={"Retry-After": "60"},
            )

    @contextmanager
    def uploading(self) -> Iterator[None]:
        """One of the few uploads at once; they take no place of other requests.

        Raises:
            ProblemError: If there are as many as there may be.
        """
        if self._uploads >= _UPLOADS_AT_ONCE:
            raise ProblemError(
                503,
                "busy",
                f"{_UPLOADS_AT_ONCE} uploads are under way; come again",
                headers={"Retry-After": "10", "Connection": "close"},
            )
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    def add(
        self,
        gallery_id: str,
        gallery: Gallery,
        kind: JobKind,
        *,
        key_id: str,
        options: Mapping[str, Any],
        upload: NewUpload | None = None,
        job_id: str | None = None,
    ) -> Job:
        """Make a job; it is on disk when this returns, or the transaction around it.

        With ``job_id``, where there is no upload, it is made once.
        """
        with self.store.file.transaction():
            if job_id is not None and (job := self.store.find(gallery_id, job_id)) is not None:
                return job
            self.check_room()
            job = self.store.add(
                gallery_id,
                gallery,
                kind,
                key_id=key_id,
                options=options,
                upload=upload,
                job_id=job_id,
            )
        self.worker.wake()
        return job

    def cancel(self, gallery: Gallery, job: Job) -> None:
        """Let a job end: at once if it waits, else after the piece at hand."""
        with self.store.file.transaction():
            job = self.store.get(job.gallery, job.id)
            self.store.update(job, cancelled=1)
            if job.state == "waiting":
                self.store.update(job, state="cancelled", ended_at=time.time(), upload_key=None)
        if job.state == "waiting":
            self.store.end(gallery, job, "cancelled")
        self.worker.wake()
