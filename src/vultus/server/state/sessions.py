"""Log-ins of the page that hold in every process of a service."""

import secrets
import time

from vultus.server.access import AccessKey
from vultus.server.sessions import IDLE_S, MOST_SESSIONS, Session, Sessions, token_digest
from vultus.server.state.access import SharedKeys, SharedRates
from vultus.server.state.base import ServiceState

_SELECT = "SELECT key_id, key_digest, csrf, ends_at, seen_at FROM sessions WHERE digest = ?"
_SEEN_EVERY_S = 30.0
"""That a log-in is used is not written with every request."""


class SharedSessions(Sessions):
    """Who is logged in, in the database; by the clocks of the machines, which must agree.

    Args:
        keys: A key that is taken back ends its sessions at once.
        state: Where they are kept.
        hours: As of `Sessions`.
        attempts_per_minute: As of `Sessions`.
    """

    def __init__(
        self,
        keys: SharedKeys,
        state: ServiceState,
        *,
        hours: float = 12,
        attempts_per_minute: int = 10,
    ) -> None:
        super().__init__(keys, hours=hours, clock=time.time)
        self._state = state
        self._tried = SharedRates(state, attempts_per_minute, of="log-in")

    def attempt(self, address: str) -> float:
        """See `Sessions`."""
        return self._tried.wait_s(address)

    def begin(self, key: AccessKey) -> tuple[str, Session]:
        """See `Sessions`."""
        token, now = secrets.token_urlsafe(32), time.time()
        session = self.new(key, now)
        with self._state.transaction():
            self._state.change(
                "DELETE FROM sessions WHERE ends_at <= ? OR seen_at <= ?", now, now - IDLE_S
            )
            self._state.change(
                "DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions"
                " ORDER BY seen_at DESC OFFSET ?)",
                MOST_SESSIONS - 1,
            )
            self._state.change(
                "INSERT INTO sessions (digest, key_id, key_digest, csrf, ends_at, seen_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                *(token_digest(token), session.key_id, session.digest, session.csrf),
                *(session.ends_s, session.seen_s),
            )
        self._tried.forget_idle()
        return token, session

    def find(self, token: str) -> tuple[Session, AccessKey] | None:
        """See `Sessions`."""
        if not token:
            return None
        digest, now = token_digest(token), time.time()
        row = self._state.row(_SELECT, digest)
        if row is None:
            return None
        session = Session(key_id=row[0], digest=row[1], csrf=row[2], ends_s=row[3], seen_s=row[4])
        key = self.key_of(session, now)
        if key is None:
            self.end(token)
            return None
        if now - session.seen_s > _SEEN_EVERY_S:
            self._state.rows(
                "UPDATE sessions SET seen_at = ? WHERE digest = ? RETURNING seen_at", now, digest
            )
        return session, key

    def end(self, token: str) -> None:
        """See `Sessions`."""
        if token:
            self._state.change("DELETE FROM sessions WHERE digest = ?", token_digest(token))
