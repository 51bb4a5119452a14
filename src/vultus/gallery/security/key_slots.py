"""The header of a sealed gallery: its own key, wrapped by the keys that may open it."""

import base64
import binascii
import hmac
import json
import secrets
from dataclasses import asdict, dataclass, replace
from typing import Literal

from vultus.core.errors import GalleryDamagedError, GalleryKeyError, InputError
from vultus.core.settings_reader import read
from vultus.gallery.security.master_key import KEY_VARIABLE, KeyKind, MasterKey, ScryptCost
from vultus.gallery.security.sealing import (
    DOMAIN,
    KEY_BYTES,
    derive,
    new_cipher,
    seal,
    stretch,
    unseal,
)

GALLERY_ID_BYTES = 16
_SALT_BYTES = 16
_DAMAGED = "the gallery's header is damaged; restore a backup"
_NAMES = {"key": "a key file", "passphrase": "a passphrase", "recovery": "a recovery key"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySlot:
    """The gallery key, wrapped by one key from outside; bytes in base64.

    Attributes:
        kind: What opens it.
        fingerprint: Of the key that does, 16 hexadecimal digits; tells a wrong key from damage.
        wrapped: The gallery key.
        salt: Of a passphrase, else None.
        cost: Of a passphrase, else None.
    """

    kind: KeyKind
    fingerprint: str
    wrapped: str
    salt: str | None = None
    cost: ScryptCost | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VaultHeader:
    """What a gallery keeps in the open, to be opened again; it is stored as text.

    Attributes:
        gallery_id: 16 bytes in hexadecimal, for the gallery's whole life.
        secret: The gallery secret, wrapped by the gallery key.
        plain_key: The gallery key where there is no master key, else None.
        slots: The gallery key, wrapped: by the master key, and perhaps by a recovery key.
        format: Of this header.
    """

    gallery_id: str
    secret: str
    plain_key: str | None = None
    slots: tuple[KeySlot, ...] = ()
    format: Literal[1] = 1

    def __repr__(self) -> str:
        return f"VaultHeader(gallery_id={self.gallery_id!r}, protected={self.protected})"

    @property
    def protected(self) -> bool:
        """Whether a master key is needed."""
        return self.plain_key is None

    @property
    def master(self) -> KeySlot | None:
        """The slot of the master key, if there is one."""
        return next((slot for slot in self.slots if slot.kind != "recovery"), None)

    @property
    def recovery(self) -> KeySlot | None:
        """The slot of the recovery key, if there is one."""
        return next((slot for slot in self.slots if slot.kind == "recovery"), None)

    def to_text(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> "VaultHeader":
        """The header that `to_text` wrote.

        Raises:
            GalleryDamagedError: If it was changed.
        """
        try:
            header = read(cls, json.loads(text), source="header")
            sound = len(header.id_bytes()) == GALLERY_ID_BYTES
        except (ValueError, RecursionError):  # ConfigError, too; its message might show the key
            sound = False
        if not sound or header.protected is not (header.master is not None):
            raise GalleryDamagedError(_DAMAGED)
        return header

    def id_bytes(self) -> bytes:
        """The gallery's id."""
        return bytes.fromhex(self.gallery_id)


def sealed_header(
    gallery_id: bytes,
    key: bytes,
    secret: bytes,
    *,
    master: MasterKey | None,
    cost: ScryptCost | None = None,
) -> VaultHeader:
    """The header of a gallery.

    Args:
        gallery_id: 16 bytes.
        key: The gallery key, 32 bytes.
        secret: The gallery secret: 32 bytes, or 64 where the gallery key was made anew.
        master: What is to open it; None leaves the key plain.
        cost: Of a passphrase; None takes `ScryptCost`.

    Raises:
        InputError: If ``master`` is a recovery key, which opens and does not rule.
    """
    if master is not None and master.kind == "recovery":
        raise InputError("a recovery key cannot be the master key; give a key file or passphrase")
    plain = base64.b64encode(key).decode() if master is None else None
    header = VaultHeader(
        gallery_id=gallery_id.hex(),
        secret=base64.b64encode(seal(new_cipher(key), secret, _secret_place(gallery_id))).decode(),
        plain_key=plain,
    )
    return header if master is None else with_slot(header, key, master, cost=cost)


def with_slot(
    header: VaultHeader, key: bytes, master: MasterKey, *, cost: ScryptCost | None = None
) -> VaultHeader:
    """The header with the gallery key wrapped by one more key, in place of one of its kind.

    Args:
        header: The header.
        key: The gallery key.
        master: A master key or a recovery key.
        cost: Of a passphrase; None takes `ScryptCost`.
    """
    slot = KeySlot(kind=master.kind, fingerprint="", wrapped="")
    if master.kind == "passphrase":
        salt = base64.b64encode(secrets.token_bytes(_SALT_BYTES)).decode()
        slot = replace(slot, salt=salt, cost=ScryptCost() if cost is None else cost)
    wrapping = _wrapping_key(slot, header.id_bytes(), master)
    wrapped = seal(new_cipher(wrapping), key, _slot_place(slot, header.id_bytes()))
    slot = replace(
        slot, fingerprint=_fingerprint(wrapping), wrapped=base64.b64encode(wrapped).decode()
    )
    is_recovery = master.kind == "recovery"
    kept = [old for old in header.slots if (old.kind == "recovery") is not is_recovery]
    return replace(header, slots=(*kept, slot))


def opened_header(header: VaultHeader, master: MasterKey | None) -> tuple[bytes, bytes]:
    """The gallery key and the gallery secret.

    Args:
        header: The header.
        master: The master key or the recovery key; None for a gallery without.

    Raises:
        GalleryKeyError: If a key is needed and is missing or wrong, or one is given and none is
            needed.
        GalleryDamagedError: If the header was changed.
    """
    if header.plain_key is not None:
        if master is not None:
            raise GalleryKeyError(
                "the gallery has no master key and is readable by all who can read its file, but a "
                "key was given; leave it out, or protect the gallery by `vultus gallery rekey`"
            )
        key = _bytes(header.plain_key)
    else:
        key = _unwrapped(header, master)
    secret = None
    if len(key) == KEY_BYTES:
        secret = unseal(new_cipher(key), _bytes(header.secret), _secret_place(header.id_bytes()))
    if secret is None or len(secret) not in (KEY_BYTES, 2 * KEY_BYTES):
        raise GalleryDamagedError(_DAMAGED)
    return key, secret


def _unwrapped(header: VaultHeader, master: MasterKey | None) -> bytes:
    kinds = " or ".join(_NAMES[slot.kind] for slot in header.slots)
    if master is None:
        raise GalleryKeyError(
            f"the gallery is sealed and is opened by {kinds}; give --key FILE, set {KEY_VARIABLE}, "
            "or let --passphrase ask for it (in Python: key=...)"
        )
    slot = next((slot for slot in header.slots if slot.kind == master.kind), None)
    if slot is None:
        raise GalleryKeyError(f"the gallery is opened by {kinds}, got {_NAMES[master.kind]}")
    wrapping = _wrapping_key(slot, header.id_bytes(), master)
    if not hmac.compare_digest(_fingerprint(wrapping), slot.fingerprint):
        raise GalleryKeyError(
            f"this is not the gallery's {master.kind}"
            if master.kind == "passphrase"
            else f"this is not the gallery's key: it opens by {_NAMES[slot.kind]} of fingerprint "
            f"{slot.fingerprint}, got one of {_fingerprint(wrapping)}"
        )
    key = unseal(new_cipher(wrapping), _bytes(slot.wrapped), _slot_place(slot, header.id_bytes()))
    if key is None:
        raise GalleryDamagedError(_DAMAGED)
    return key


def _wrapping_key(slot: KeySlot, gallery_id: bytes, master: MasterKey) -> bytes:
    secret = master.secret
    if slot.kind == "passphrase":
        if slot.salt is None or slot.cost is None:
            raise GalleryDamagedError(_DAMAGED)
        secret = stretch(secret, salt=_bytes(slot.salt), cost=slot.cost)
    # One master key may open several galleries; each has a wrapping key of its own.
    return derive(secret, salt=gallery_id, purpose=f"wrap by {slot.kind}")


def _fingerprint(wrapping: bytes) -> str:
    return hmac.digest(wrapping, DOMAIN + b" fingerprint", "sha256")[:8].hex()


def _slot_place(slot: KeySlot, gallery_id: bytes) -> bytes:
    """What the wrapped gallery key is bound to: the gallery, and what opens it at which cost."""
    cost = None if slot.cost is None else asdict(slot.cost)
    about = json.dumps({"kind": slot.kind, "salt": slot.salt, "cost": cost}, sort_keys=True)
    return DOMAIN + b" gallery key " + gallery_id + about.encode()


def _secret_place(gallery_id: bytes) -> bytes:
    return DOMAIN + b" gallery secret " + gallery_id


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise GalleryDamagedError(_DAMAGED) from error
