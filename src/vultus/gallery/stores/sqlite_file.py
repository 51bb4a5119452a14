"""The file of a gallery as SQLite opens it: made, locked, synced, wiped, copied, checked."""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from vultus.core.errors import GalleryError, InputError, OutputError
from vultus.core.files import appearing, private_opener, sync_folder
from vultus.core.phases import phase
from vultus.gallery.stores.sqlite_schema import (
    APPLICATION_ID,
    SCHEMA,
    SCHEMA_VERSION,
    UPGRADES,
    check_file,
)

BUSY_TIMEOUT_MS = 10_000
_SCRUB_TIMEOUT_MS = 200
_POLL_S = (0.001, 0.008)
SCRUB = "scrub"
"""The fact that something was overwritten, and the log of changes may still hold it."""

_SETTINGS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    # FULL: what a transaction returned from survives a power cut.
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA cache_size = -16000",
)

Row = tuple[Any, ...]


class SqliteFile:
    """One gallery file, opened; threads may share it.

    Args:
        location: The file.
        create: Make an empty gallery where there is none.

    Raises:
        GalleryError: If the file is missing, foreign, damaged, of another version, in use, or
            cannot be made.
    """

    def __init__(self, location: str | Path, *, create: bool = False) -> None:
        self.path = Path(location)
        # A link is followed: the log of changes lies beside what it leads to.
        self._real = Path(os.path.realpath(self.path))
        self._wal = Path(f"{self._real}-wal")
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._depth = 0
        self._writing = self._doomed = False
        self._still: tuple[int, int] | None = None
        check_file(self.path, may_create=create)
        if create:
            # By SQLite it would be readable for all; its logs take the mode from it.
            with suppress(OSError), open(self._real, "xb", opener=private_opener):
                sync_folder(self._real.parent)
        with self._translated():
            self._connection = self._connect()
        try:
            self._prepare(create)
            if not self.read_only:
                self.scrub()  # whoever overwrote something may have been interrupted
        except BaseException:
            self.close()
            raise

    @property
    def location(self) -> str:
        """The file, as it was given."""
        return str(self.path)

    @property
    def read_only(self) -> bool:
        """Whether file or folder may not be written."""
        return not self._writable

    def close(self) -> None:
        """Close the file; closing twice is fine. The log of changes goes with the last who does."""
        with self._lock:
            if self._pid == os.getpid():  # else it is another process's to close
                with suppress(GalleryError, sqlite3.Error):
                    if not self.read_only:
                        self.scrub()
                self._connection.close()

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[None]:
        """See `vultus.gallery.stores.base.GalleryStore.transaction`."""
        with self._lock:
            if self._depth:
                with self._inner(write):
                    yield
                return
            with phase("store") if write else nullcontext():
                yield from self._outermost(write)

    def _outermost(self, write: bool) -> Iterator[None]:
        self._check_open(write)
        self._begin(write)
        self._depth, self._writing, self._doomed = 1, write, False
        try:
            if write:
                self._clear_scrub()
            yield
            if self._doomed:
                raise GalleryError(f"{self.path}: a part of the change failed; nothing is kept")
            self._execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            if error_code(error.__cause__) == sqlite3.SQLITE_FULL:
                with suppress(GalleryError):  # the log is what takes most room
                    self._row("PRAGMA wal_checkpoint(TRUNCATE)")
            raise
        finally:
            self._depth, self._writing = 0, False
        if write:
            self.scrub()

    @contextmanager
    def _inner(self, write: bool) -> Iterator[None]:
        if write and not self._writing:
            raise InputError("a change must not begin inside of a transaction that only reads")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._doomed = self._writing
            raise
        finally:
            self._depth -= 1

    def scrub(self) -> bool:
        """See `vultus.gallery.stores.base.GalleryStore.scrub`.

        Secure deletion wipes pages; what stood in them before is in the log of changes (``-wal``)
        until that is brought into the file and cut to nothing.
        """
        with self._lock:
            if self._row("SELECT 1 FROM meta WHERE key = ?", SCRUB) is None or not self._logged():
                return True
            if self.read_only or self._depth:
                return False
            with self._waiting(_SCRUB_TIMEOUT_MS):
                busy = self._row("PRAGMA wal_checkpoint(TRUNCATE)")
            return busy is not None and busy[0] == 0

    def backup(self, path: Path) -> None:
        """See `vultus.gallery.stores.base.GalleryStore.backup`."""
        with appearing(path, private=True) as part, self._translated():
            with open(part, "xb", opener=private_opener):
                pass
            # Connections of its own: threads that share this one go on meanwhile.
            with (
                closing(self._opened(self._how)) as source,
                closing(sqlite3.connect(part)) as copy,
            ):
                try:
                    source.backup(copy)
                    # One file, not three; opening the copy brings the log back.
                    copy.execute("PRAGMA journal_mode = DELETE")
                except sqlite3.OperationalError as error:
                    if error_code(error) == sqlite3.SQLITE_FULL:  # it is the copy that grows
                        raise OutputError(
                            f"{path} was not written: its disk is full; make room, or take another"
                        ) from error
                    raise

    def check(self) -> list[str]:
        """See `vultus.gallery.stores.base.GalleryStore.check`."""
        with self.transaction():
            found = [str(row[0]) for row in self._rows("PRAGMA integrity_check(20)")]
            if found != ["ok"]:
                return found  # other questions may fail where pages cannot be read
            broken = self._rows("PRAGMA foreign_key_check")
        return [f"{row[0]}: row {row[1]} belongs to nobody" for row in broken[:20]]

    def _connect(self) -> sqlite3.Connection:
        places = (self._real, self._real.parent)
        self._writable = all(os.access(place, os.W_OK) for place in places)
        try:
            # Without "c" SQLite never makes a file; one that may not be written is opened to read.
            self._how = "mode=rw"
            return self._opened(self._how)
        except sqlite3.OperationalError:
            if self._writable or self._logged():
                raise
            # SQLite wants to make a log even to read; without one, the file is the whole state.
            self._still = self._stamp()
            self._how = "mode=ro&immutable=1"
            return self._opened(self._how)

    def _opened(self, how: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._real.as_uri()}?{how}", uri=True, isolation_level=None, check_same_thread=False
        )
        # First of all: those after it read the file, and wait for others.
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        try:
            for setting in (*_SETTINGS, "SELECT 1 FROM sqlite_schema"):
                connection.execute(setting)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, create: bool) -> None:
        if create and not self.read_only and self._row("PRAGMA page_count") == (0,):
            self._create()
        self._upgrade()
        version = self._version()
        due = (SCHEMA_VERSION, *UPGRADES) if self.read_only else (SCHEMA_VERSION,)
        if self._row("PRAGMA application_id") != (APPLICATION_ID,) or version not in due:
            # Somebody changed it after `check_file`.
            raise GalleryError(f"{self.path} has gallery format {version}, not {SCHEMA_VERSION}")
        if not self.read_only and self._row("PRAGMA journal_mode") != ("wal",):
            with suppress(GalleryError):  # whoever is in the way does it, or the next
                self._execute("PRAGMA journal_mode = WAL")

    def _create(self) -> None:
        self._execute("PRAGMA page_size = 8192")  # three templates of 512 numbers
        with self.transaction(write=True):
            if self._row("SELECT 1 FROM sqlite_schema") is not None:
                return  # another process was faster
            for statement in SCHEMA:
                self._execute(statement)

    def _upgrade(self) -> None:
        """Bring a file of an earlier format to this one; in memory only, if it cannot be written.

        What is added is empty, so that it makes no difference to who only reads.
        """
        if self._version() not in UPGRADES:
            return
        if self.read_only:
            for version in range(self._version(), SCHEMA_VERSION):
                for statement in UPGRADES[version]:
                    if not statement.startswith(("DROP ", "CREATE TRIGGER ")):  # nothing is written
                        self._execute(_in_memory(statement))
            return
        with self.transaction(write=True):
            while (version := self._version()) in UPGRADES:
                for statement in UPGRADES[version]:
                    self._execute(statement)
                self._execute(f"PRAGMA user_version = {version + 1}")

    def _version(self) -> int:
        row = self._row("PRAGMA user_version")
        return 0 if row is None else int(row[0])

    def _check_open(self, write: bool) -> None:
        if write and self.read_only:
            raise GalleryError(
                f"{self.path} cannot be written; check the permissions of file and folder"
            )
        if self._still is not None and (self._still != self._stamp() or self._logged()):
            raise GalleryError(
                f"{self.path} was changed by another process, while it may only be read here; "
                "open it again"
            )

    def _begin(self, write: bool) -> None:
        if not write:
            self._execute("BEGIN")
            return
        # SQLite sleeps longer the longer one waits, so that whoever comes late is served first.
        deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        with self._waiting(0):
            while True:
                try:
                    self._connection.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as error:
                    if not is_busy(error) or time.monotonic() > deadline:
                        raise GalleryError(message(self.path, error)) from error
                time.sleep(random.uniform(*_POLL_S))  # noqa: S311 -- any will do

    @contextmanager
    def _waiting(self, timeout_ms: int) -> Iterator[None]:
        """Wait so long for others instead."""
        self._execute(f"PRAGMA busy_timeout = {timeout_ms}")
        try:
            yield
        finally:
            self._execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    def _clear_scrub(self) -> None:
        if self._has_schema() and not self._logged():
            # Under the lock of the writer an empty log stays empty: what was due is done.
            self._execute("DELETE FROM meta WHERE key = ?", SCRUB)

    def _sequence(self, table: str) -> int:
        """The highest number that was ever given to a row."""
        row = self._row("SELECT seq FROM sqlite_sequence WHERE name = ?", table)
        return 0 if row is None else int(row[0])

    def _has_schema(self) -> bool:
        return self._version() == SCHEMA_VERSION

    def _logged(self) -> bool:
        """Whether the log of changes holds anything."""
        try:
            return self._wal.stat().st_size > 0
        except FileNotFoundError:
            return False

    def _stamp(self) -> tuple[int, int]:
        status = self._real.stat()
        return status.st_size, status.st_mtime_ns

    def _rows(self, sql: str, *values: object) -> list[Row]:
        with self._lock, self._translated():
            return self._connection.execute(sql, values).fetchall()

    def _row(self, sql: str, *values: object) -> Row | None:
        with self._lock, self._translated():
            row: Row | None = self._connection.execute(sql, values).fetchone()
            return row

    def _change(self, sql: str, *values: object) -> int:
        """Change rows; gives how many."""
        if not self._writing:
            raise InputError("a store is changed inside of transaction(write=True) only")
        return self._execute(sql, *values)

    def _change_many(self, sql: str, rows: Iterable[Row]) -> int:
        """Change rows by one statement, once with each of some values; gives how many in all."""
        if not self._writing:
            raise InputError("a store is changed inside of transaction(write=True) only")
        with self._translated():
            return max(0, self._connection.executemany(sql, rows).rowcount)

    def _execute(self, sql: str, *values: object) -> int:
        with self._translated():
            return self._connection.execute(sql, values).rowcount

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if self._pid != os.getpid():
            raise GalleryError(
                f"{self.path} was opened before this process was forked; open it again here"
            )
        try:
            yield
        except sqlite3.Error as error:
            raise GalleryError(message(self.path, error)) from error
        except UnicodeDecodeError as error:  # Python's, of text that SQLite gives
            raise GalleryError(f"{self.path} is damaged ({error}); restore a backup") from error


def _in_memory(statement: str) -> str:
    """What creates the same beside a file that cannot be written."""
    return statement.replace("CREATE TABLE ", "CREATE TEMP TABLE ", 1).replace(
        "CREATE INDEX ", "CREATE INDEX temp.", 1
    )


def error_code(error: BaseException | None) -> int | None:
    """SQLite's primary code of an error; None if it has none."""
    code = getattr(error, "sqlite_errorcode", None)
    # The low byte is the primary code; the rest says more about it.
    return None if code is None else code & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else is at work."""
    return error_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def message(path: Path, error: sqlite3.Error) -> str:
    """What an error of SQLite means for a gallery, and what to do."""
    primary = error_code(error)
    if is_busy(error):
        return f"{path} is in use by another process; try again ({error})"
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"{path} is damaged ({error}); restore a backup, it is left as it is"
    if primary == sqlite3.SQLITE_READONLY:
        return f"{path} cannot be written ({error}); check the permissions of file and folder"
    if primary == sqlite3.SQLITE_FULL:
        return f"the disk of {path} is full; this change was not made, make room and try again"
    return f"{path} cannot be used: {error}"
