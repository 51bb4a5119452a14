"""One gallery of a PostgreSQL database: transactions, errors in words, what was overwritten."""

import logging
import re
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import errors

from vultus.core.errors import (
    GalleryBusyError,
    GalleryError,
    GalleryUncertainError,
    GalleryUnreachableError,
    InputError,
)
from vultus.core.phases import phase
from vultus.gallery.stores.places import DatabasePlace, place_of
from vultus.gallery.stores.postgres.connecting import Connection
from vultus.gallery.stores.postgres.following import Follower
from vultus.gallery.stores.postgres.sessions import Sessions

logger = logging.getLogger(__name__)

Row = tuple[Any, ...]

_SLOTS = 4096
"""How many transactions back it is known whether one was kept."""
_KEPT_WAIT_S = 30.0
_SMALL_BYTES = 8 << 20
_LOST = (psycopg.OperationalError, psycopg.InterfaceError)
_BUSY = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.QueryCanceled,
)


class _Work(threading.local):
    """What a thread is at.

    Attributes:
        connection: Of its transaction; None outside of one.
        depth: Transactions inside of each other.
        writing: Whether the outer one writes.
        doomed: Whether a part of it failed.
        n: Number of the gallery's writing transaction.
        changed: Whether anything was written in it.
    """

    connection: Connection | None = None
    depth = 0
    writing = doomed = changed = False
    n = 0


class PostgresTransactions:
    """One gallery, opened; threads may share it, each has a connection of its own.

    Args:
        location: ``postgresql://[USER@]HOST[:PORT]/DATABASE/GALLERY``; as
            `vultus.gallery.stores.places.place_of` reads it.
        create: Make an empty gallery where there is none.

    Raises:
        GalleryError: If the database cannot be reached, has no tables for galleries or other ones,
            or has no such gallery.
        InputError: If the location is none of a gallery in a database.
    """

    def __init__(self, location: str | Path, *, create: bool = False) -> None:
        place = place_of(location)
        if not isinstance(place, DatabasePlace) or place.gallery is None:
            raise InputError(
                "a gallery in a database is postgresql://[USER@]HOST[:PORT]/DATABASE/NAME, got "
                f"{str(place)!r}"
            )
        self.place = place
        self._sessions = Sessions(place, create=create)
        self._work = _Work()
        self.scrub()  # whoever overwrote something may have been interrupted

    @property
    def location(self) -> str:
        """The URL, without user and options."""
        return str(self.place)

    @property
    def read_only(self) -> bool:
        """Always False: only a server that may be written is taken."""
        return False

    def close(self) -> None:
        """Close; closing twice is fine."""
        with suppress(GalleryError):  # it was closed
            self.scrub()
        self._sessions.close()

    def follow(self, on_change: Callable[[], object]) -> Follower:
        """See `vultus.gallery.stores.followed.FollowedStore`."""
        return Follower(self._sessions, on_change)

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[None]:
        """See `vultus.gallery.stores.base.GalleryStore.transaction`."""
        if self._work.depth:
            with self._inner(write):
                yield
            return
        with phase("store") if write else nullcontext():
            yield from self._outermost(write)

    def _outermost(self, write: bool) -> Iterator[None]:
        with self._in_transaction(write) as connection:
            work = self._work
            work.connection, work.depth, work.writing = connection, 1, write
            work.doomed = work.changed = False
            try:
                yield
                if work.doomed:
                    raise GalleryError(
                        f"{self.location}: a part of the change failed; nothing is kept"
                    )
                self._commit(connection)
            except BaseException:
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
                raise
            finally:
                work.connection, work.depth, work.writing = None, 0, False
        if write and work.changed:
            self.scrub()

    @contextmanager
    def _inner(self, write: bool) -> Iterator[None]:
        work = self._work
        if write and not work.writing:
            raise InputError("a change must not begin inside of a transaction that only reads")
        work.depth += 1
        try:
            yield
        except BaseException:
            work.doomed = work.writing
            raise
        finally:
            work.depth -= 1

    @contextmanager
    def _in_transaction(self, write: bool) -> Iterator[Connection]:
        """A connection on which a transaction was begun; one that was lost is replaced."""
        for last in (False, True):
            with self._sessions.session() as connection:
                try:
                    begun = self._begun(connection, write)
                except psycopg.Error as error:
                    if last or not connection.closed:
                        raise self._error(error) from None
                else:
                    yield begun
                    return
            self._sessions.renew()

    def _begun(self, connection: Connection, write: bool) -> Connection:
        """The connection, in a transaction; a writing one has the gallery to itself."""
        if not write:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return connection
        # Each statement sees what was kept before it: nobody else writes meanwhile.
        connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE")
        try:
            row = connection.execute(
                "UPDATE vultus_db.counters SET writes = writes + 1 RETURNING writes"
            ).fetchone()
            if row is None:
                raise GalleryError(f"{self.location} was removed")
        except BaseException:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
            raise
        self._work.n = row[0]
        return connection

    def _commit(self, connection: Connection) -> None:
        work = self._work
        if not work.writing or not work.changed:
            with self._translated():
                connection.execute("COMMIT" if work.writing else "ROLLBACK")
            return
        token = uuid.uuid4()
        with self._translated():
            # Heard when it is committed; who misses it reads the log of changes all the same.
            connection.execute(
                "WITH kept AS (INSERT INTO vultus_db.writes (slot, token) VALUES (%s, %s)"
                " ON CONFLICT (gallery, slot) DO UPDATE SET token = excluded.token"
                " RETURNING gallery) SELECT pg_notify('vultus_' || gallery, '') FROM kept",
                (work.n % _SLOTS, token),
            )
        warned: list[str] = []
        listen = _warnings_to(warned)
        connection.add_notice_handler(listen)
        try:
            connection.execute("COMMIT")
        except _LOST as error:
            if not connection.closed and not connection.broken:
                raise self._error(error) from error
            if not self._was_kept(work.n, token):
                raise GalleryUnreachableError(
                    f"the connection to {self.location} was lost, nothing was changed; try again"
                ) from None
        except psycopg.Error as error:
            raise self._error(error) from error
        finally:
            connection.remove_notice_handler(listen)
        if warned:  # the wait for the standby was cut short: it is kept on the primary only
            raise GalleryUncertainError(
                f"{self.location} kept a change and could not make sure of its copy "
                f"({warned[0]}); look whether it is there before it is done again"
            )

    def _was_kept(self, n: int, token: uuid.UUID) -> bool:
        """Whether a transaction was committed whose answer did not come."""
        deadline = time.monotonic() + _KEPT_WAIT_S
        while True:
            try:
                with self._sessions.session() as connection, connection.transaction():
                    # Whoever was in the middle of it is done when the lock is ours.
                    connection.execute("SELECT FROM vultus_db.counters FOR NO KEY UPDATE")
                    row = connection.execute(
                        "SELECT token FROM vultus_db.writes WHERE slot = %s", (n % _SLOTS,)
                    ).fetchone()
                    return row is not None and row[0] == token
            except (psycopg.Error, GalleryError):
                if time.monotonic() > deadline:
                    raise GalleryUncertainError(
                        f"the connection to {self.location} was lost while a change was being kept,"
                        " and it is not known whether it was; look before it is done again"
                    ) from None
                time.sleep(0.2 + secrets.randbelow(100) / 1000)
                with suppress(psycopg.Error, GalleryError):
                    self._sessions.renew()

    def scrub(self) -> bool:
        """See `vultus.gallery.stores.base.GalleryStore.scrub`; it tells of the tables' files.

        What the server's own log (WAL) still holds goes with its next checkpoints. It is tried
        after changes that were kept: what is in its way (a full disk, a connection that is lost)
        is logged and not raised, as who made the change would take that for its failing.
        """
        self._sessions.check_open()
        if self._work.depth:
            return False
        try:
            due = self._rows(
                "SELECT part, writes, pg_relation_size(part::regclass) FROM"
                " vultus_db.scrubs ORDER BY part"
            )
            return all(self._scrubbed(*row) for row in due)
        except GalleryError as error:
            cause = type(error.__cause__ or error).__name__
            logger.warning("what was erased is not wiped from the tables yet: %s", cause)
            return False

    def _scrubbed(self, part: int, writes: int, size: int) -> bool:
        told: list[str] = []

        def listen(notice: errors.Diagnostic) -> None:
            told.append(notice.message_detail or "")

        if size > _SMALL_BYTES and not self._is_of_keys(part):
            return False  # the owner's `vultus database scrub` does it, when it suits
        with self._sessions.session() as connection:
            connection.add_notice_handler(listen)
            try:
                with connection.transaction():
                    connection.execute("SET LOCAL lock_timeout = '200ms'")
                    connection.execute("SELECT vultus_db.rewrite(%s)", (part,))
            except (errors.LockNotAvailable, errors.DeadlockDetected, errors.QueryCanceled):
                return False
            except psycopg.Error as error:
                raise self._error(error) from error
            finally:
                connection.remove_notice_handler(listen)
            left = [int(found[0]) for found in (re.match("[0-9]+", text) for text in told) if found]
            # Rows that are dead and that some transaction could still see are carried over.
            if left != [0]:
                return False
            with connection.transaction():
                connection.execute(
                    "DELETE FROM vultus_db.scrubs WHERE part = %s AND writes <= %s",
                    (part, writes),
                )
        return True

    def _is_of_keys(self, part: int) -> bool:
        rows = self._rows("SELECT relname FROM pg_class WHERE oid = %s", part)
        return bool(rows) and str(rows[0][0]).startswith("keys_")

    def _due(self, part: int) -> None:
        """Note that something was overwritten in a part of a table."""
        self._change(
            "INSERT INTO vultus_db.scrubs (part, writes) VALUES (%s, %s)"
            " ON CONFLICT (gallery, part) DO UPDATE SET writes = excluded.writes",
            *(part, self._work.n),
        )

    def _rows(self, sql: LiteralString, *values: object) -> list[Row]:
        work = self._work
        if work.connection is not None:
            with self._translated():
                return work.connection.execute(sql, values, binary=True).fetchall()
        for last in (False, True):
            try:
                with self._sessions.session() as connection:
                    return connection.execute(sql, values, binary=True).fetchall()
            except psycopg.Error as error:
                # One that was lost is tried once more: reading twice changes nothing.
                if last or not isinstance(error, _LOST) or not connection.closed:
                    raise self._error(error) from error
                self._sessions.renew()
        raise AssertionError  # the loop returns or raises

    def _row(self, sql: LiteralString, *values: object) -> Row | None:
        rows = self._rows(sql, *values)
        return rows[0] if rows else None

    def _change(self, sql: LiteralString, *values: object) -> int:
        """Change rows; gives how many."""
        return self._executed(sql, values).rowcount

    def _changed(self, sql: LiteralString, *values: object) -> list[Row]:
        """Change rows; gives what is returned of them."""
        return self._executed(sql, values).fetchall()

    def _change_many(self, sql: LiteralString, rows: list[Row]) -> None:
        connection = self._writer()
        with self._translated():
            connection.cursor(binary=True).executemany(sql, rows)

    def _executed(self, sql: LiteralString, values: Row) -> psycopg.Cursor[Row]:
        connection = self._writer()
        with self._translated():
            return connection.execute(sql, values, binary=True)

    def _writer(self) -> Connection:
        work = self._work
        if work.connection is None or not work.writing:
            raise InputError("a store is changed inside of transaction(write=True) only")
        work.changed = True
        return work.connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._error(error) from None

    def _error(self, error: psycopg.Error) -> GalleryError:
        """The error of a gallery, by which is known whether it may be tried again."""
        kind = GalleryError
        if isinstance(error, _BUSY):
            kind = GalleryBusyError
        elif isinstance(error, (*_LOST, errors.ReadOnlySqlTransaction)):
            kind = GalleryUnreachableError
        return kind(self._message(error))

    def _message(self, error: psycopg.Error) -> str:
        """What an error means for a gallery, without what a row holds."""
        where, told = self.location, error.diag.message_primary
        words: dict[type[psycopg.Error], str] = {
            errors.LockNotAvailable: f"{where} is in use by another process; try again",
            errors.DeadlockDetected: f"{where} is in use by another process; try again",
            errors.SerializationFailure: f"{where} is in use by another process; try again",
            errors.QueryCanceled: f"{where} took too long to answer ({told}); try again",
            errors.DiskFull: f"the disk of {where} is full; nothing was changed, make room",
            errors.UniqueViolation: f"{where} has that already ({told}); nothing was changed",
            errors.ReadOnlySqlTransaction: f"{where} is on a server that may only be read",
            errors.InsufficientPrivilege: f"{where} may not be used so: {told}",
        }
        for kind, text in words.items():
            if isinstance(error, kind):
                return text
        if isinstance(error, _LOST):
            return f"the connection to {where} was lost, nothing was changed; try again"
        return f"{where} cannot be used: {told or type(error).__name__}"


def _warnings_to(told: list[str]) -> Callable[[errors.Diagnostic], None]:
    """Notes what a server warns of."""

    def listen(notice: errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            told.append(notice.message_primary or "a warning")

    return listen
