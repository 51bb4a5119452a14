"""Keys and rates that hold in every process of a service: looked up with each request."""

import hmac
import json
from collections.abc import Iterable
from typing import Any

from vultus.server.access import (
    ADMIN,
    AccessKey,
    Role,
    admitted,
    digest_of,
    new_key,
    without_gallery,
)
from vultus.server.state.base import ServiceState

_SELECT = "SELECT id, role, galleries, digest, created_at FROM access_keys"
_SPEND = """
    INSERT INTO rates AS r (name, tokens, at, allowed)
    VALUES (?, ?::float8 - 1, extract(epoch FROM clock_timestamp())::float8, TRUE)
    ON CONFLICT (service, name) DO UPDATE SET (tokens, at, allowed) = (
        SELECT tokens - (tokens >= 1)::int, at, tokens >= 1 FROM (SELECT
            least(
                excluded.tokens + 1,
                r.tokens + greatest(0, excluded.at - r.at) * (excluded.tokens + 1) / 60
            ) AS tokens, greatest(excluded.at, r.at) AS at) AS now)
    RETURNING allowed, tokens"""
"""As `vultus.server.access.RateLimit` counts, by the database's clock. The row is locked by who
counts: however many processes ask at once, so many are allowed as may be, and no more."""


class SharedKeys:
    """The keys of a service in its database; `vultus.server.access.Keys`.

    A key is looked up with each request, so what is changed by one process holds for the next
    request to any other.

    Args:
        state: Where they are kept.
    """

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._admin: AccessKey | None = None

    def listed(self) -> list[AccessKey]:
        """See `Keys`."""
        rows = self._state.rows(_SELECT + " ORDER BY number")
        return [*map(_key, rows), *([] if self._admin is None else [self._admin])]

    def add(
        self,
        role: Role,
        galleries: Iterable[str] | None = None,
        *,
        material: bytes | None = None,
    ) -> tuple[AccessKey, str]:
        """See `Keys`."""
        key, text = new_key(role, galleries, material=material)
        with self._state.transaction():
            known = self.get(key.id)
            if known is not None and known.digest == key.digest:
                return known, text
            if known is not None:  # of another key, by chance
                key, text = new_key(role, galleries)
            self._insert(key)
        return key, text

    def add_first(self) -> str | None:
        """See `Keys`; of several processes that start at once, one makes it."""
        with self._state.transaction():
            if self._admin is not None or self._state.row("SELECT 1 FROM access_keys") is not None:
                return None
            return self.add(Role.admin)[1]

    def take_over(self, keys: Iterable[AccessKey]) -> None:
        """Take the keys of a service that had a file for them, where there are none yet."""
        with self._state.transaction():
            if self._state.row("SELECT 1 FROM access_keys") is None:
                for key in keys:
                    self._insert(key)

    def admit(self, text: str) -> None:
        """See `Keys`; it holds in this process: give the same file to all."""
        self._admin = admitted(text)

    def remove(self, key_id: str) -> bool:
        """See `Keys`."""
        return self._state.change("DELETE FROM access_keys WHERE id = ?", key_id) > 0

    def forget_gallery(self, gallery_id: str) -> None:
        """See `Keys`."""
        with self._state.transaction():
            for key in self.listed():
                left = without_gallery(key, gallery_id)
                if left is None:
                    self.remove(key.id)
                elif left != key:
                    self._state.change(
                        "UPDATE access_keys SET galleries = ? WHERE id = ?",
                        *(_galleries(left), key.id),
                    )

    def find(self, text: str) -> AccessKey | None:
        """See `Keys`; by its digest: how long that takes tells nothing of the key."""
        digest = digest_of(text)
        if self._admin is not None and hmac.compare_digest(self._admin.digest, digest):
            return self._admin
        return self._one(" WHERE digest = ?", digest)

    def get(self, key_id: str) -> AccessKey | None:
        """See `Keys`."""
        if key_id == ADMIN:
            return self._admin
        return self._one(" WHERE id = ?", key_id)

    def _one(self, which: str, value: str) -> AccessKey | None:
        row = self._state.row(_SELECT + which, value)
        return None if row is None else _key(row)

    def _insert(self, key: AccessKey) -> None:
        self._state.change(
            "INSERT INTO access_keys (id, role, galleries, digest, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            *(key.id, key.role, _galleries(key), key.digest, key.created_at),
        )


class SharedRates:
    """How often each may ask of all processes together; a full minute's worth may come at once.

    Args:
        state: Where it is counted.
        per_minute: So many.
        of: What is counted; others are counted apart.
    """

    def __init__(self, state: ServiceState, per_minute: int, *, of: str) -> None:
        self._state, self._per_minute, self._of = state, per_minute, of

    def wait_s(self, name: str) -> float:
        """See `vultus.server.access.Rates`."""
        # As a question: it is one statement, and waits for nobody but who counts the same.
        row = self._state.row(_SPEND, f"{self._of} {name}", self._per_minute)
        assert row is not None  # noqa: S101 - the statement returns its row
        allowed, tokens = row
        return 0.0 if allowed else (1 - tokens) * 60 / self._per_minute

    def forget_idle(self) -> None:
        """Forget who has not asked for an hour: they have their full minute's worth again."""
        self._state.change(
            "DELETE FROM rates WHERE at < extract(epoch FROM clock_timestamp()) - 3600"
        )


def _galleries(key: AccessKey) -> str | None:
    return None if key.galleries is None else json.dumps(key.galleries)


def _key(row: tuple[Any, ...]) -> AccessKey:
    key_id, role, galleries, digest, created_at = row
    touched = None if galleries is None else tuple(json.loads(galleries))
    return AccessKey(id=key_id, role=role, galleries=touched, digest=digest, created_at=created_at)
