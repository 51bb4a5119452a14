"""The webhooks of a service, and what became of what was sent, in the service's file."""

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vultus.gallery.gallery import Gallery
from vultus.gallery.security.sealing import seal, unseal
from vultus.server.problems import ProblemError
from vultus.server.service_file import gallery_cipher
from vultus.server.state.base import ServiceState
from vultus.server.webhooks.sending import Sent
from vultus.server.webhooks.signing import new_secret

OVERLAP_S = 24 * 3600.0
"""So long an old secret signs beside the new one."""
MOST_HOOKS = 20
"""Of one gallery."""
_KEPT_DELIVERIES = 10_000
_TABLES = (
    """CREATE TABLE IF NOT EXISTS webhooks (
    id TEXT PRIMARY KEY, gallery TEXT NOT NULL, url BLOB NOT NULL, types TEXT, names INTEGER,
    secrets BLOB NOT NULL, made_at REAL NOT NULL, failures INTEGER NOT NULL DEFAULT 0,
    failing_since REAL, due_at REAL NOT NULL DEFAULT 0, disabled TEXT)""",
    """CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT, webhook TEXT NOT NULL, message TEXT NOT NULL,
    type TEXT NOT NULL, attempt INTEGER NOT NULL, at REAL NOT NULL, ms INTEGER NOT NULL,
    status INTEGER, error TEXT)""",
    "CREATE INDEX IF NOT EXISTS deliveries_of ON deliveries (webhook, number)",
)
_COLUMNS = (
    *("id", "gallery", "url", "types", "names", "secrets"),
    *("made_at", "failures", "failing_since", "due_at", "disabled"),
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM webhooks"  # noqa: S608 - names of this module


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where events of a gallery are sent.

    Attributes:
        id: What it is called by.
        gallery: Id of the gallery.
        types: Types of events that are sent; None for all.
        names: Whether messages have the names of people, too.
        made_at: Seconds since 1970.
        failures: How many attempts failed since the last that did not.
        failing_since: Since when, in seconds since 1970; None if the last did not.
        due_at: Not before this it is tried again.
        disabled: Why nothing is sent any more; None while it is.
        url: Sealed.
        secrets: Sealed.
    """

    id: str
    gallery: str
    types: tuple[str, ...] | None
    names: bool
    made_at: float
    failures: int
    failing_since: float | None
    due_at: float
    disabled: str | None
    url: bytes
    secrets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An attempt to send a message.

    Attributes:
        number: Ascending.
        message: The message's ``webhook-id``.
        type: Of its event.
        attempt: Which it was, from 1.
        at: ISO 8601, UTC.
        ms: How long it took.
        status: Of the answer, or None.
        error: Why it failed, or None.
    """

    number: int
    message: str
    type: str
    attempt: int
    at: str
    ms: int
    status: int | None
    error: str | None


class Webhooks:
    """All webhooks. Addresses and secrets are sealed with the gallery's key.

    Args:
        file: Where they are kept.
    """

    def __init__(self, file: ServiceState) -> None:
        self._file = file
        file.define(*_TABLES)

    def add(
        self,
        gallery_id: str,
        gallery: Gallery,
        url: str,
        *,
        types: Collection[str] | None,
        names: bool,
        material: bytes,
    ) -> tuple[Webhook, str]:
        """Make one; gives it and its secret, which is told once.

        Args:
            gallery_id: Id of the gallery.
            gallery: The gallery.
            url: Where to.
            types: Of which types; None for all.
            names: Whether messages have names.
            material: 64 secret, random bytes that id and secret are made of: of the same, one is
                made once.

        Raises:
            ProblemError: If the gallery has as many as it may have.
        """
        hook_id, secret = material[:8].hex(), new_secret(material[8:])
        told = None if types is None else json.dumps(sorted(set(types)))
        with self._file.transaction():
            if any(hook.id == hook_id for hook in self.of(gallery_id)):
                return self.get(gallery_id, hook_id), secret
            if len(self.of(gallery_id)) >= MOST_HOOKS:
                raise ProblemError(
                    409, "too-many-webhooks", f"a gallery may have {MOST_HOOKS} webhooks"
                )
            self._file.change(
                "INSERT INTO webhooks (id, gallery, url, types, names, secrets, made_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(hook_id, gallery_id, _sealed(gallery, hook_id, "url", url), told, names),
                *(_sealed(gallery, hook_id, "secrets", [[secret, None]]), time.time()),
            )
        return self.get(gallery_id, hook_id), secret

    def of(self, gallery_id: str) -> list[Webhook]:
        """Those of a gallery, the oldest first."""
        sql = _SELECT + " WHERE gallery = ? ORDER BY made_at, id"
        return [_hook(row) for row in self._file.rows(sql, gallery_id)]

    def active(self) -> list[Webhook]:
        """Those that are sent to."""
        sql = _SELECT + " WHERE disabled IS NULL ORDER BY due_at"
        return [_hook(row) for row in self._file.rows(sql)]

    def hold(self, hook: Webhook) -> bool:
        """Be the one process that sends to it; False if another one does."""
        return self._file.hold(f"webhook {hook.id}")

    def release(self, hook: Webhook) -> None:
        """Let another process send to it."""
        self._file.release(f"webhook {hook.id}")

    def get(self, gallery_id: str, hook_id: str) -> Webhook:
        """One of a gallery.

        Raises:
            ProblemError: If there is none of that id.
        """
        sql = _SELECT + " WHERE gallery = ? AND id = ?"
        row = self._file.row(sql, gallery_id, hook_id)
        if row is None:
            raise ProblemError(404, "webhook-not-found", "there is no such webhook")
        return _hook(row)

    def remove(self, hook: Webhook) -> None:
        """Delete one, with the log of what was sent."""
        with self._file.transaction():
            self._file.change("DELETE FROM webhooks WHERE id = ?", hook.id)
            self._file.change("DELETE FROM deliveries WHERE webhook = ?", hook.id)

    def forget_gallery(self, gallery_id: str) -> None:
        """Delete all webhooks of a gallery that is gone."""
        for hook in self.of(gallery_id):
            self.remove(hook)
        self._file.scrub()

    def rotate(self, gallery: Gallery, hook: Webhook, material: bytes) -> str:
        """Give one a new secret, which is told once; the old one signs, too, for a day.

        Args:
            gallery: Its gallery.
            hook: Which.
            material: 64 secret, random bytes that it is made of: of the same, it is given once.
        """
        secret, now = new_secret(material), time.time()
        with self._file.transaction():
            hook = self.get(hook.gallery, hook.id)
            if secret in self.secrets(gallery, hook):
                return secret
            old = [[text, now + OVERLAP_S] for text in self.secrets(gallery, hook)[:1]]
            sealed = _sealed(gallery, hook.id, "secrets", [[secret, None], *old])
            self._file.change("UPDATE webhooks SET secrets = ? WHERE id = ?", sealed, hook.id)
        return secret

    def enable(self, hook: Webhook) -> None:
        """Send to one again, from where it was."""
        self._file.change(
            "UPDATE webhooks SET disabled = NULL, failures = 0, failing_since = NULL, due_at = 0"
            " WHERE id = ?",
            hook.id,
        )

    def url(self, gallery: Gallery, hook: Webhook) -> str:
        """Where it is."""
        return str(_opened(gallery, hook.id, "url", hook.url))

    def secrets(self, gallery: Gallery, hook: Webhook) -> list[str]:
        """Those that sign now, the newest first."""
        kept = _opened(gallery, hook.id, "secrets", hook.secrets)
        return [text for text, until in kept if until is None or until > time.time()]

    def note(self, hook: Webhook, message: tuple[str, str], sent: Sent) -> None:
        """Log an attempt.

        Args:
            hook: Where to.
            message: Its id and type.
            sent: What became of it.
        """
        with self._file.transaction():
            self._file.change(
                "INSERT INTO deliveries (webhook, message, type, attempt, at, ms, status, error)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                *(hook.id, *message, hook.failures + 1, time.time()),
                *(sent.ms, sent.status, sent.error),
            )
            self._file.change(
                "DELETE FROM deliveries WHERE webhook = ? AND number <= (SELECT number FROM"
                " deliveries WHERE webhook = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
                *(hook.id, hook.id, _KEPT_DELIVERIES),
            )

    def succeeded(self, hook: Webhook) -> None:
        """Note that it takes messages."""
        if hook.failures:
            self.enable(hook)

    def failed(self, hook: Webhook, *, due_at: float, disabled: str | None) -> None:
        """Note that an attempt failed.

        Args:
            hook: Where to.
            due_at: When to try again, in seconds since 1970.
            disabled: Why not at all, or None.
        """
        self._file.change(
            "UPDATE webhooks SET failures = failures + 1, due_at = ?, disabled = ?,"
            " failing_since = coalesce(failing_since, ?) WHERE id = ?",
            *(due_at, disabled, time.time(), hook.id),
        )

    def deliveries(self, hook: Webhook, *, after: int, limit: int) -> list[Delivery]:
        """What was sent, the oldest first, after a number."""
        rows = self._file.rows(
            "SELECT number, message, type, attempt, at, ms, status, error FROM deliveries"
            " WHERE webhook = ? AND number > ? ORDER BY number LIMIT ?",
            *(hook.id, after, limit),
        )
        return [_delivery(row) for row in rows]

    def expire(self, before: float) -> int:
        """Forget attempts before a time, in seconds since 1970; how many they were."""
        return self._file.change("DELETE FROM deliveries WHERE at < ?", before)


def _hook(row: Sequence[Any]) -> Webhook:
    told: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    types = told.pop("types")
    told["names"] = bool(told["names"])
    return Webhook(types=None if types is None else tuple(json.loads(types)), **told)


def _delivery(row: Sequence[Any]) -> Delivery:
    number, message, kind, attempt, at, ms, status, error = row
    told = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return Delivery(
        number=number,
        message=message,
        type=kind,
        attempt=attempt,
        at=told,
        ms=ms,
        status=status,
        error=error,
    )


def _sealed(gallery: Gallery, hook_id: str, what: str, value: Any) -> bytes:
    place = f"webhook {hook_id} {what}".encode()
    return seal(gallery_cipher(gallery, "webhooks"), json.dumps(value).encode(), place)


def _opened(gallery: Gallery, hook_id: str, what: str, sealed: bytes) -> Any:
    place = f"webhook {hook_id} {what}".encode()
    told = unseal(gallery_cipher(gallery, "webhooks"), sealed, place)
    if told is None:
        raise ProblemError(500, "internal", "what is kept of a webhook is of another gallery")
    return json.loads(told)
