"""Who may do what: keys with a role, kept hashed, and how often each may ask."""

import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

from vultus.core.errors import ConfigError, InputError
from vultus.core.files import write_text

_PREFIX = "vultus_"
_ADMIN = "admin"


class Role(IntEnum):
    """What a key allows; each role may do what those below it may."""

    reader = 1
    """Detect, verify, identify, look at people."""
    operator = 2
    """Enrol and change people, too."""
    admin = 3
    """Erase, make galleries, keys, and read the audit log, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A key, as it is kept.

    Attributes:
        id: What logs call it.
        role: A `Role`'s name.
        galleries: Ids of the galleries that it may touch; None for all.
        digest: SHA-256 of the secret, hexadecimal. The secret is 256 random bits, which need no
            slow hash.
        created_at: ISO 8601, UTC.
    """

    id: str
    role: str
    galleries: tuple[str, ...] | None
    digest: str
    created_at: str

    def allows(self, role: Role, gallery: str | None) -> bool:
        """Whether it may do what takes a role, in a gallery."""
        touches = gallery is None or self.galleries is None or gallery in self.galleries
        return Role[self.role] >= role and touches


class KeyRing:
    """The keys of a service, in a file for its owner only.

    Args:
        path: The file; made when there is a key to keep.

    Raises:
        ConfigError: If the file is there and no list of keys.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._keys = {key.id: key for key in self._read()}

    def __len__(self) -> int:
        return len(self._keys)

    def listed(self) -> list[AccessKey]:
        """All keys, the oldest first."""
        return list(self._keys.values())

    def add(self, role: Role, galleries: Iterable[str] | None = None) -> tuple[AccessKey, str]:
        """Make a key.

        Returns:
            The key as it is kept, and the text that is the key: nobody can tell it again.
        """
        with self._lock:
            key, text = _new(role, galleries, name=None)
            self._keys[key.id] = key
            self._write()
        return key, text

    def admit(self, text: str) -> None:
        """Take a key of an administrator that lies elsewhere; it is not written here.

        Raises:
            InputError: If it is too short to be a key.
        """
        if len(text) < 32:
            raise InputError(
                f"the administrator's key must have 32 characters or more, got {len(text)}; a new "
                "file gets a good one"
            )
        with self._lock:
            self._keys[_ADMIN] = AccessKey(
                id=_ADMIN, role="admin", galleries=None, digest=_digest(text), created_at=_now()
            )

    def remove(self, key_id: str) -> bool:
        """Take a key back; False if there is none of that id, or it lies in a file elsewhere."""
        with self._lock:
            if key_id == _ADMIN or self._keys.pop(key_id, None) is None:
                return False
            self._write()
        return True

    def find(self, text: str) -> AccessKey | None:
        """The key that a text is; every key is compared, in the same time."""
        digest, found = _digest(text), None
        for key in tuple(self._keys.values()):
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def get(self, key_id: str) -> AccessKey | None:
        """The key of an id; None if there is none (any more)."""
        return self._keys.get(key_id)

    def _read(self) -> list[AccessKey]:
        if not self._path.exists():
            return []
        try:
            rows: Any = json.loads(self._path.read_text(encoding="utf-8"))
            if not isinstance(rows, list):
                raise TypeError(type(rows))
            keys = [
                AccessKey(
                    id=row["id"],
                    role=Role[row["role"]].name,
                    galleries=None if row["galleries"] is None else tuple(row["galleries"]),
                    digest=str(row["digest"]),
                    created_at=row["created_at"],
                )
                for row in rows
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{self._path} must be the list of keys of a service, and cannot be read as that; "
                "move it away to begin with new keys"
            ) from error
        return keys

    def _write(self) -> None:
        kept = [asdict(key) for key in self._keys.values() if key.id != _ADMIN]
        write_text(self._path, json.dumps(kept, indent=1) + "\n", private=True)


class RateLimit:
    """How many requests a minute each key may make; a full minute's worth may come at once.

    Args:
        per_minute: So many.
        clock: Seconds that go on.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, key_id: str) -> float:
        """Count a request; 0 if it may go on, else seconds until it may come again."""
        with self._lock:
            now = self._clock()
            left, when = self._left.get(key_id, (float(self._per_minute), now))
            left = min(self._per_minute, left + (now - when) * self._per_minute / 60)
            allowed = left >= 1
            self._left[key_id] = (left - 1 if allowed else left, now)
            return 0.0 if allowed else (1 - left) * 60 / self._per_minute


def read_or_make_admin_key(path: Path) -> str:
    """The administrator's key in a file, which is made for its owner only where there is none.

    Raises:
        ConfigError: If the file cannot be read.
    """
    if not path.exists():
        text = _new(Role.admin, None, name=_ADMIN)[1]
        write_text(path, text + "\n", private=True)
        return text
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} must be a text file with a key, and cannot be read") from error


def _new(role: Role, galleries: Iterable[str] | None, *, name: str | None) -> tuple[AccessKey, str]:
    key_id = name or secrets.token_hex(4)
    text = f"{_PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    touched = None if galleries is None else tuple(sorted(set(galleries)))
    key = AccessKey(
        id=key_id, role=role.name, galleries=touched, digest=_digest(text), created_at=_now()
    )
    return key, text


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
