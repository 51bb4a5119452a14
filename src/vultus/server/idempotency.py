"""`Idempotency-Key`: who asks again, not knowing whether it was done, gets the first answer.

An answer is sealed with a key made of the access key and the idempotency key of who asked: the
service, which keeps digests of both, cannot open it before they ask again.
"""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Collection, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from vultus.core.errors import (
    GalleryBusyError,
    GalleryUncertainError,
    GalleryUnreachableError,
    VultusError,
)
from vultus.gallery.security.sealing import new_cipher, seal, unseal
from vultus.server.problems import ProblemError
from vultus.server.sessions import COOKIE
from vultus.server.state.base import ServiceState

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
HEADER_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Chosen by who asks: asked again with it, this is done once, and the first "
    "answer comes again.",
}
"""For the documentation of what takes it."""
_LONGEST = 255
_KEPT_HEADERS = ("content-type", "location", "etag")
_CHUNK = 1 << 20
_REFUSALS = (VultusError, ProblemError, HTTPException, RequestValidationError)
_PERHAPS_DONE = (GalleryBusyError, GalleryUncertainError, GalleryUnreachableError)
"""What was to be made may be there, and only what was to be told of it could not be read."""
_MAKING = (201, 202)
_TABLE = """CREATE TABLE IF NOT EXISTS idempotency (
    tag BLOB PRIMARY KEY, asked BLOB NOT NULL, at REAL NOT NULL, boot TEXT, answer BLOB,
    seed BLOB)"""
_SEED_BYTES = 32

_ATTEMPT: ContextVar["Attempt | None"] = ContextVar("attempt", default=None)
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Operation = TypeVar("Operation", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that has an idempotency key and is being worked on.

    Attributes:
        id: By which what it changes can be known again; 64 hexadecimal digits.
        secret: What seals its answer.
        seed: Random, and the same when it is begun again.
        resumed: It was begun before, and nobody knows how far it came: the service was killed, or
            failed. What it was to make may be there.
        answer: The answer that it had; None if it is to be worked on.
    """

    id: str
    secret: bytes
    seed: bytes
    resumed: bool = False
    answer: Response | None = None

    def material(self, what: str) -> bytes:
        """64 bytes for ids and keys that are made: random, and the same when it is begun again.

        They cannot be told without both what the caller showed and this service's file, and not
        by the file any more when the answer is kept.

        Args:
            what: What they are for.
        """
        return hmac.digest(self.secret, b"made " + self.seed + what.encode(), "sha512")


class Idempotency:
    """The answers that a service has given to requests with an idempotency key.

    Args:
        file: Where they are kept.
        keep_s: How long, in seconds.
    """

    def __init__(self, file: ServiceState, *, keep_s: float) -> None:
        self._file, self.keep_s = file, keep_s
        file.define(_TABLE)
        if not file.shared:
            columns = {row[1] for row in file.rows("PRAGMA table_info(idempotency)")}
            if "seed" not in columns:  # a file of before
                file.define("ALTER TABLE idempotency ADD COLUMN seed BLOB")

    def begin(self, request: Request, who: str, key: str, asked: bytes) -> Attempt:
        """Begin a request, or find what was answered.

        Args:
            request: The request, with who asks.
            who: Id of the access key.
            key: The idempotency key.
            asked: Digest of what is asked for.

        Raises:
            ProblemError: 422 if the key was given for something else, 409 if that is being worked
                on, 400 if it is no key.
        """
        if not (0 < len(key) <= _LONGEST and key.isascii() and key.isprintable()):
            raise ProblemError(
                400, "bad-request", f"{HEADER} must be 1 to {_LONGEST} printable characters"
            )
        secret = hmac.digest(_credential(request), b"idempotency " + key.encode(), "sha256")
        tag = hashlib.sha256(f"{who}\0{key}".encode()).digest()
        sealed_ask = hmac.digest(secret, b"asked " + asked, "sha256")
        with self._file.transaction():
            self._forget_old()
            row = self._file.row(
                "SELECT asked, boot, answer, seed FROM idempotency WHERE tag = ?", tag
            )
            if row is not None and not hmac.compare_digest(row[0], sealed_ask):
                raise ProblemError(
                    422, "idempotency-key-reused", f"this {HEADER} was given for something else"
                )
            if row is not None and row[1] is not None and self._file.is_alive(row[1]):
                raise ProblemError(
                    409,
                    "idempotency-in-flight",
                    "the request with this key is being worked on; come again",
                    headers={"Retry-After": "1"},
                )
            if row is not None and row[2] is not None:
                return Attempt(tag.hex(), secret, b"", answer=_opened(secret, row[2]))
            seed = secrets.token_bytes(_SEED_BYTES) if row is None or row[3] is None else row[3]
            self._file.change("DELETE FROM idempotency WHERE tag = ?", tag)
            self._file.change(
                "INSERT INTO idempotency (tag, asked, at, boot, answer, seed)"
                " VALUES (?, ?, ?, ?, NULL, ?)",
                *(tag, sealed_ask, time.time(), self._file.boot, seed),
            )
        return Attempt(tag.hex(), secret, seed, resumed=row is not None)

    def finish(self, attempt: Attempt, answer: Response) -> None:
        """Keep the answer; inside a transaction of the file it stands or falls with the rest."""
        headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
        told = json.dumps([answer.status_code, headers, bytes(answer.body).decode()])
        sealed = seal(_cipher(attempt.secret), told.encode(), b"answer")
        self._file.change(
            "UPDATE idempotency SET boot = NULL, answer = ?, at = ?, seed = NULL WHERE tag = ?",
            *(sealed, time.time(), bytes.fromhex(attempt.id)),
        )

    def release(self, attempt: Attempt) -> None:
        """Forget a request that was refused, and so changed nothing."""
        self._file.change("DELETE FROM idempotency WHERE tag = ?", bytes.fromhex(attempt.id))

    def interrupt(self, attempt: Attempt) -> None:
        """Note that a request failed, nobody knows where; who asks again goes on with it."""
        self._file.change(
            "UPDATE idempotency SET boot = NULL WHERE tag = ?", bytes.fromhex(attempt.id)
        )

    def expire(self) -> int:
        """Forget what was kept for long enough; how many answers it were."""
        with self._file.transaction():
            return self._forget_old()

    def _forget_old(self) -> int:
        return self._file.change(
            "DELETE FROM idempotency WHERE at < ? AND (boot IS NULL OR boot <> ?)",
            *(time.time() - self.keep_s, self._file.boot),
        )


def streamed(operation: Operation) -> Operation:
    """Mark an operation that reads its body itself, and sees to `HEADER` when it has."""
    operation.streamed = True  # type: ignore[attr-defined]
    return operation


def is_streamed(operation: Callable[..., Any]) -> bool:
    """Whether an operation was marked by `streamed`."""
    return getattr(operation, "streamed", False)


def creates(methods: Collection[str] | None, status: int | None) -> bool:
    """Whether an operation makes something, and so takes `HEADER`."""
    return "POST" in (methods or ()) and status in _MAKING


async def answered_once(request: Request, handle: Handler) -> Response:
    """The answer of an operation that makes something, after it is known who asks.

    It finds its `Attempt` by `attempt_now`. Only what was done is remembered: a refused request
    changed nothing, and may be sent again.

    Args:
        request: The request.
        handle: The operation.
    """
    key = request.headers.get(HEADER)
    if key is None:
        _ATTEMPT.set(None)  # a connection's next request may begin in what the last left as context
        return await handle(request)
    store: Idempotency = request.app.state.context.background.idempotency
    try:
        asked = await _asked(request)
        attempt = await run_in_threadpool(store.begin, request, request.state.key_id, key, asked)
        if attempt.answer is not None:
            return attempt.answer
        token = _ATTEMPT.set(attempt)
        try:
            return await _kept(store, attempt, handle(request))
        finally:
            _ATTEMPT.reset(token)
    finally:
        await request.close()  # the files of a form that nobody else read


def material_now(what: str) -> bytes:
    """`Attempt.material` of the attempt at hand; random bytes where there is none."""
    attempt = _ATTEMPT.get()
    return secrets.token_bytes(64) if attempt is None else attempt.material(what)


def attempt_now() -> Attempt | None:
    """The attempt that the request at hand is; None if it has no idempotency key."""
    return _ATTEMPT.get()


async def _kept(
    store: Idempotency, attempt: Attempt, work: Coroutine[Any, Any, Response]
) -> Response:
    try:
        answer = await work
        if answer.status_code < 300 and hasattr(answer, "body"):
            # Kept though who asked went away meanwhile.
            await asyncio.shield(run_in_threadpool(store.finish, attempt, answer))
        else:
            await run_in_threadpool(store.release, attempt)
    except _PERHAPS_DONE:
        await run_in_threadpool(store.interrupt, attempt)
        raise
    except _REFUSALS:
        await run_in_threadpool(store.release, attempt)
        raise
    except Exception:
        await run_in_threadpool(store.interrupt, attempt)
        raise
    return answer


async def _asked(request: Request) -> bytes:
    """Digest of what is asked for; parts of a form whatever its boundary is."""
    whole = hashlib.sha256()
    for text in (request.method, request.url.path, request.url.query):
        _add(whole, text.encode())
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        for name, value in (await request.form()).multi_items():
            _add(whole, name.encode())
            _add(whole, await _content(value))
    else:
        _add(whole, await request.body())
    return whole.digest()


def _add(whole: "hashlib._Hash", part: bytes) -> None:
    whole.update(len(part).to_bytes(8, "big") + part)


async def _content(value: UploadFile | str) -> bytes:
    if isinstance(value, str):
        return b"text " + value.encode()
    digest = hashlib.sha256()
    while chunk := await value.read(_CHUNK):
        digest.update(chunk)
    await value.seek(0)
    return b"file " + digest.digest()


def _credential(request: Request) -> bytes:
    return (request.headers.get("authorization") or request.cookies.get(COOKIE, "")).encode()


def _cipher(secret: bytes) -> Any:
    return new_cipher(hmac.digest(secret, b"answer", "sha256"))


def _opened(secret: bytes, sealed: bytes) -> Response:
    told = unseal(_cipher(secret), sealed, b"answer")
    if told is None:
        raise ProblemError(500, "internal", "the answer that was kept is damaged")
    status, headers, body = json.loads(told)
    return Response(body, status, {**headers, REPLAYED: "true"})
