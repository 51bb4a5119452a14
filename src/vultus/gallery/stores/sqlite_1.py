"""The gallery's file: SQLite, one row per photo, nothing acknowledged lost, nothing erased left."""

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vultus.core.errors import GalleryError
from vultus.core.files import private_opener

logger = logging.getLogger(__name__)

_APPLICATION_ID = 0x56554C54  # "VULT"; says whose file it is
_SCHEMA_VERSION = 1
_BUSY_TIMEOUT_MS = 10_000
MAGIC = b"SQLite format 3\0"

_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE people (
        id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, enrolled_at TEXT NOT NULL)""",
    """CREATE TABLE photos (
        id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people (id),
        vector BLOB NOT NULL, norm REAL NOT NULL, quality REAL, source TEXT,
        enrolled_at TEXT NOT NULL)""",
    "CREATE INDEX photos_by_person ON photos (person_id)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_SCHEMA_VERSION}",
)

# journal_mode=DELETE keeps the gallery one file that can be copied; EXTRA also syncs the folder,
# without which a power cut may bring the journal, and with it the state before, back.
_SETTINGS = (
    f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA synchronous = EXTRA",
    "PRAGMA fullfsync = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA trusted_schema = OFF",
)


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """One stored photo.

    Attributes:
        vector: dim little-endian float32.
        norm: Length of the network's output.
        quality: In [0, 1], or None.
        source: Where the photo came from, or None.
    """

    vector: bytes
    norm: float
    quality: float | None
    source: str | None


class SqliteStore:
    """Reads and writes one gallery file. Safe to share between threads.

    Any number of processes may have the file open; one writes at a time, the others wait up to
    ten seconds.

    Args:
        path: An existing gallery file, or one to make when ``meta`` is given.
        meta: Facts to keep in a new file; None opens existing files only.

    Raises:
        GalleryError: If the file is missing, foreign, damaged, or of a newer version.
    """

    def __init__(self, path: Path, *, meta: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._changes = 0
        _check_file(path, may_create=meta is not None)
        if meta is not None:
            # By SQLite it would be readable for all; its journals take the mode from it.
            with suppress(OSError), open(os.path.realpath(path), "xb", opener=private_opener):
                pass
        with self._translated():
            # Without "c" SQLite never makes a file, so a mistyped path leaves none behind.
            mode = "rw" if meta is None else "rwc"
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            self._prepare(meta)
        except GalleryError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[None]:
        """All or nothing: one consistent state to read, or one change that is on disk at the end.

        Raises:
            GalleryError: If SQLite reports an error; nothing is changed then.
        """
        with self._lock, self._translated():
            self._connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            self._changes += write

    def state(self) -> tuple[int, int]:
        """Changes whenever this or another connection has changed the file."""
        with self._lock, self._translated():
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            return int(version), self._changes

    def meta(self) -> dict[str, str]:
        """The facts kept with the file."""
        with self._lock, self._translated():
            return dict(self._connection.execute("SELECT key, value FROM meta"))

    def people(self) -> list[tuple[str, int, str]]:
        """Name, number of photos and time of enrolment of each person, in that order."""
        with self._lock, self._translated():
            return self._connection.execute(
                "SELECT identity, count(photos.id), people.enrolled_at FROM people"
                " JOIN photos ON person_id = people.id GROUP BY people.id ORDER BY people.id"
            ).fetchall()

    def photos(self, identity: str | None = None) -> list[tuple[str, PhotoRow]]:
        """Photos of one person or all, in the order of enrolment of people, then of photos."""
        where, values = ("", ()) if identity is None else (" WHERE identity = ?", (identity,))
        with self._lock, self._translated():
            rows = self._connection.execute(
                "SELECT identity, vector, norm, quality, source FROM photos"  # noqa: S608
                f" JOIN people ON person_id = people.id{where} ORDER BY people.id, photos.id",
                values,
            )
            return [(row[0], PhotoRow(*row[1:])) for row in rows]

    def add(self, identity: str, photos: Sequence[PhotoRow], *, when: str) -> None:
        """Append photos of one person; call it inside a writing `transaction`."""
        execute = self._connection.execute
        execute(
            "INSERT INTO people (identity, enrolled_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (identity, when),
        )
        person = execute("SELECT id FROM people WHERE identity = ?", (identity,)).fetchone()[0]
        self._connection.executemany(
            "INSERT INTO photos (person_id, vector, norm, quality, source, enrolled_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [(person, row.vector, row.norm, row.quality, row.source, when) for row in photos],
        )

    def erase(self, identity: str) -> bool:
        """Remove a person and every byte of theirs; False if there is no such person.

        Raises:
            GalleryError: If SQLite reports an error. The person may be removed by then; what is
                left of their bytes is swept when the file is next opened.
        """
        with self._lock:
            with self.transaction(write=True):
                execute = self._connection.execute
                execute(
                    "DELETE FROM photos WHERE person_id IN"
                    " (SELECT id FROM people WHERE identity = ?)",
                    (identity,),
                )
                found = execute("DELETE FROM people WHERE identity = ?", (identity,)).rowcount > 0
                if found:
                    execute("INSERT OR REPLACE INTO meta VALUES ('sweep', 'due')")
            if found:
                self._sweep()
            return found

    def _sweep(self) -> None:
        # secure_delete alone is not enough: when SQLite moves rows between pages it leaves
        # copies in the gaps, and those it does not wipe. Rebuilding the file does.
        with self._translated():
            self._connection.execute("VACUUM")
            self._connection.execute("DELETE FROM meta WHERE key = 'sweep'")

    def _prepare(self, meta: Mapping[str, str] | None) -> None:
        with self._translated():
            for setting in _SETTINGS:
                self._connection.execute(setting)
            if meta is not None and self._pragma("page_count") == 0:
                self._create(meta)
            self._check_version()
        if "sweep" in self.meta():  # whoever erased somebody was interrupted
            try:
                self._sweep()
            except GalleryError as error:
                logger.warning("erased data not swept yet: %s", error)

    def _create(self, meta: Mapping[str, str]) -> None:
        with self.transaction(write=True):
            if self._connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
                return  # another process was faster
            for statement in _SCHEMA:
                self._connection.execute(statement)
            self._connection.executemany("INSERT INTO meta VALUES (?, ?)", list(meta.items()))

    def _check_version(self) -> None:
        if self._pragma("application_id") != _APPLICATION_ID:
            raise GalleryError(
                f"{self.path} is not a Vultus gallery; give another path, it is left as it is"
            )
        version = self._pragma("user_version")
        if version != _SCHEMA_VERSION:
            raise GalleryError(
                f"{self.path} has gallery format {version}, this Vultus reads {_SCHEMA_VERSION}; "
                "open it with the version of Vultus that made it"
            )

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise GalleryError(_message(self.path, error)) from error


def _check_file(path: Path, *, may_create: bool) -> None:
    if path.exists() and not path.is_file():
        raise GalleryError(f"{path} is not a file; a gallery is one file")
    if not path.parent.is_dir():
        raise GalleryError(f"there is no folder {path.parent} to hold the gallery; make it first")
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except FileNotFoundError:
        head = b""
    except OSError as error:
        raise GalleryError(f"{path} cannot be read: {error}") from error
    if not head and not may_create:
        raise GalleryError(
            f"there is no gallery at {path}; enrol somebody to make one (`Gallery.open` makes one "
            "of a given space)"
        )
    if head and head != MAGIC:
        raise GalleryError(
            f"{path} is not a Vultus gallery, or its beginning is damaged; give another path or "
            "restore a backup, it is left as it is"
        )


def _message(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    # The low byte is the primary code; the rest says more about it.
    primary = None if code is None else code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path} is in use by another process; try again ({error})"
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"{path} is damaged ({error}); restore a backup, it is left as it is"
    if primary == sqlite3.SQLITE_READONLY:
        return f"{path} cannot be written ({error}); check the permissions of file and folder"
    return f"{path} cannot be used: {error}"
