"""Connections to one gallery of a PostgreSQL database: pooled, entered, given up."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests

from vultus.core.errors import (
    ConfigError,
    GalleryBusyError,
    GalleryError,
)
from vultus.gallery.stores.places import DatabasePlace
from vultus.gallery.stores.postgres.connecting import (
    CONNECT_TIMEOUT_S,
    Connection,
    connect,
    conninfo,
    password_argument,
)
from vultus.gallery.stores.postgres.schema import check_schema

logger = logging.getLogger(__name__)

POOL_SIZE = "VULTUS_POSTGRES_CONNECTIONS"
_POOL_SIZE = 8
_WAITING = 16
"""So many may wait for each connection: more would be told so late that nobody listens any more."""
_warned: set[str] = set()
"""Databases whose settings this process has told of."""


class Sessions:
    """Connections that are in one gallery; threads may share them.

    Args:
        place: The database and the gallery's name.
        create: Make the gallery where there is none.

    Raises:
        GalleryError: If the database cannot be reached, has no tables for galleries, lets its user
            pass over row-level security, or has no such gallery.
    """

    def __init__(self, place: DatabasePlace, *, create: bool) -> None:
        self.place = place
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._closed = False
        with connect(place) as first:
            check_schema(place, first)
            _check_role(place, first)
            _tell_of_settings(place, first)
            if _enter(place, first, create=create) is None:
                raise GalleryError(
                    f"there is no gallery at {place}; enrol somebody to make one (`Gallery.open` "
                    "makes one of a given space)"
                )
        self._pool = ConnectionPool(
            conninfo(place),
            kwargs={"autocommit": True, **password_argument()},
            min_size=1,
            max_size=_pool_size(),
            num_workers=1,
            timeout=CONNECT_TIMEOUT_S,
            max_waiting=_WAITING * _pool_size(),
            max_lifetime=24 * 3600,
            reconnect_timeout=30,
            configure=self._configure,
            open=True,
            name=f"vultus {place.gallery}",
        )

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection that is in the gallery.

        Raises:
            GalleryError: If it was closed, or there is none to be had.
        """
        self.check_open()
        try:
            connection = self._pool.getconn()
        except TooManyRequests:
            raise GalleryBusyError(
                f"{self.place} is in use: too many wait for its {self._pool.max_size} connections; "
                f"try again, or set {POOL_SIZE} higher"
            ) from None
        except PoolTimeout:
            raise self._why_none() from None
        try:
            yield connection
        finally:
            self._pool.putconn(connection)

    def renew(self) -> None:
        """Replace connections that are broken, as after the server was started anew."""
        self._pool.check()

    def alone(self) -> Connection:
        """A connection of one's own, in the gallery, for who listens."""
        self.check_open()
        connection = connect(self.place)
        _enter(self.place, connection)
        return connection

    def close(self) -> None:
        """Close all; closing twice is fine."""
        with self._lock:
            if not self._closed and self._pid == os.getpid():
                self._pool.close()
            self._closed = True

    def check_open(self) -> None:
        """Refuse to go on with what was closed, or opened by another process.

        Raises:
            GalleryError: If it was.
        """
        if self._pid != os.getpid():
            raise GalleryError(
                f"{self.place} was opened before this process was forked; open it again here"
            )
        if self._closed:
            raise GalleryError(f"{self.place} was closed")

    def _configure(self, connection: Connection) -> None:
        if _enter(self.place, connection) is None:
            raise psycopg.OperationalError("the gallery is gone")

    def _why_none(self) -> GalleryError:
        try:
            connect(self.place).close()
        except GalleryError as error:
            return error
        return GalleryBusyError(
            f"{self.place} is in use: all {self._pool.max_size} connections are taken; try again, "
            f"or set {POOL_SIZE} higher"
        )


def _check_role(place: DatabasePlace, connection: Connection) -> None:
    row = connection.execute(
        "SELECT rolsuper OR rolbypassrls,"
        " pg_has_role(session_user, (SELECT nspowner FROM pg_namespace WHERE"
        " nspname = 'vultus_db'),"
        " 'MEMBER') FROM pg_roles WHERE rolname = session_user"
    ).fetchone()
    if row is None or row[0] or row[1]:
        raise GalleryError(
            f"{connection.info.user} owns the tables of {place} or is above them, so that nothing "
            "would keep galleries apart; log in as a role that `vultus database upgrade --grant` "
            "let in"
        )


def _tell_of_settings(place: DatabasePlace, connection: Connection) -> None:
    """Warn, once in a process, of settings with which what was acknowledged could be lost."""
    where = str(place).removesuffix(f"/{place.gallery}")
    if where in _warned:
        return
    _warned.add(where)
    row = connection.execute(
        "SELECT current_setting('fsync'), current_setting('full_page_writes'),"
        " current_setting('synchronous_standby_names')"
    ).fetchone()
    fsync, full_pages, standbys = row or ("on", "on", "")
    if fsync != "on" or full_pages != "on":
        logger.warning(
            "%s: fsync and full_page_writes must be on; a crash of the server could lose what was "
            "acknowledged",
            where,
        )
    if "," in place.hosts and not standbys:
        logger.warning(
            "%s: synchronous_standby_names is empty; a failover could lose what was acknowledged",
            where,
        )


def _enter(place: DatabasePlace, connection: Connection, *, create: bool = False) -> int | None:
    try:
        row = connection.execute(
            "SELECT vultus_db.enter(%s, %s)", (place.gallery, create)
        ).fetchone()
        # What is acknowledged is on disk, also of the standby, whatever the server's default is.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE"
            " current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')"
        )
    except psycopg.errors.UniqueViolation:
        # A connection of before had this one's number, and is not forgotten yet.
        raise psycopg.OperationalError("the number of the connection is taken") from None
    return None if row is None else row[0]


def _pool_size() -> int:
    text = os.environ.get(POOL_SIZE, "")
    if not text:
        return _POOL_SIZE
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise ConfigError(f"${POOL_SIZE} must be a number from 1 to 1000, got {text!r}")
    return int(text)
