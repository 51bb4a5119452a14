"""One job at work: what its kind needs to know, and how it says how far it came."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.gallery import Gallery
from vultus.pipeline.recognizer import Recognizer
from vultus.server.jobs.archive import Archive, Limits
from vultus.server.jobs.job_store import Job, JobStore, opened


class StoppedError(Exception):
    """The service stops, or another process works on the job; it goes on at the next start."""


class CancelledError(Exception):
    """Somebody cancelled the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A job at work.

    Attributes:
        job: The job.
        store: Where what came of it is kept.
        gallery: Its gallery, in which whoever made the job is the actor.
        recognizer: What judges photos.
        limits: Of archives.
        keep_events: Whether enrolments are written to the gallery's log.
        tell: Told what is being done, how many pieces are done, and of how many.
        go_on: Raises if the job is to end; asked before each piece.
        is_mine: Whether no other process works on it.
    """

    job: Job
    store: JobStore
    gallery: Gallery
    recognizer: Recognizer
    limits: Limits
    keep_events: bool
    tell: Callable[[str, int, int], None]
    go_on: Callable[[], None]
    is_mine: Callable[[], bool]

    @property
    def options(self) -> dict[str, Any]:
        """As they were given."""
        told: dict[str, Any] = opened(self.gallery, self.job.id, "options", self.job.options)
        return told

    def archive(self) -> Archive | None:
        """What was uploaded; None for nothing."""
        upload = self.store.upload(self.gallery, self.job)
        return None if upload is None else Archive(upload, self.limits)

    def keep(self, place: int, value: Any, *, person: str | None = None) -> None:
        """Keep what came of a piece: it is not done again."""
        self.store.keep(self.gallery, self.job, place, value, person=person)

    def kept(self) -> set[int]:
        """Pieces that are done."""
        return self.store.kept(self.job)


def packed(embeddings: Embeddings) -> dict[str, str]:
    """Vectors as JSON takes them."""
    return {"vectors": _text(embeddings.vectors), "norms": _text(embeddings.norms)}


def unpacked(value: dict[str, Any], space: EmbeddingSpace) -> Embeddings:
    """What `packed` was given."""
    vectors = _array(value["vectors"]).reshape(-1, space.dim)
    return Embeddings(vectors, _array(value["norms"]), space)


def _text(array: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(array, np.dtype("<f4")).tobytes()).decode()


def _array(text: str) -> Any:
    return np.frombuffer(base64.b64decode(text), np.dtype("<f4")).astype(np.float32)
