"""`Vault`: seals what a gallery holds, with a key for each person. Nothing of storage.

Keys, from the top::

    master key              outside the gallery: file, environment, passphrase; or none
    `-- gallery key         wrapped by it in the header; without a master key it stands there plain
        |-- person keys     one for each person; destroying it is erasing the person
        |   `-- record, template, faces, crops           sealed, bound to gallery, person and place
        `-- gallery secret
            |-- for the gallery's whole life: pseudonym key, audit key, key of the ids of events
            `-- made anew with the gallery key: index key (tags of names), count key

Sealing is AES-256-GCM (NIST SP 800-38D) with a fresh random nonce of 96 bits; derivation is
HKDF-SHA-256 (RFC 5869); a passphrase goes through scrypt (RFC 7914). Of 2**32 sealings with one
key two nonces are equal with a chance below 2**-32 (SP 800-38D, 8.3, sets the same bound): a
person's key seals thousands, the gallery key one wrap for each person ever enrolled.

What is sealed here cannot be told from noise, opens only where it was sealed for, and says so by
`GalleryDamagedError` when a bit was changed. Without a master key that protects nobody from who
reads the file, whose header opens the rest; it makes erasing a matter of one small row.

Python cannot wipe a key from memory; it is gone when the process is.
"""

import hmac
import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from vultus.core.errors import GalleryDamagedError, GalleryKeyError, InputError
from vultus.gallery.security.key_slots import (
    GALLERY_ID_BYTES,
    VaultHeader,
    opened_header,
    sealed_header,
    with_slot,
)
from vultus.gallery.security.master_key import MasterKey, ScryptCost
from vultus.gallery.security.sealing import (
    DOMAIN,
    KEY_BYTES,
    OVERHEAD,
    derive,
    new_cipher,
    seal,
    unseal,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

UID_BYTES = 16
WRAPPED_BYTES = KEY_BYTES + OVERHEAD
"""Size of every wrapped person key."""

ERASED_KEY = bytes(WRAPPED_BYTES)
"""What stands in place of the key of a person who was erased."""

_LONGEST_KIND = 32


class PersonKey:
    """The key of one person, or of one sealed item that belongs to nobody; made by `Vault`.

    Attributes:
        uid: Whose; 16 bytes, never used again.
    """

    __slots__ = ("_cipher", "_place", "uid")

    def __init__(self, key: bytes, *, gallery_id: bytes, uid: bytes) -> None:
        if len(uid) != UID_BYTES:
            raise InputError(f"uid must have {UID_BYTES} bytes, got {len(uid)}")
        self.uid = uid
        self._cipher = new_cipher(key)
        self._place = DOMAIN + b" piece " + gallery_id + uid

    def __repr__(self) -> str:
        return f"PersonKey(uid={self.uid.hex()!r})"

    def seal(self, kind: str, row: int, data: bytes) -> bytes:
        """Encrypt and authenticate a piece of this person.

        Args:
            kind: What it is, e.g. ``"face"``; 1 to 32 characters of ASCII.
            row: Which of them, in [0, 2**63); 0 where there is one.
            data: Any bytes.

        Returns:
            `OVERHEAD` bytes more than ``data``; other ones at each call.

        Raises:
            InputError: If ``kind`` or ``row`` is out of range.
        """
        return seal(self._cipher, data, self._place + _label(kind, row))

    def open(self, kind: str, row: int, sealed: bytes) -> bytes:
        """What `seal` was given.

        Raises:
            GalleryDamagedError: If it was changed, or was sealed for another kind, row, person or
                gallery.
            InputError: If ``kind`` or ``row`` is out of range.
        """
        opened = unseal(self._cipher, sealed, self._place + _label(kind, row))
        if opened is None:
            raise GalleryDamagedError(
                f"a sealed {kind} was changed, or belongs to another person or gallery; restore a "
                "backup"
            )
        return opened


class Vault:
    """Seals and opens what one gallery holds. Made by `create` or `open`; threads may share it.

    Attributes:
        header: What to keep with the gallery, as `VaultHeader.to_text` writes it.
    """

    def __init__(self, header: VaultHeader, *, key: bytes, secret: bytes) -> None:
        self.header = header
        self._key = key
        self._secret = secret
        self._id = header.id_bytes()
        self._keys = new_cipher(key)
        # Until a gallery's key is first made anew, there is one secret for both.
        life, lookup = secret[:KEY_BYTES], secret[-KEY_BYTES:]
        self._index_key = derive(lookup, salt=self._id, purpose="index")
        self._count_key = derive(lookup, salt=self._id, purpose="count")
        self._event_key = derive(life, salt=self._id, purpose="index")
        self._snapshot_key = derive(lookup, salt=self._id, purpose="snapshot")
        self._pseudonym_key = derive(life, salt=self._id, purpose="pseudonym")
        self._audit_key = derive(life, salt=self._id, purpose="audit")

    def __repr__(self) -> str:
        return f"Vault(gallery_id={self._id.hex()!r}, protected={self.protected})"

    @classmethod
    def create(
        cls,
        gallery_id: bytes | None = None,
        master: MasterKey | None = None,
        *,
        cost: ScryptCost | None = None,
    ) -> "Vault":
        """The vault of a new gallery.

        Args:
            gallery_id: 16 bytes that no other gallery has; None takes random ones.
            master: What will open it; None protects nobody from who can read the file.
            cost: Of a passphrase; None takes `ScryptCost`.

        Raises:
            InputError: If ``gallery_id`` has another size, or ``master`` is a recovery key.
        """
        chosen = secrets.token_bytes(GALLERY_ID_BYTES) if gallery_id is None else gallery_id
        if len(chosen) != GALLERY_ID_BYTES:
            raise InputError(f"gallery_id must have {GALLERY_ID_BYTES} bytes, got {len(chosen)}")
        key, secret = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES)
        header = sealed_header(chosen, key, secret, master=master, cost=cost)
        return cls(header, key=key, secret=secret)

    @classmethod
    def open(cls, header: VaultHeader | str, master: MasterKey | None = None) -> "Vault":
        """The vault of a gallery that is there.

        Args:
            header: Its header, or that as text.
            master: Its master key or recovery key; None for a gallery without.

        Raises:
            GalleryKeyError: If a key is needed and is missing or wrong, or one is given and none
                is needed.
            GalleryDamagedError: If the header was changed.
        """
        found = VaultHeader.from_text(header) if isinstance(header, str) else header
        key, secret = opened_header(found, master)
        return cls(found, key=key, secret=secret)

    @property
    def gallery_id(self) -> bytes:
        """16 bytes, for the gallery's whole life."""
        return self._id

    @property
    def protected(self) -> bool:
        """Whether the gallery has a master key."""
        return self.header.protected

    def is_of(self, header: str) -> bool:
        """Whether a header that was read again has the gallery key of this vault.

        False when another process has `renewed` it meanwhile: keys that this vault wraps could
        not be opened any more.
        """
        return f'"secret": {json.dumps(self.header.secret)}' in header

    def new_person_key(self, uid: bytes | None = None) -> tuple[PersonKey, bytes]:
        """A key for somebody new.

        Args:
            uid: Whose, 16 bytes that nobody else had; None takes random ones.

        Returns:
            The key, and what to keep of it: `WRAPPED_BYTES` bytes.

        Raises:
            InputError: If ``uid`` has another size.
        """
        chosen = secrets.token_bytes(UID_BYTES) if uid is None else uid
        key = secrets.token_bytes(KEY_BYTES)
        person = PersonKey(key, gallery_id=self._id, uid=chosen)
        return person, seal(self._keys, key, self._key_place(chosen))

    def person_key(self, wrapped: bytes, uid: bytes) -> PersonKey:
        """The key of somebody enrolled.

        Args:
            wrapped: What `new_person_key` gave.
            uid: Whose.

        Raises:
            GalleryDamagedError: If it was erased or changed, or is of another person or gallery.
        """
        return PersonKey(self._unwrapped(wrapped, uid), gallery_id=self._id, uid=uid)

    def tag(self, text: str, *, kind: str = "name") -> bytes:
        """32 bytes that say whether two texts are equal and nothing else, for a unique index.

        Args:
            text: A normalised name or the like.
            kind: What it is; equal texts of two kinds have different tags.
        """
        return hmac.digest(self._index_key, _label(kind, 0) + text.encode(), "sha256")

    def event_tag(self, event_id: str) -> bytes:
        """As `tag`, of the id of an event, for the gallery's whole life.

        Ids of events are random or a writer's own numbers, and there may be millions.
        """
        return hmac.digest(self._event_key, _label("event", 0) + event_id.encode(), "sha256")

    def pseudonym(self, uid: bytes) -> str:
        """What the audit log calls a person, before and after erasing: 32 hexadecimal digits."""
        return hmac.digest(self._pseudonym_key, uid, "sha256")[:16].hex()

    def audit_digest(self, data: bytes) -> bytes:
        """HMAC-SHA-256 that only who can open the gallery makes; 32 bytes."""
        return hmac.digest(self._audit_key, data, "sha256")

    def count_digest(self, data: bytes) -> int:
        """A keyed number in [0, 2**64) of a row; their sum modulo 2**64 tells sets of rows."""
        return int.from_bytes(hmac.digest(self._count_key, data, "sha256")[:8], "big")

    def snapshot_cipher(self) -> "AESGCM":
        """What seals a snapshot of all templates; another one when the gallery key is made anew."""
        return new_cipher(self._snapshot_key)

    def rewrapped(self, master: MasterKey | None, *, cost: ScryptCost | None = None) -> "Vault":
        """The same vault under another master key: only the header is to be written anew.

        A recovery key goes on working, as long as there is a master key. Who had the old master
        key and an old copy of the file has the gallery key, and opens the new file: against them
        `renewed` is needed, as for a gallery that had no master key.

        Args:
            master: The new master key; None takes the protection away.
            cost: Of a passphrase; None takes `ScryptCost`.

        Raises:
            InputError: If ``master`` is a recovery key.
        """
        header = sealed_header(self._id, self._key, self._secret, master=master, cost=cost)
        recovery = self.header.recovery
        if master is not None and recovery is not None:
            header = replace(header, slots=(*header.slots, recovery))
        # The very bytes: by them `is_of` tells that the gallery key is the same.
        header = replace(header, secret=self.header.secret)
        return Vault(header, key=self._key, secret=self._secret)

    def renewed(self, master: MasterKey | None, *, cost: ScryptCost | None = None) -> "Vault":
        """The vault of the same gallery with a new gallery key; a recovery key is void then.

        Each person's key is to be written anew, too, by `rewrapped_person_key`, and all that is
        found by `tag` or added up by `count_digest`, which are others then. Pseudonyms and the
        digests of the audit log stay.

        Args:
            master: Its master key; None takes the protection away.
            cost: Of a passphrase; None takes `ScryptCost`.

        Raises:
            InputError: If ``master`` is a recovery key.
        """
        key = secrets.token_bytes(KEY_BYTES)
        secret = self._secret[:KEY_BYTES] + secrets.token_bytes(KEY_BYTES)
        header = sealed_header(self._id, key, secret, master=master, cost=cost)
        return Vault(header, key=key, secret=secret)

    def rewrapped_person_key(self, wrapped: bytes, uid: bytes, *, into: "Vault") -> bytes:
        """What to keep of a person's key under a `renewed` vault; an erased one stays erased.

        Args:
            wrapped: What this vault keeps.
            uid: Whose.
            into: The renewed vault.

        Raises:
            GalleryDamagedError: If it was changed, or is of another person or gallery.
            InputError: If ``into`` is of another gallery.
        """
        if into.gallery_id != self._id:
            raise InputError("into must be a vault of the same gallery")
        if wrapped == ERASED_KEY:
            return ERASED_KEY
        return seal(into._keys, self._unwrapped(wrapped, uid), self._key_place(uid))

    def with_recovery(self) -> tuple["Vault", MasterKey]:
        """The same vault with a new recovery key; an older one is void.

        Returns:
            The vault, whose header is to be written, and the key, whose `recovery_text` is to be
            shown once and kept nowhere.

        Raises:
            GalleryKeyError: If the gallery has no master key.
        """
        if not self.protected:
            raise GalleryKeyError(
                "a gallery without a master key needs no recovery key; `vultus gallery rekey` "
                "gives it a master key"
            )
        recovery = MasterKey.new_recovery()
        header = with_slot(self.header, self._key, recovery)
        return Vault(header, key=self._key, secret=self._secret), recovery

    def _unwrapped(self, wrapped: bytes, uid: bytes) -> bytes:
        key = unseal(self._keys, wrapped, self._key_place(uid))
        if key is None:
            raise GalleryDamagedError(
                "the person was erased"
                if wrapped == ERASED_KEY
                else "a person's key was changed, or belongs to another person or gallery; restore "
                "a backup"
            )
        return key

    def _key_place(self, uid: bytes) -> bytes:
        return DOMAIN + b" person key " + self._id + uid


def _label(kind: str, row: int) -> bytes:
    """Kind and row so that no two pairs have one form."""
    name = kind.encode("ascii", "replace")
    if not (kind.isascii() and 1 <= len(name) <= _LONGEST_KIND and 0 <= row < 2**63):
        raise InputError(
            f"kind must be 1 to {_LONGEST_KIND} characters of ASCII and row in [0, 2**63), got "
            f"{kind!r} and {row}"
        )
    return bytes((len(name),)) + name + row.to_bytes(8, "big")
