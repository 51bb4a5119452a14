"""What a service must not forget beside its galleries: one private file of SQLite."""

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from vultus.core.errors import ConfigError
from vultus.core.files import private_opener
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.sealing import new_cipher
from vultus.server.state.pieces import FilePieces

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_APPLICATION_ID = 0x56554C53
_VERSION = 1
_SETTINGS = (
    "PRAGMA busy_timeout = 10000",
    "PRAGMA journal_mode = WAL",
    # What a transaction returned from survives a power cut, and what was deleted is overwritten.
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA trusted_schema = OFF",
)


class ServiceFile:
    """Jobs, webhooks and answers of one running service; threads may share it.

    Nothing in it names a person or shows a face in clear: what could is sealed, see
    `gallery_cipher`. Its methods are those of `vultus.server.state.base.ServiceState`; what is
    uploaded lies in a folder beside it.

    Args:
        path: The file; made where there is none, for its owner only.

    Raises:
        ConfigError: If it cannot be used, or another service that runs has it.
    """

    shared = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.boot = secrets.token_hex(8)
        self._uploads = path.with_name(f"{path.name}-uploads")
        self._lock, self._depth = threading.RLock(), 0
        self._mine = own_folder(path.with_name(f"{path.name}.lock"))
        try:
            with suppress(FileExistsError), open(path, "xb", opener=private_opener):
                pass
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            self._mine.release()
            raise ConfigError(f"{path} cannot be used as the file of a service: {error}") from error

    def close(self) -> None:
        """Close it; closing twice is fine."""
        with self._lock:
            self._connection.close()
            self._mine.release()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is changed inside is on disk whole when the block ends, or not at all."""
        with self._lock:
            if self._depth:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def define(self, *statements: str) -> None:
        """Make tables and indices where there are none."""
        with self.transaction():
            for statement in statements:
                self._connection.execute(statement)

    def change(self, sql: str, *values: object) -> int:
        """Change rows, on disk when this returns or the transaction around it; gives how many."""
        with self.transaction():
            return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What a question gives."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        """The first row that a question gives."""
        with self._lock:
            found: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
            return found

    def scrub(self) -> None:
        """Let nothing that was deleted stay in the log of changes."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def hold(self, what: str) -> bool:
        """See `ServiceState`: this process is the only one."""
        return True

    def release(self, what: str) -> None:
        """See `ServiceState`."""

    def is_alive(self, boot: str) -> bool:
        """See `ServiceState`."""
        return boot == self.boot

    def pieces(self, job_id: str) -> FilePieces:
        """See `ServiceState`."""
        return FilePieces(self._uploads / job_id)

    def remove_strays(self, known: set[str]) -> None:
        """See `ServiceState`; also what was being uploaded when the service was killed."""
        if self._uploads.is_dir():
            for path in self._uploads.iterdir():
                if path.name not in known:
                    path.unlink()

    def _prepare(self) -> None:
        asked = (
            "PRAGMA application_id",
            "PRAGMA user_version",
            "SELECT count(*) FROM sqlite_schema",
        )
        found = tuple(self._connection.execute(question).fetchone()[0] for question in asked)
        if found != (0, 0, 0) and found[:2] != (_APPLICATION_ID, _VERSION):
            self._connection.close()
            raise sqlite3.DatabaseError("it is of something else, or of a later version")
        for setting in _SETTINGS:
            self._connection.execute(setting)
        self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        self._connection.execute(f"PRAGMA user_version = {_VERSION}")


def own_folder(lock_file: Path) -> FileLock:
    """Have the folder of a service to oneself, until the lock is released or the process ends.

    Raises:
        ConfigError: If another service that runs has it, or the lock cannot be made.
    """
    lock = FileLock(lock_file, mode=0o600, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(
            f"{lock_file.with_suffix('')} is used by another service that runs; stop that one, or "
            "give this one a folder of its own by --data"
        ) from error
    except OSError as error:
        raise ConfigError(f"{lock_file} cannot be made or locked: {error}") from error
    return lock


def gallery_cipher(gallery: Gallery, purpose: str) -> "AESGCM":
    """What seals something of a gallery outside of its file.

    Who has neither the gallery's file nor, where it has one, its master key, cannot open it. A new
    master key changes nothing here.

    Args:
        gallery: The gallery.
        purpose: What it is for; each has a key of its own.
    """
    return new_cipher(gallery.opened.vault.audit_digest(b"service " + purpose.encode()))
