"""The few cryptographic steps that a gallery is sealed by, each with its standard."""

import secrets
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from vultus.gallery.security.master_key import ScryptCost

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
OVERHEAD = NONCE_BYTES + TAG_BYTES
"""Bytes by which what is sealed is longer than what went in."""

DOMAIN = b"vultus gallery 1"
"""Begins all associated data: what is sealed for something else is never opened here."""


@cache
def _aes_gcm() -> tuple[type["AESGCM"], type[Exception]]:
    """The cipher and its refusal; loaded when first needed, and once: a gallery opens many rows."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM, InvalidTag


def new_cipher(key: bytes) -> "AESGCM":
    """AES-256-GCM (NIST SP 800-38D) with a key of 32 bytes."""
    return _aes_gcm()[0](key)


def seal(cipher: "AESGCM", data: bytes, bound_to: bytes) -> bytes:
    """Nonce, ciphertext, tag.

    Args:
        cipher: Its key.
        data: Any bytes.
        bound_to: Associated data; opened only with the same.
    """
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, data, bound_to)


def unseal(cipher: "AESGCM", sealed: bytes, bound_to: bytes) -> bytes | None:
    """What `seal` was given; None if key, bytes or associated data differ by a bit."""
    if len(sealed) < OVERHEAD:
        return None
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
    except _aes_gcm()[1]:
        return None


def derive(secret: bytes, *, salt: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose from a random secret (HKDF-SHA-256, RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = DOMAIN + b" " + purpose.encode("ascii")
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(secret)


def stretch(passphrase: bytes, *, salt: bytes, cost: "ScryptCost") -> bytes:
    """32 bytes of a passphrase, dear to guess (scrypt, RFC 7914)."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=KEY_BYTES, n=cost.n, r=cost.r, p=cost.p).derive(passphrase)
