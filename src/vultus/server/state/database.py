"""`ServiceDatabase`: what services that share a PostgreSQL database share beside its galleries."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from vultus.gallery.stores.places import DatabasePlace
from vultus.gallery.stores.postgres.connecting import (
    Connection,
    connect,
    conninfo,
    password_argument,
)
from vultus.server.problems import ProblemError
from vultus.server.service_file import own_folder
from vultus.server.state.holds import Holds
from vultus.server.state.pieces import DatabasePieces
from vultus.server.state.schema import check_service_schema

_CONNECTIONS = 12
_PATIENCE_S = 10.0
_STRAY_S = 6 * 3600.0
"""What is uploaded belongs to a job within this time, or nobody waits for it any more."""
_LOST = (psycopg.OperationalError, psycopg.InterfaceError)
_T = TypeVar("_T")


class _Work(threading.local):
    connection: Connection | None = None


class ServiceDatabase:
    """The tables that all processes of a service share; threads may share it.

    The methods are those of `vultus.server.state.base.ServiceState`. Whoever is in a `transaction`
    is alone in one, as with a file: an advisory lock sees to that. Times are those of the machines,
    which must agree.

    Args:
        place: The database; the role that logs in is the service.
        folder_lock: A file that says whose the folder of this process is.

    Raises:
        ConfigError: If another process that runs has that folder.
        GalleryError: If it cannot be reached, or has not the tables.
    """

    shared = True

    def __init__(self, place: DatabasePlace, *, folder_lock: Path) -> None:
        self._place, self._work = place, _Work()
        self._folder = own_folder(folder_lock)
        try:
            self._open()
        except BaseException:
            self._folder.release()
            raise

    def _open(self) -> None:
        place = self._place
        with connect(place) as first:
            check_service_schema(place, first)
            service = str(first.info.user)
        self._holds = Holds(place, service)
        self._alone = self._holds.key("transaction")
        self._pool = ConnectionPool(
            conninfo(place),
            kwargs={"autocommit": True, **password_argument()},
            min_size=1,
            max_size=_CONNECTIONS,
            num_workers=1,
            timeout=_PATIENCE_S,
            reconnect_timeout=30,
            configure=_configured,
            open=True,
            name="vultus service",
        )

    @property
    def boot(self) -> str:
        """See `ServiceState`."""
        return self._holds.boot

    def close(self) -> None:
        """See `ServiceState`."""
        self._holds.close()
        self._pool.close()
        self._folder.release()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `ServiceState`."""
        if self._work.connection is not None:
            yield
            return
        with self._begun() as connection, _told():
            self._work.connection = connection
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._work.connection = None

    def define(self, *statements: str) -> None:
        """See `ServiceState`: migrations made the tables."""

    def change(self, sql: str, *values: object) -> int:
        """See `ServiceState`."""
        with self.transaction():
            assert self._work.connection is not None  # noqa: S101 - as the transaction made it
            return _executed(self._work.connection, sql, values).rowcount

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """See `ServiceState`; outside of a transaction a change of one row may be a question, too.

        It is asked twice if the connection was lost before an answer came.
        """
        return self._asked(lambda connection: _executed(connection, sql, values).fetchall())

    def row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        """See `ServiceState`."""
        return self._asked(lambda connection: _executed(connection, sql, values).fetchone())

    def scrub(self) -> None:
        """See `ServiceState`: PostgreSQL does that itself (VACUUM, checkpoints)."""

    def hold(self, what: str) -> bool:
        """See `ServiceState`."""
        return self._holds.take(what)

    def release(self, what: str) -> None:
        """See `ServiceState`."""
        self._holds.release(what)

    def is_alive(self, boot: str) -> bool:
        """See `ServiceState`."""
        key = self._holds.key(f"boot {boot}") % (1 << 64)
        row = self.row(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid = ?::bigint::oid AND objid = ?::bigint::oid AND objsubid = 1",
            *(key >> 32, key & 0xFFFFFFFF),
        )
        return row is not None and row[0] > 0

    def pieces(self, job_id: str) -> DatabasePieces:
        """See `ServiceState`."""
        return DatabasePieces(self, job_id)

    def remove_strays(self, known: set[str]) -> None:
        """See `ServiceState`; not what another process may be taking at this moment."""
        old = "SELECT job FROM uploads GROUP BY job HAVING max(at) < ?"
        for (job,) in self.rows(old, time.time() - _STRAY_S):
            if job not in known:
                self.pieces(job).remove()

    def galleries(self) -> dict[str, int]:
        """The galleries that are there now, each with the number that is its alone."""
        return {name: number for number, name in self.rows("SELECT id, name FROM galleries()")}

    def _asked(self, ask: Callable[[Connection], _T]) -> _T:
        if self._work.connection is not None:
            with _told():
                return ask(self._work.connection)
        for last in (False, True):
            try:
                with self._connection() as connection:
                    return ask(connection)
            except psycopg.Error as error:
                if last or not isinstance(error, _LOST):
                    raise _problem() from error
                self._pool.check()
        raise AssertionError  # the loop returns or raises

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        """A connection in a transaction that is alone; one that was lost is replaced."""
        for last in (False, True):
            with self._connection() as connection:
                try:
                    connection.execute("BEGIN")
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", (self._alone,))
                except psycopg.Error as error:
                    with suppress(psycopg.Error):
                        connection.execute("ROLLBACK")
                    if last or not connection.closed:
                        raise _problem() from error
                else:
                    yield connection
                    return
            self._pool.check()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            connection = self._pool.getconn()
        except PoolTimeout:
            raise _problem() from None
        try:
            yield connection
        finally:
            self._pool.putconn(connection)


def _executed(
    connection: Connection, sql: str, values: tuple[object, ...]
) -> psycopg.Cursor[tuple[Any, ...]]:
    # SQLite has no booleans: such columns are numbers.
    given = [int(value) if isinstance(value, bool) else value for value in values]
    return connection.execute(sql.replace("?", "%s").encode(), given)


def _configured(connection: Connection) -> None:
    connection.execute("SET search_path = vultus_service")


@contextmanager
def _told() -> Iterator[None]:
    """An error of the database as who asks is told it."""
    try:
        yield
    except psycopg.Error as error:
        raise _problem() from error


def _problem() -> ProblemError:
    return ProblemError(
        503,
        "no-database",
        "the service's database does not answer; come again",
        headers={"Retry-After": "2"},
    )
