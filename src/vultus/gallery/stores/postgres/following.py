"""Hearing of the changes of a gallery in a database, so that what is in memory is kept up."""

import logging
import threading
from collections.abc import Callable

import psycopg

from vultus.core.errors import VultusError
from vultus.gallery.stores.postgres.connecting import Connection
from vultus.gallery.stores.postgres.sessions import Sessions

logger = logging.getLogger(__name__)

_LOOK_S = 1.0
"""So often it is looked whether to stop."""
_AGAIN_S = 2.0


class Follower:
    """Calls something after each change of a gallery, in a thread of its own.

    It only saves time: whoever searches asks for the last position in any case, so that a
    notification that is missed, as while the connection is made anew, loses nothing.

    Args:
        sessions: Of the gallery.
        on_change: Called after one or several changes, and once at the beginning; what it raises
            is logged.
    """

    def __init__(self, sessions: Sessions, on_change: Callable[[], object]) -> None:
        self._sessions, self._on_change = sessions, on_change
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vultus follower", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait for what is being done; closing twice is fine."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._sessions.alone() as connection:
                    _listen(connection)
                    self._tell()  # of what was missed
                    while not self._stop.is_set():
                        if list(connection.notifies(timeout=_LOOK_S, stop_after=1)):
                            self._tell()
            except (psycopg.Error, VultusError) as error:
                if not self._stop.is_set():
                    logger.warning("changes of a gallery are not heard for now: %s", type(error))
                self._stop.wait(_AGAIN_S)

    def _tell(self) -> None:
        try:
            self._on_change()
        except VultusError as error:  # whoever searches is told, too
            logger.warning("changes of a gallery were not taken over: %s", type(error))


def _listen(connection: Connection) -> None:
    row = connection.execute("SELECT vultus_db.gallery()").fetchone()
    number = 0 if row is None or row[0] is None else int(row[0])
    channel = psycopg.sql.Identifier(f"vultus_{number}")
    connection.execute(psycopg.sql.SQL("LISTEN {}").format(channel))
