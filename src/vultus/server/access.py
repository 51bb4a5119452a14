"""Who may do what: keys with a role, kept hashed, and how often each may ask."""

import base64
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from vultus.core.errors import ConfigError, InputError
from vultus.core.files import write_text

_PREFIX = "vultus_"
ADMIN = "admin"
"""Id of the key that lies in a file of the operator's."""


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


class Keys(Protocol):
    """The keys of a service; threads may share them."""

    def listed(self) -> list[AccessKey]:
        """All keys, the oldest first."""

    def add(
        self,
        role: Role,
        galleries: Iterable[str] | None = None,
        *,
        material: bytes | None = None,
    ) -> tuple[AccessKey, str]:
        """Make a key.

        Args:
            role: What it may do.
            galleries: Ids of those that it may touch; None for all.
            material: 64 secret, random bytes that it is made of: of the same, the same key is made,
                which is made once. None for others each time.

        Returns:
            The key as it is kept, and the text that is the key: nobody can tell it again.
        """

    def add_first(self) -> str | None:
        """Make an administrator's key where there is none at all; its text, or None."""

    def admit(self, text: str) -> None:
        """Take a key of an administrator that lies elsewhere; it is not kept with the others.

        Raises:
            InputError: If it is too short to be a key.
        """

    def remove(self, key_id: str) -> bool:
        """Take a key back; False if there is none of that id, or it lies in a file elsewhere."""

    def forget_gallery(self, gallery_id: str) -> None:
        """Let no key touch a gallery that is gone, nor another one that gets its id.

        A key that was for that gallery alone is taken back.
        """

    def find(self, text: str) -> AccessKey | None:
        """The key that a text is."""

    def get(self, key_id: str) -> AccessKey | None:
        """The key of an id; None if there is none (any more)."""


class Rates(Protocol):
    """How often each may ask."""

    def wait_s(self, name: str) -> float:
        """Count a request of somebody; 0 if it may go on, else seconds until it may come again."""


class KeyRing:
    """The keys of a service, in a file for its owner only; `Keys`.

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

    def add(
        self,
        role: Role,
        galleries: Iterable[str] | None = None,
        *,
        material: bytes | None = None,
    ) -> tuple[AccessKey, str]:
        """See `Keys`."""
        with self._lock:
            key, text = new_key(role, galleries, material=material)
            known = self._keys.get(key.id)
            if known is not None and known.digest == key.digest:
                return known, text
            if known is not None:  # of another key, by chance
                key, text = new_key(role, galleries)
            self._keys[key.id] = key
            self._write()
        return key, text

    def add_first(self) -> str | None:
        """See `Keys`."""
        return None if self._keys else self.add(Role.admin)[1]

    def admit(self, text: str) -> None:
        """See `Keys`."""
        key = admitted(text)
        with self._lock:
            self._keys[key.id] = key

    def remove(self, key_id: str) -> bool:
        """See `Keys`."""
        with self._lock:
            if key_id == ADMIN or self._keys.pop(key_id, None) is None:
                return False
            self._write()
        return True

    def forget_gallery(self, gallery_id: str) -> None:
        """See `Keys`."""
        with self._lock:
            for key in list(self._keys.values()):
                left = without_gallery(key, gallery_id)
                if left is None:
                    del self._keys[key.id]
                else:
                    self._keys[key.id] = left
            self._write()

    def find(self, text: str) -> AccessKey | None:
        """The key that a text is; every key is compared, in the same time."""
        digest, found = digest_of(text), None
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
        kept = [asdict(key) for key in self._keys.values() if key.id != ADMIN]
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
        text = new_key(Role.admin, name=ADMIN)[1]
        write_text(path, text + "\n", private=True)
        return text
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} must be a text file with a key, and cannot be read") from error


def new_key(
    role: Role,
    galleries: Iterable[str] | None = None,
    *,
    name: str | None = None,
    material: bytes | None = None,
) -> tuple[AccessKey, str]:
    """A key as it is to be kept, and its text.

    Args:
        role: What it may do.
        galleries: Ids of those that it may touch; None for all.
        name: Its id; None for one that is drawn.
        material: 64 secret, random bytes that it is made of; None for others each time.
    """
    made_of = secrets.token_bytes(64) if material is None else material
    key_id = name or made_of[:4].hex()
    secret = base64.urlsafe_b64encode(made_of[4:36]).decode().rstrip("=")
    text = f"{_PREFIX}{key_id}_{secret}"
    touched = None if galleries is None else tuple(sorted(set(galleries)))
    key = AccessKey(
        id=key_id, role=role.name, galleries=touched, digest=digest_of(text), created_at=_now()
    )
    return key, text


def admitted(text: str) -> AccessKey:
    """The key of an administrator that lies elsewhere.

    Raises:
        InputError: If it is too short to be a key.
    """
    if len(text) < 32:
        raise InputError(
            f"the administrator's key must have 32 characters or more, got {len(text)}; a new "
            "file gets a good one"
        )
    return AccessKey(
        id=ADMIN, role="admin", galleries=None, digest=digest_of(text), created_at=_now()
    )


def without_gallery(key: AccessKey, gallery_id: str) -> AccessKey | None:
    """The key when a gallery is gone; None if it was for that gallery alone."""
    if key.galleries is None or gallery_id not in key.galleries:
        return key
    left = tuple(name for name in key.galleries if name != gallery_id)
    return replace(key, galleries=left) if left else None


def digest_of(text: str) -> str:
    """What is kept of a key's text."""
    return sha256(text.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
