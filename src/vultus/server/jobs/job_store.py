"""The jobs of a service in its file: how far each came, what came of it, sealed."""

import json
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vultus.core.errors import GalleryDamagedError
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.sealing import KEY_BYTES, seal, unseal
from vultus.server.jobs.uploads import Upload
from vultus.server.problems import ProblemError
from vultus.server.service_file import gallery_cipher
from vultus.server.state.base import SealedPieces, ServiceState

JobKind = Literal["enrolment", "clustering", "calibration", "migration", "film"]
JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled")

_PAGE = 256
_TABLES = (
    """CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, gallery TEXT NOT NULL,
    kind TEXT NOT NULL, state TEXT NOT NULL, key_id TEXT NOT NULL, made_at REAL NOT NULL,
    started_at REAL, ended_at REAL, options BLOB NOT NULL, upload_size INTEGER NOT NULL,
    upload_key BLOB, done INTEGER NOT NULL, total INTEGER NOT NULL, doing TEXT NOT NULL,
    cancelled INTEGER NOT NULL, starts INTEGER NOT NULL, error TEXT, detail BLOB, result BLOB)""",
    """CREATE TABLE IF NOT EXISTS job_items (
    job TEXT NOT NULL, place INTEGER NOT NULL, person TEXT, body BLOB NOT NULL,
    PRIMARY KEY (job, place)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS job_items_of ON job_items (person) WHERE person IS NOT NULL",
)
_COLUMNS = (
    *("number", "id", "gallery", "kind", "state", "key_id", "made_at", "started_at", "ended_at"),
    *("options", "upload_size", "upload_key", "done", "total", "doing", "cancelled", "starts"),
    *("error", "detail", "result"),
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM jobs"  # noqa: S608 - names of this module


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job.

    Attributes:
        number: Ascending in the order in which they were made.
        id: What it is called by.
        gallery: Id of the gallery.
        kind: What is done.
        state: Where it stands.
        key_id: Of the access key that made it.
        made_at: Seconds since 1970.
        started_at: When it was first begun, or None.
        ended_at: When it ended, or None.
        options: Sealed.
        upload_size: Of what was uploaded, in bytes; 0 for nothing.
        upload_key: Sealed; None once what was uploaded is gone.
        done: How many pieces are done.
        total: How many there are; 0 while that is not known.
        doing: What is being done, in words.
        cancelled: Whether it is to end.
        starts: How often it was begun since it last went on.
        error: Code of what went wrong, or None.
        detail: Sealed, in words.
        result: Sealed.
    """

    number: int
    id: str
    gallery: str
    kind: JobKind
    state: JobState
    key_id: str
    made_at: float
    started_at: float | None
    ended_at: float | None
    options: bytes
    upload_size: int
    upload_key: bytes | None
    done: int
    total: int
    doing: str
    cancelled: int
    starts: int
    error: str | None
    detail: bytes | None
    result: bytes | None


@dataclass(frozen=True, slots=True)
class NewUpload:
    """What was uploaded for a job that is to be made.

    Attributes:
        id: Of the job.
        pieces: Where it lies, sealed.
        key: What opens it.
        size: In bytes, before it was sealed.
        digest: SHA-256 of what was uploaded.
    """

    id: str
    pieces: SealedPieces
    key: bytes
    size: int = 0
    digest: bytes = b""


class JobStore:
    """All jobs; what could tell of a person is sealed with the gallery's key.

    Args:
        file: Where they are kept, and what is uploaded for them.
    """

    def __init__(self, file: ServiceState) -> None:
        self.file = file
        file.define(*_TABLES)
        wanted = "SELECT id FROM jobs WHERE upload_key IS NOT NULL"
        file.remove_strays({job_id for (job_id,) in file.rows(wanted)})

    def place(self) -> NewUpload:
        """Where to write what is uploaded for a job."""
        job_id = secrets.token_hex(8)
        return NewUpload(job_id, self.file.pieces(job_id), secrets.token_bytes(KEY_BYTES))

    def add(
        self,
        gallery_id: str,
        gallery: Gallery,
        kind: JobKind,
        *,
        key_id: str,
        options: Mapping[str, Any],
        upload: NewUpload | None,
        job_id: str | None = None,
    ) -> Job:
        """Make a job, of an upload or of none; ``job_id`` is its id where there is no upload."""
        if upload is not None:
            job_id = upload.id
        elif job_id is None:
            job_id = secrets.token_hex(8)
        key = None if upload is None else _seal(gallery, job_id, "key", upload.key.hex())
        told = _seal(gallery, job_id, "options", dict(options))
        self.file.change(
            "INSERT INTO jobs (id, gallery, kind, state, key_id, made_at, options, upload_size,"
            " upload_key, done, total, doing, cancelled, starts)"
            " VALUES (?, ?, ?, 'waiting', ?, ?, ?, ?, ?, 0, 0, '', 0, 0)",
            *(job_id, gallery_id, kind, key_id, time.time(), told),
            *(0 if upload is None else upload.size, key),
        )
        return self.get(gallery_id, job_id)

    def get(self, gallery_id: str, job_id: str) -> Job:
        """One of a gallery.

        Raises:
            ProblemError: If there is none of that id.
        """
        job = self.find(gallery_id, job_id)
        if job is None:
            raise ProblemError(404, "job-not-found", "there is no such job")
        return job

    def find(self, gallery_id: str, job_id: str) -> Job | None:
        """One of a gallery; None if there is none of that id."""
        row = self.file.row(_SELECT + " WHERE gallery = ? AND id = ?", gallery_id, job_id)
        return None if row is None else _job(row)

    def of(self, gallery_id: str, *, before: int | None, limit: int) -> list[Job]:
        """Those of a gallery, the newest first."""
        rows = self.file.rows(
            _SELECT + " WHERE gallery = ? AND number < ? ORDER BY number DESC LIMIT ?",
            *(gallery_id, (1 << 62) if before is None else before, limit),
        )
        return [_job(row) for row in rows]

    def waiting(self) -> int:
        """How many have not ended."""
        row = self.file.row("SELECT count(*) FROM jobs WHERE state IN ('waiting', 'running')")
        return 0 if row is None else int(row[0])

    def claim(self, served: Callable[[str], bool], busy: Collection[str] = ()) -> Job | None:
        """The one to be worked on next, by this process alone until it is let go by `release`.

        One that was begun goes on first. Jobs of one gallery are worked on one after another, by
        whichever process.

        Args:
            served: Whether a gallery is one of this process.
            busy: Ids of jobs to pass over.
        """
        for job in self.unfinished():
            if job.id in busy or not served(job.gallery) or not self.file.hold(_hold(job)):
                continue
            # Whoever held it may have ended it meanwhile, or begun one that goes before.
            left = [one for one in self.unfinished() if one.gallery == job.gallery]
            for one in left:
                if one.id not in busy:
                    return one
            self.file.release(_hold(job))
        return None

    def release(self, job: Job) -> None:
        """Let any process work on the jobs of its gallery."""
        self.file.release(_hold(job))

    def is_mine(self, job: Job) -> bool:
        """Whether this process, and no other, works on it still."""
        return self.file.hold(_hold(job))

    def unfinished(self) -> list[Job]:
        """Those that wait or are worked on, in the order in which they are."""
        rows = self.file.rows(
            _SELECT + " WHERE state IN ('waiting', 'running') ORDER BY state = 'waiting', number"
        )
        return [_job(row) for row in rows]

    def update(self, job: Job, **values: Any) -> None:
        """Change columns of a job; the names are this module's."""
        assert set(values) <= set(_COLUMNS)  # noqa: S101 - no text from outside in the SQL
        columns = ", ".join(f"{name} = ?" for name in values)
        self.file.change(f"UPDATE jobs SET {columns} WHERE id = ?", *values.values(), job.id)  # noqa: S608

    def begin(self, job: Job) -> bool:
        """Note that a job is begun; False if it ended meanwhile."""
        changed = self.file.change(
            "UPDATE jobs SET state = 'running', starts = starts + 1,"
            " started_at = coalesce(started_at, ?)"
            " WHERE id = ? AND state IN ('waiting', 'running')",
            *(time.time(), job.id),
        )
        return changed == 1

    def end(self, gallery: Gallery, job: Job, state: JobState, **told: Any) -> None:
        """End a job: ``error``, ``detail`` and ``result`` are told, what was uploaded goes."""
        values: dict[str, Any] = {"state": state, "ended_at": time.time(), "upload_key": None}
        values["error"] = told.get("error")
        for name in ("detail", "result"):
            if told.get(name) is not None:
                values[name] = _seal(gallery, job.id, name, told[name])
        with self.file.transaction():
            self.update(job, **values)
            if job.kind != "enrolment":
                self.file.change("DELETE FROM job_items WHERE job = ?", job.id)
        self.file.pieces(job.id).remove()
        self.file.scrub()

    def remove(self, job: Job) -> None:
        """Delete a job with all that came of it."""
        with self.file.transaction():
            self.file.change("DELETE FROM job_items WHERE job = ?", job.id)
            self.file.change("DELETE FROM jobs WHERE id = ?", job.id)
        self.file.pieces(job.id).remove()
        self.file.scrub()

    def forget_gallery(self, gallery_id: str) -> None:
        """Delete all jobs of a gallery that is gone; one that is worked on ends."""
        for row in self.file.rows(_SELECT + " WHERE gallery = ?", gallery_id):
            self.remove(_job(row))

    def expire(self, before: float) -> int:
        """Delete jobs that ended before a time, in seconds since 1970; how many."""
        rows = self.file.rows(_SELECT + " WHERE ended_at < ?", before)
        for row in rows:
            self.remove(_job(row))
        return len(rows)

    def people(self, gallery_id: str) -> list[str]:
        """Of whom something is told, by uid."""
        rows = self.file.rows(
            "SELECT DISTINCT person FROM job_items JOIN jobs ON job = id"
            " WHERE gallery = ? AND person IS NOT NULL",
            gallery_id,
        )
        return [person for (person,) in rows]

    def forget(self, person: str) -> int:
        """Forget what is told of somebody who was erased, by uid; in how many places."""
        gone = self.file.change("DELETE FROM job_items WHERE person = ?", person)
        if gone:
            self.file.scrub()
        return gone

    def keep(
        self, gallery: Gallery, job: Job, place: int, value: Any, *, person: str | None = None
    ) -> None:
        """Keep what came of a piece, and note that the job went on."""
        body = _seal(gallery, job.id, f"item {place}", value)
        with self.file.transaction():
            self.file.change(
                "INSERT INTO job_items (job, place, person, body) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (job, place) DO UPDATE SET person = excluded.person,"
                " body = excluded.body",
                *(job.id, place, person, body),
            )
            self.update(job, done=place + 1, starts=0)

    def kept(self, job: Job) -> set[int]:
        """Places of the pieces of which something is kept."""
        rows = self.file.rows("SELECT place FROM job_items WHERE job = ?", job.id)
        return {place for (place,) in rows}

    def items(
        self, gallery: Gallery, job: Job, *, after: int = -1
    ) -> Iterator[tuple[int, str | None, Any]]:
        """What is kept of each piece, in their order: place, person, value."""
        while True:
            rows = self.file.rows(
                "SELECT place, person, body FROM job_items WHERE job = ? AND place > ?"
                " ORDER BY place LIMIT ?",
                *(job.id, after, _PAGE),
            )
            if not rows:
                return
            for place, person, body in rows:
                yield place, person, opened(gallery, job.id, f"item {place}", body)
            after = rows[-1][0]

    def upload(self, gallery: Gallery, job: Job) -> Upload | None:
        """What was uploaded for a job; None for nothing."""
        if job.upload_key is None:
            return None
        key = bytes.fromhex(opened(gallery, job.id, "key", job.upload_key))
        return Upload(self.file.pieces(job.id), key, job.upload_size)

    def drop(self, upload: NewUpload) -> None:
        """Remove an upload of which no job is made."""
        upload.pieces.remove()


def opened(gallery: Gallery, job_id: str, what: str, sealed: bytes | None) -> Any:
    """What was sealed for a job; None for nothing."""
    if sealed is None:
        return None
    told = unseal(gallery_cipher(gallery, "jobs"), sealed, f"job {job_id} {what}".encode())
    if told is None:
        raise GalleryDamagedError("what is kept of a job is of another gallery, or was changed")
    return json.loads(told)


def _hold(job: Job) -> str:
    return f"jobs of {job.gallery}"


def _seal(gallery: Gallery, job_id: str, what: str, value: Any) -> bytes:
    place = f"job {job_id} {what}".encode()
    return seal(gallery_cipher(gallery, "jobs"), json.dumps(value).encode(), place)


def _job(row: Sequence[Any]) -> Job:
    return Job(**dict(zip(_COLUMNS, row, strict=True)))
