"""Active liveness sessions of a service, in memory alone: a restart ends them."""

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from vultus.core.errors import LivenessError
from vultus.liveness.session.challenge import Challenge, draw_challenge
from vultus.liveness.session.proof import LiveProof, make_token
from vultus.liveness.session.session import LivenessSession, Progress, Seen
from vultus.server.problems import ProblemError

VALID_S = 120.0
"""So long may a session take, and so long does what it gave hold."""
MOST_SESSIONS = 200
"""Sessions that are remembered; more are asked to come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a session stands.

    Attributes:
        id: 32 hex digits.
        nonce: What frames must show; only who began the session is told.
        progress: Where it stands.
        token: Of an accepted session; empty else.
    """

    id: str
    nonce: str
    progress: Progress
    token: str = ""


class LivenessSessions(Protocol):
    """All sessions of a service; threads may share them."""

    def begin(self, key_id: str, *, audience: str, movements: int, lights: int = 0) -> Standing:
        """Begin a session: one try at movements that are drawn now.

        Args:
            key_id: Of the key that begins it; no other goes on with it.
            audience: The gallery that it is for; empty for comparisons of two photos.
            movements: How many.
            lights: How many colours of the screen afterwards; 0 for none.

        Raises:
            ProblemError: If too many go on.
        """

    def standing(self, session_id: str, key_id: str) -> Standing:
        """Where a session stands; its time goes on though no frame comes.

        Raises:
            ProblemError: If the key began none of this id, or its time is over.
        """

    def take(
        self,
        session_id: str,
        key_id: str,
        *,
        nonce: str,
        photo: bytes,
        look: Callable[[float], Seen],
    ) -> Standing:
        """Look at the next frame; one after the other.

        Args:
            session_id: Of the session.
            key_id: Of who sends it.
            nonce: As they know it.
            photo: The frame as it was sent.
            look: Looks at it as what came at a time, in seconds.

        Raises:
            ProblemError: As `standing`, or if the nonce is another.
            VultusError: As ``look`` raises; nothing is taken then.
        """

    def proof(self, token: str, key_id: str, *, audience: str) -> LiveProof:
        """Spend a token: it holds for one decision, whatever comes of that.

        Raises:
            LivenessError: If it is none of this service and key, was spent, or is for another use.
        """


@dataclass(slots=True)
class _Held:
    id: str
    key_id: str
    audience: str
    session: LivenessSession
    ends_s: float
    token: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def standing(self) -> Standing:
        nonce = self.session.challenge.nonce
        return Standing(id=self.id, nonce=nonce, progress=self.session.progress, token=self.token)


class LiveSessions:
    """Sessions of one process; `LivenessSessions`.

    Args:
        clock: Seconds that go on.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._key = secrets.token_bytes(32)
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def begin(self, key_id: str, *, audience: str, movements: int, lights: int = 0) -> Standing:
        """See `LivenessSessions`."""
        now = self.clock()
        session = LivenessSession(drawn(movements, lights), begun_s=now)
        held = _Held(secrets.token_hex(16), key_id, audience, session, now + VALID_S)
        with self._lock:
            for old in [one for one in self._held.values() if one.ends_s < now]:
                del self._held[old.id]
            if len(self._held) >= MOST_SESSIONS:
                raise too_many()
            self._held[held.id] = held
        return held.standing

    def standing(self, session_id: str, key_id: str) -> Standing:
        """See `LivenessSessions`."""
        held = self._get(session_id, key_id)
        with held.lock:
            return self._settled(held, held.session.wait(self.clock()))

    def take(
        self,
        session_id: str,
        key_id: str,
        *,
        nonce: str,
        photo: bytes,
        look: Callable[[float], Seen],
    ) -> Standing:
        """See `LivenessSessions`."""
        held = self._get(session_id, key_id)
        check_nonce(nonce, held.session.challenge)
        with held.lock:
            if held.session.progress.is_over:
                return held.standing
            return self._settled(held, held.session.take(look(self.clock())))

    def proof(self, token: str, key_id: str, *, audience: str) -> LiveProof:
        """See `LivenessSessions`."""
        with self._lock:
            found = [one for one in self._held.values() if one.token and one.token == token]
            if not found or found[0].key_id != key_id:
                raise spent()
            del self._held[found[0].id]
        faces = found[0].session.embeddings
        proof = LiveProof(token=token, embeddings=faces, key=self._key, audience=audience)
        proof.check()
        return proof

    def _get(self, session_id: str, key_id: str) -> _Held:
        held = self._held.get(session_id)
        if held is None or held.key_id != key_id or held.ends_s < self.clock():
            raise not_found()
        return held

    def _settled(self, held: _Held, progress: Progress) -> Standing:
        """What came of a frame, with a token where the session was accepted just now."""
        if progress.state == "accepted" and not held.token:
            held.ends_s = self.clock() + VALID_S
            held.token = make_token(
                held.session.embeddings, key=self._key, session=held.id, audience=held.audience,
                valid_s=VALID_S,
            )  # fmt: skip
        return held.standing


def drawn(movements: int, lights: int) -> Challenge:
    """What is asked in a session that begins now."""
    return draw_challenge(movements, lights=lights)


def check_nonce(nonce: str, challenge: Challenge) -> None:
    """Raise unless who sends a frame knows the session's nonce.

    Raises:
        ProblemError: If not.
    """
    if not hmac.compare_digest(nonce, challenge.nonce):
        raise ProblemError(403, "forbidden", "the nonce is not that of this session")


def not_found() -> ProblemError:
    """The error of a session that is not there."""
    return ProblemError(
        404, "session-not-found", "there is no such liveness session, or its time is over"
    )


def too_many() -> ProblemError:
    """The error of one session too many."""
    return ProblemError(
        503,
        "busy",
        f"{MOST_SESSIONS} liveness sessions go on; come again",
        headers={"Retry-After": "30"},
    )


def spent() -> LivenessError:
    """The error of a token that holds no more."""
    return LivenessError(
        "the token of the liveness session is none of this service, or was used before"
    )
