"""The jobs of a service in its file: how far each came, what came of it, sealed."""

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vultus.core.errors import GalleryDamagedError
from vultus.core.files import make_private_folder
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.sealing import KEY_BYTES, seal, unseal
from vultus.server.jobs.uploads import Upload
from vultus.server.problems import ProblemError
from vultus.server.service_file import ServiceFile, gallery_cipher

JobKind = Literal["enrolment", "clustering", "calibration", "migration"]
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
        file: Where it lies, sealed.
        key: What opens it.
        size: In bytes, before it was sealed.
        digest: SHA-256 of what was uploaded.
    """

    id: str
    file: Path
    key: bytes
    size: int = 0
    digest: bytes = b""


class JobStore:
    """All jobs; what could tell of a person is sealed with the gallery's key.

    Args:
        file: Where they are kept.
        folder: Where uploads lie; made when needed.
    """

    def __init__(self, file: ServiceFile, folder: Path) -> None:
        self.file, self._folder = file, folder
        file.define(*_TABLES)
        self._remove_strays()

    def place(self) -> NewUpload:
        """Where to write what is uploaded for a job."""
        make_private_folder(self._folder)
        job_id = secrets.token_hex(8)
        return NewUpload(job_id, self._folder / job_id, secrets.token_bytes(KEY_BYTES))

    def add(
        self,
        gallery_id: str,
        gallery: Gallery,
        kind: JobKind,
        *,
        key_id: str,
        options: Mapping[str, Any],
        upload: NewUpload | None,
    ) -> Job:
        """Make a job, of an upload or of none."""
        job_id = secrets.token_hex(8) if upload is None else upload.id
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
        row = self.file.row("SELECT * FROM jobs WHERE gallery = ? AND id = ?", gallery_id, job_id)
        if row is None:
            raise ProblemError(404, "job-not-found", "there is no such job")
        return _job(row)

    def of(self, gallery_id: str, *, before: int | None, limit: int) -> list[Job]:
        """Those of a gallery, the newest first."""
        rows = self.file.rows(
            "SELECT * FROM jobs WHERE gallery = ? AND number < ? ORDER BY number DESC LIMIT ?",
            *(gallery_id, (1 << 62) if before is None else before, limit),
        )
        return [_job(row) for row in rows]

    def waiting(self) -> int:
        """How many have not ended."""
        row = self.file.row("SELECT count(*) FROM jobs WHERE state IN ('waiting', 'running')")
        return 0 if row is None else int(row[0])

    def next(self, busy: Sequence[str] = ()) -> Job | None:
        """The one to be worked on next: one that was begun goes on first."""
        rows = self.file.rows(
            "SELECT * FROM jobs WHERE state IN ('waiting', 'running')"
            " ORDER BY state = 'waiting', number"
        )
        return next((_job(row) for row in rows if row[1] not in busy), None)

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
        self._remove_upload(job.id)
        self.file.scrub()

    def remove(self, job: Job) -> None:
        """Delete a job with all that came of it."""
        with self.file.transaction():
            self.file.change("DELETE FROM job_items WHERE job = ?", job.id)
            self.file.change("DELETE FROM jobs WHERE id = ?", job.id)
        self._remove_upload(job.id)
        self.file.scrub()

    def expire(self, before: float) -> int:
        """Delete jobs that ended before a time, in seconds since 1970; how many."""
        rows = self.file.rows("SELECT * FROM jobs WHERE ended_at < ?", before)
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
                "INSERT OR REPLACE INTO job_items VALUES (?, ?, ?, ?)",
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
        return Upload(self._folder / job.id, key, job.upload_size)

    def drop(self, upload: NewUpload) -> None:
        """Remove an upload of which no job is made."""
        upload.file.unlink(missing_ok=True)

    def _remove_upload(self, job_id: str) -> None:
        (self._folder / job_id).unlink(missing_ok=True)

    def _remove_strays(self) -> None:
        """What was being uploaded when the service was killed, or outlived its job."""
        if not self._folder.is_dir():
            return
        wanted = "SELECT id FROM jobs WHERE upload_key IS NOT NULL"
        known = {job_id for (job_id,) in self.file.rows(wanted)}
        for path in self._folder.iterdir():
            if path.name not in known:
                path.unlink()


def opened(gallery: Gallery, job_id: str, what: str, sealed: bytes | None) -> Any:
    """What was sealed for a job; None for nothing."""
    if sealed is None:
        return None
    told = unseal(gallery_cipher(gallery, "jobs"), sealed, f"job {job_id} {what}".encode())
    if told is None:
        raise GalleryDamagedError("what is kept of a job is of another gallery, or was changed")
    return json.loads(told)


def _seal(gallery: Gallery, job_id: str, what: str, value: Any) -> bytes:
    place = f"job {job_id} {what}".encode()
    return seal(gallery_cipher(gallery, "jobs"), json.dumps(value).encode(), place)


def _job(row: Sequence[Any]) -> Job:
    return Job(**dict(zip(_COLUMNS, row, strict=True)))
