"""What one process of several does: locks that end with the connection of whoever holds them."""

import logging
import secrets
import threading
import time
from contextlib import suppress
from hashlib import sha256

import psycopg

from vultus.core.errors import VultusError
from vultus.gallery.stores.places import DatabasePlace
from vultus.gallery.stores.postgres.connecting import Connection, connect

logger = logging.getLogger("vultus.server")

_LOOK_S = 0.5
"""So long it is believed that the connection is whole, since it last was."""
_AGAIN_S = 1.0
_ALIVE = (
    # A machine that is gone without a word keeps what it holds for 14 s, not for two hours.
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 3",
    "SET tcp_keepalives_count = 3",
)


class Holds:
    """Advisory locks of PostgreSQL, held by one connection that does nothing else.

    The server lets go of all of them when the connection ends: at once when the process is killed,
    after some seconds when its machine is gone.

    Args:
        place: The database.
        service: Which service's; others may do the same at the same time.

    Attributes:
        boot: As whom this process is known; another one after the connection was lost, as what was
            held was lost with it.
    """

    def __init__(self, place: DatabasePlace, service: str) -> None:
        self._place, self._service = place, service
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._held: set[str] = set()
        self._whole_at = self._tried_at = -_AGAIN_S
        self._closed = False
        self.boot = secrets.token_hex(8)
        self._connected()

    def take(self, what: str) -> bool:
        """Whether this process holds something now; it is taken where nobody does."""
        with self._lock:
            if not self._is_whole():
                return False
            if what in self._held:
                return True
            row = self._asked("SELECT pg_try_advisory_lock(%s)", self.key(what))
            if row is None or not row[0]:
                return False
            self._held.add(what)
            return True

    def release(self, what: str) -> None:
        """Let go of something; what is not held is fine."""
        with self._lock:
            if what in self._held:
                self._held.discard(what)
                self._asked("SELECT pg_advisory_unlock(%s)", self.key(what))

    def close(self) -> None:
        """Let go of all; closing twice is fine."""
        with self._lock:
            self._closed = True
            self._lost()

    def key(self, what: str) -> int:
        """The number of a lock: 64 bits with a sign."""
        digest = sha256(f"vultus\0{self._service}\0{what}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def _is_whole(self) -> bool:
        now = time.monotonic()
        if self._connection is not None and now - self._whole_at < _LOOK_S:
            return True
        if self._connection is not None and self._asked("SELECT 1") is not None:
            return True
        return self._connected()

    def _connected(self) -> bool:
        """Connect, now and then; what was held before is not held any more."""
        now = time.monotonic()
        if self._closed or now - self._tried_at < _AGAIN_S:
            return False
        self._tried_at = now
        try:
            connection = connect(self._place)
        except VultusError as error:
            logger.warning("what one process does rests: %s", type(error).__name__)
            return False
        self._connection = connection
        for statement in _ALIVE:
            self._asked(statement)
        row = self._asked("SELECT pg_try_advisory_lock(%s)", self.key(f"boot {self.boot}"))
        return row is not None

    def _asked(self, sql: str, *values: object) -> tuple[object, ...] | None:
        """The first row of an answer, empty for none; None if the connection is lost."""
        if self._connection is None:
            return None
        try:
            cursor = self._connection.execute(sql.encode(), values or None)
            row = cursor.fetchone() if cursor.description else ()
        except psycopg.Error:
            self._lost()
            return None
        self._whole_at = time.monotonic()
        return row if row is not None else ()

    def _lost(self) -> None:
        connection, self._connection = self._connection, None
        self._held.clear()
        self.boot = secrets.token_hex(8)
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()
