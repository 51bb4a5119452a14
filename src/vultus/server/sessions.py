"""Log-in of the page: a key is shown once, then a cookie stands for it until it ends."""

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

from starlette.requests import HTTPConnection

from vultus.server.access import AccessKey, Keys, RateLimit
from vultus.server.problems import ProblemError

COOKIE = "vultus_session"
CSRF_HEADER = "X-CSRF-Token"
_SAFE = ("GET", "HEAD", "OPTIONS")
IDLE_S = 3600.0
MOST_SESSIONS = 1000
"""Sessions at once; the one that has waited longest gives way to the next."""
_MOST_ADDRESSES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A log-in.

    Attributes:
        key_id: Of the key that was shown.
        digest: Of that key, so that another one under its id does not take over.
        csrf: What the page sends along with whatever changes something.
        ends_s: When it ends at the latest, by the clock.
        seen_s: When it was last used, by the clock.
    """

    key_id: str
    digest: str
    csrf: str
    ends_s: float
    seen_s: float


class Sessions:
    """Who is logged in, in memory alone: a restart logs everybody out.

    Args:
        keys: A key that is taken back ends its sessions at once.
        hours: How long one lasts at most; one that is not used for an hour ends, too.
        attempts_per_minute: Log-ins that an address may try.
        clock: Seconds that go on.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        hours: float = 12,
        attempts_per_minute: int = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys, self._lasts_s, self._clock = keys, 3600 * hours, clock
        self._attempts_per_minute = attempts_per_minute
        self._attempts: dict[str, RateLimit] = {}
        self._lock = threading.Lock()
        self._open: dict[str, Session] = {}

    @property
    def lasts_s(self) -> int:
        """How long a session lasts at most, seconds."""
        return int(self._lasts_s)

    def attempt(self, address: str) -> float:
        """Count a log-in that an address tries; 0 if it may, else seconds until it may again."""
        with self._lock:
            if len(self._attempts) >= _MOST_ADDRESSES and address not in self._attempts:
                del self._attempts[next(iter(self._attempts))]  # who came first
            limit = self._attempts.setdefault(
                address, RateLimit(self._attempts_per_minute, clock=self._clock)
            )
        return limit.wait_s(address)

    def new(self, key: AccessKey, now: float) -> Session:
        """A session that begins now, by the clock."""
        return Session(
            key_id=key.id,
            digest=key.digest,
            csrf=secrets.token_urlsafe(24),
            ends_s=now + self._lasts_s,
            seen_s=now,
        )

    def key_of(self, session: Session, now: float) -> AccessKey | None:
        """The key of a session; None if it ended, or the key was taken back."""
        key = self._keys.get(session.key_id)
        if _ended(session, now) or key is None or key.digest != session.digest:
            return None
        return key

    def begin(self, key: AccessKey) -> tuple[str, Session]:
        """Log in.

        Returns:
            What the cookie holds, which nobody can tell again, and the session.
        """
        token, now = secrets.token_urlsafe(32), self._clock()
        session = self.new(key, now)
        with self._lock:
            self._drop_ended(now)
            if len(self._open) >= MOST_SESSIONS:
                del self._open[min(self._open, key=lambda digest: self._open[digest].seen_s)]
            self._open[token_digest(token)] = session
        return token, session

    def find(self, token: str) -> tuple[Session, AccessKey] | None:
        """The session of a cookie with its key; None if it ended, or its key was taken back."""
        digest, now = token_digest(token), self._clock()
        with self._lock:
            session = self._open.get(digest)
            if session is None:
                return None
            key = self.key_of(session, now)
            if key is None:
                del self._open[digest]
                return None
            self._open[digest] = session = replace(session, seen_s=now)
        return session, key

    def end(self, token: str) -> None:
        """Log out; a cookie that stands for nothing is fine."""
        with self._lock:
            self._open.pop(token_digest(token), None)

    def _drop_ended(self, now: float) -> None:
        for digest in [d for d, session in self._open.items() if _ended(session, now)]:
            del self._open[digest]


def key_by_cookie(sessions: Sessions, asked: HTTPConnection) -> AccessKey | None:
    """The key of whoever is logged in; None for a stranger.

    Args:
        sessions: Who is logged in.
        asked: A request, or the first of a WebSocket.

    Raises:
        ProblemError: If the request changes something and does not show, by the token that only
            the page can read, that the page sent it; or if a WebSocket is of another page.
    """
    found = sessions.find(asked.cookies.get(COOKIE, ""))
    if found is None:
        return None
    session, key = found
    if asked.scope["type"] == "websocket":
        if not same_origin(asked, needed=True):
            raise ProblemError(403, "foreign-origin", "only this service's own page may connect")
    elif asked.scope["method"] not in _SAFE:
        token = asked.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(token.encode(), session.csrf.encode()):
            raise ProblemError(
                403, "csrf", f"with the cookie of a log-in, send its token as {CSRF_HEADER}"
            )
    return key


def same_origin(asked: HTTPConnection, *, needed: bool = False) -> bool:
    """Whether a request comes from a page of this very service, as the browser tells.

    Args:
        asked: The request.
        needed: Whether it must be told; else a program that tells nothing is fine.
    """
    origin, host = asked.headers.get("origin"), asked.headers.get("host", "")
    if origin is None:
        return not needed
    return origin.partition("://")[2] == host


def _ended(session: Session, now: float) -> bool:
    return now >= session.ends_s or now - session.seen_s >= IDLE_S


def token_digest(token: str) -> str:
    """What is kept of what a cookie holds."""
    return sha256(token.encode()).hexdigest()
