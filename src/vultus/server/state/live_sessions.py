"""Liveness sessions that hold in every process of a service.

A session is what it was shown: each frame is kept, sealed, with what detector and embedder said of
it, and a process that has not seen some of them takes them in before the next. What seals is made
of the session's id, which the database has only the SHA-256 of; of an accepted session's person
nothing can be read without the token. Times are by the database's clock.
"""

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any

import numpy as np

from vultus.core.embeddings import Embeddings, EmbeddingSpace, check_same_space
from vultus.gallery.security.sealing import derive, new_cipher, seal, unseal
from vultus.image.io import read_image
from vultus.liveness.session.challenge import Challenge
from vultus.liveness.session.proof import LiveProof, make_token
from vultus.liveness.session.session import LivenessSession, Progress, Reason, Seen
from vultus.server.live_sessions import (
    MOST_SESSIONS,
    VALID_S,
    Standing,
    check_nonce,
    drawn,
    not_found,
    spent,
    too_many,
)
from vultus.server.problems import ProblemError
from vultus.server.state.base import ServiceState

_NOW = "extract(epoch FROM clock_timestamp())::float8"
_TRIES = 5
"""Who sends frames at once to several processes is asked to send them one after the other."""


@dataclass(slots=True)
class _Replica:
    """A session as this process knows it: after so many frames.

    Attributes:
        id: 32 hex digits.
        begun: What it began with.
        ends_s: When it is forgotten, by the database's clock.
        session: After ``n`` frames.
        end: How it ended, wherever that was; None while it goes on.
    """

    id: str
    begun: dict[str, Any]
    ends_s: float
    session: LivenessSession = field(init=False)
    n: int = 0
    end: Standing | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.anew()

    def anew(self) -> None:
        """As it was before its first frame."""
        self.session = LivenessSession(_challenge(self.begun), begun_s=self.begun["begun_s"])
        self.n = 0

    @property
    def standing(self) -> Standing:
        """Where it stands."""
        if self.end is not None:
            return self.end
        return Standing(id=self.id, nonce=self.begun["nonce"], progress=self.session.progress)


class SharedLiveSessions:
    """Sessions in the database; `vultus.server.live_sessions.LivenessSessions`.

    Args:
        state: Where they are kept.
        space: Of the embeddings that this process makes; all must make the same.
        most_pixels: Of a frame.
    """

    def __init__(self, state: ServiceState, space: EmbeddingSpace, *, most_pixels: int) -> None:
        self._state, self._space, self._most_pixels = state, space, most_pixels
        self._known: dict[str, _Replica] = {}
        self._lock = threading.Lock()

    def begin(self, key_id: str, *, audience: str, movements: int, lights: int = 0) -> Standing:
        """See `LivenessSessions`; of all processes so many may go on as of one."""
        session_id, challenge = secrets.token_hex(16), drawn(movements, lights)
        with self._state.transaction():
            self._state.change(f"DELETE FROM liveness_sessions WHERE ends_at < {_NOW}")  # noqa: S608 - no value in it
            row = self._state.row(f"SELECT count(*), {_NOW} FROM liveness_sessions")  # noqa: S608 - likewise
            assert row is not None  # noqa: S101 - a count has one
            if row[0] >= MOST_SESSIONS:
                raise too_many()
            begun = {
                **asdict(challenge), "begun_s": row[1], "audience": audience,
                "space": self._space.to_dict(),
            }  # fmt: skip
            self._state.change(
                "INSERT INTO liveness_sessions (digest, key_id, ends_at, begun)"
                " VALUES (?, ?, ?, ?)",
                *(_digest(session_id), key_id, row[1] + VALID_S),
                _sealed(session_id, "begun", json.dumps(begun).encode()),
            )
        replica = _Replica(session_id, begun, row[1] + VALID_S)
        with self._lock:
            for old in [one for one in self._known.values() if one.ends_s < row[1]]:
                del self._known[old.id]
            self._known[session_id] = replica
        return replica.standing

    def standing(self, session_id: str, key_id: str) -> Standing:
        """See `LivenessSessions`."""
        replica, now = self._found(session_id, key_id)
        with replica.lock:
            for _ in range(_TRIES):
                self._catch_up(replica)
                if (
                    replica.end is not None
                    or not replica.session.wait(now).is_over
                    or self._keep(replica, b"")
                ):
                    break
            return replica.standing

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
        replica, now = self._found(session_id, key_id)
        check_nonce(nonce, replica.session.challenge)
        if replica.end is not None:
            return replica.standing
        seen = look(now)
        with replica.lock:
            for _ in range(_TRIES):
                last_s = self._catch_up(replica)
                if replica.end is not None:
                    return replica.standing
                # Frames that came at once to two processes: the later one came later.
                seen = replace(seen, time_s=max(seen.time_s, last_s + 0.001))
                replica.session.take(seen)
                if self._keep(replica, _frame(seen, photo)):
                    return replica.standing
        raise ProblemError(
            503,
            "busy",
            "send the frames of a liveness session one after the other",
            headers={"Retry-After": "1"},
        )

    def proof(self, token: str, key_id: str, *, audience: str) -> LiveProof:
        """See `LivenessSessions`: of all processes one has the row that it deletes."""
        row = self._state.row(
            "DELETE FROM liveness_sessions WHERE token = ? AND key_id = ? RETURNING proof",
            *(_digest(token), key_id),
        )
        told = None if row is None else _opened(token, "proof", row[0])
        if told is None:
            raise spent()
        kept = json.loads(told)
        faces = _embeddings(kept, EmbeddingSpace(**kept["space"]))
        key = bytes.fromhex(kept["key"])
        proof = LiveProof(token=token, embeddings=faces, key=key, audience=audience)
        proof.check()
        return proof

    def _found(self, session_id: str, key_id: str) -> tuple[_Replica, float]:
        """A session that goes on or has ended lately, and the time."""
        row = self._state.row(
            f"SELECT begun, ended, ends_at, {_NOW} FROM liveness_sessions"  # noqa: S608 - no value in it
            " WHERE digest = ? AND key_id = ?",
            *(_digest(session_id), key_id),
        )
        if row is None or row[2] < row[3]:
            with self._lock:
                self._known.pop(session_id, None)
            raise not_found()
        begun = _opened(session_id, "begun", row[0])
        if begun is None:
            raise not_found()
        with self._lock:
            replica = self._known.setdefault(
                session_id, _Replica(session_id, json.loads(begun), row[2])
            )
        check_same_space(EmbeddingSpace(**replica.begun["space"]), self._space)
        self._note_end(replica, row[1], row[2])
        return replica, row[3]

    def _note_end(self, replica: _Replica, ended: bytes | None, ends_s: float) -> None:
        told = None if ended is None else _opened(replica.id, "ended", ended)
        if told is not None:
            kept = json.loads(told)
            replica.ends_s = ends_s
            replica.end = Standing(
                id=replica.id, nonce=replica.begun["nonce"], token=kept["token"],
                progress=_progress(kept["progress"]),
            )  # fmt: skip

    def _catch_up(self, replica: _Replica) -> float:
        """Take in what other processes looked at; gives the time of the last frame."""
        digest = _digest(replica.id)
        if replica.session.progress.is_over:  # that was not kept: another process was first
            replica.anew()
        row = self._state.row(
            "SELECT ended, ends_at FROM liveness_sessions WHERE digest = ?", digest
        )
        if row is None:
            raise not_found()
        self._note_end(replica, *row)
        if replica.end is not None:
            return 0.0
        frames = self._state.rows(
            "SELECT number, body FROM liveness_frames WHERE session = ? AND number >= ?"
            " ORDER BY number",
            *(digest, replica.n),
        )
        for number, body in frames:
            told = _opened(replica.id, f"frame {number}", body)
            if told is None or number != replica.n:
                raise not_found()
            replica.session.take(self._seen(told))
            replica.n += 1
        return replica.session.last_s

    def _seen(self, data: bytes) -> Seen:
        """What `_frame` was made of."""
        line, _, photo = data.partition(b"\n")
        told = json.loads(line)
        face = told["face"]
        return Seen(
            time_s=told["time_s"],
            sent_s=told["sent_s"],
            n_faces=told["n_faces"],
            image=read_image(photo, max_pixels=self._most_pixels),
            landmarks=None if face is None else np.array(face["landmarks"], np.float32),
            embedding=None if face is None else _embeddings(face, self._space),
        )

    def _keep(self, replica: _Replica, frame: bytes) -> bool:
        """Keep a frame that was taken in, and the end if it was the last.

        Returns:
            False if another process was first with a frame of this number: the replica begins anew
            then, as what it took in is no part of the session.
        """
        try:
            kept = self._kept(replica, frame)
        except BaseException:
            replica.anew()
            raise
        if kept:
            replica.n += 1
        else:
            replica.anew()
        return kept

    def _kept(self, replica: _Replica, frame: bytes) -> bool:
        digest, number = _digest(replica.id), replica.n
        insert = (
            "INSERT INTO liveness_frames (session, number, body)"
            " SELECT digest, ?::bigint, ?::bytea FROM liveness_sessions"
            " WHERE digest = ? AND ended IS NULL ON CONFLICT DO NOTHING RETURNING number"
        )
        values = number, _sealed(replica.id, f"frame {number}", frame), digest
        if not replica.session.progress.is_over:
            return bool(self._state.rows(insert, *values))
        with self._state.transaction():
            kept = bool(self._state.rows(insert, *values))
            if kept:
                self._end(replica, digest)
        return kept

    def _end(self, replica: _Replica, digest: str) -> None:
        """What came of it stays; of what was looked at nothing does."""
        progress, token, proof = replica.session.progress, "", None
        if progress.state == "accepted":
            key, faces = secrets.token_bytes(32), replica.session.embeddings
            token = make_token(
                faces, key=key, session=replica.id, audience=replica.begun["audience"],
                valid_s=VALID_S,
            )  # fmt: skip
            kept = {"key": key.hex(), "space": faces.space.to_dict(), **_numbers(faces)}
            proof = _sealed(token, "proof", json.dumps(kept).encode())
        told = json.dumps({"progress": progress.to_dict(), "token": token}).encode()
        self._state.change(
            f"UPDATE liveness_sessions SET ended = ?, token = ?, proof = ?, ends_at = {_NOW} + ?"  # noqa: S608 - no value in it
            " WHERE digest = ?",
            *(_sealed(replica.id, "ended", told), _digest(token) if token else None, proof),
            *(VALID_S, digest),
        )
        self._state.change("DELETE FROM liveness_frames WHERE session = ?", digest)
        replica.end = Standing(
            id=replica.id, nonce=replica.begun["nonce"], progress=progress, token=token
        )


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _sealed(secret: str, what: str, data: bytes) -> bytes:
    return seal(new_cipher(_key(secret)), data, _bound(secret, what))


def _opened(secret: str, what: str, sealed: bytes) -> bytes | None:
    return unseal(new_cipher(_key(secret)), bytes(sealed), _bound(secret, what))


def _key(secret: str) -> bytes:
    return derive(secret.encode(), salt=b"", purpose="liveness session")


def _bound(secret: str, what: str) -> bytes:
    return f"vultus liveness session\0{_digest(secret)}\0{what}".encode()


def _challenge(begun: dict[str, Any]) -> Challenge:
    return Challenge(
        movements=tuple(begun["movements"]),
        nonce=begun["nonce"],
        movement_s=begun["movement_s"],
        rests_s=tuple(begun["rests_s"]),
        lights=tuple(begun["lights"]),
        lights_s=tuple(begun["lights_s"]),
    )


def _progress(told: dict[str, Any]) -> Progress:
    return Progress(**{**told, "reasons": tuple(Reason(**one) for one in told["reasons"])})


def _frame(seen: Seen, photo: bytes) -> bytes:
    """What was seen, in a line of JSON, and the photo that it was seen on."""
    face = None
    if seen.landmarks is not None and seen.embedding is not None:
        face = {"landmarks": seen.landmarks.tolist(), **_numbers(seen.embedding)}
    told = {
        "time_s": seen.time_s, "sent_s": seen.sent_s, "n_faces": seen.n_faces, "face": face,
    }  # fmt: skip
    return json.dumps(told).encode() + b"\n" + photo


def _numbers(faces: Embeddings) -> dict[str, Any]:
    # A float32 as a number of JSON is the same one when it is read again.
    return {"vectors": faces.vectors.tolist(), "norms": faces.norms.tolist()}


def _embeddings(told: dict[str, Any], space: EmbeddingSpace) -> Embeddings:
    vectors, norms = (np.array(told[name], np.float32) for name in ("vectors", "norms"))
    return Embeddings(vectors, norms, space)
