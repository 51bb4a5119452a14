"""What an accepted session leaves: a token about one person, signed by who judged."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_range
from vultus.core.embeddings import Embeddings, check_same_space
from vultus.core.errors import InputError, LivenessError

_VERSION = 1
_LEAST_KEY_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProof:
    """That a person made the movements of a session, for whoever has the key.

    Attributes:
        token: Session, audience, digest of the embeddings and expiry, with an HMAC-SHA256.
        embeddings: The neutral faces of the session, (n, dim).
        key: What the token is signed with.
        audience: For what it holds: a gallery's id, a tenant; empty for anything.
    """

    token: str
    embeddings: Embeddings
    key: bytes
    audience: str = ""

    def check(self, *, now_s: float | None = None) -> None:
        """Raise unless the token holds for these embeddings, here and now.

        Args:
            now_s: Seconds since 1970; None asks the clock.

        Raises:
            LivenessError: If not; the message says why.
        """
        read_token(
            self.token, key=self.key, audience=self.audience, embeddings=self.embeddings,
            now_s=now_s,
        )  # fmt: skip

    def likeness(self, faces: Embeddings) -> npt.NDArray[np.float32]:
        """How alike faces are to the session's person.

        Args:
            faces: (n, dim).

        Returns:
            (n,) cosine similarities to the mean of the session's faces.

        Raises:
            SpaceMismatchError: If the session was embedded by another model or settings.
        """
        check_same_space(self.embeddings.space, faces.space)
        mean = self.embeddings.vectors.astype(np.float64).mean(axis=0)
        return np.asarray(faces.vectors @ (mean / np.linalg.norm(mean)), np.float32)


def make_token(
    embeddings: Embeddings,
    *,
    key: bytes,
    session: str,
    audience: str = "",
    valid_s: float = 120.0,
    now_s: float | None = None,
) -> str:
    """Sign that an accepted session was of the person of these embeddings.

    Args:
        embeddings: `LivenessSession.embeddings`.
        key: 16 bytes at least that only who judges has.
        session: Its id.
        audience: For what the token is to hold.
        valid_s: How long, in seconds.
        now_s: Seconds since 1970; None asks the clock.

    Returns:
        URL-safe text.

    Raises:
        InputError: If the key is too short or the time out of range.
    """
    _check_key(key)
    check_range("valid_s", valid_s, low=1, high=86_400)
    now = time.time() if now_s is None else now_s
    claims = {
        "v": _VERSION,
        "session": session,
        "audience": audience,
        "embeddings": _digest(embeddings),
        "decision": "accepted",
        "expires": int(now + valid_s),
        "once": secrets.token_hex(8),
    }
    body = json.dumps(claims, separators=(",", ":"), sort_keys=True).encode()
    return f"{_text(body)}.{_text(_signature(body, key))}"


def read_token(
    token: str,
    *,
    key: bytes,
    audience: str,
    embeddings: Embeddings,
    now_s: float | None = None,
) -> str:
    """Check a token.

    Args:
        token: As `make_token` gave it.
        key: What it was signed with.
        audience: For what it is asked.
        embeddings: Of whom.
        now_s: Seconds since 1970; None asks the clock.

    Returns:
        The session's id.

    Raises:
        LivenessError: If it is no such token, of another key, audience or person, or too old.
    """
    _check_key(key)
    claims = _claims(token, key)
    now = time.time() if now_s is None else now_s
    if claims.get("v") != _VERSION or claims.get("decision") != "accepted":
        raise _refused("is of another version")
    if claims["expires"] < now:
        raise _refused("has expired; make another session")
    if claims["audience"] != audience:
        raise _refused("is for something else than what it is used for")
    if not hmac.compare_digest(claims["embeddings"], _digest(embeddings)):
        raise _refused("is of another person's session")
    return str(claims["session"])


def _claims(token: str, key: bytes) -> dict[str, Any]:
    body, dot, signature = token.partition(".")
    try:
        data, given = _bytes(body), _bytes(signature)
    except (binascii.Error, ValueError):
        raise _refused("is damaged") from None
    if not dot or not hmac.compare_digest(_signature(data, key), given):
        raise _refused("was not signed here, or was changed")
    claims: dict[str, Any] = json.loads(data)
    return claims


def _refused(why: str) -> LivenessError:
    return LivenessError(f"the token of the liveness session {why}")


def _check_key(key: bytes) -> None:
    if len(key) < _LEAST_KEY_BYTES:
        raise InputError(
            f"a key that signs liveness sessions must have {_LEAST_KEY_BYTES} bytes at least, has "
            f"{len(key)}"
        )


def _digest(embeddings: Embeddings) -> str:
    space = json.dumps(embeddings.space.to_dict(), sort_keys=True).encode()
    rows = np.ascontiguousarray(embeddings.vectors).astype("<f4").tobytes()
    return hashlib.sha256(space + b"\0" + rows).hexdigest()


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, b"vultus-liveness-session\0" + body, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
