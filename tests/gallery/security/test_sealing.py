"""The steps against the standards' vectors and against independent ways to the same."""

import hashlib
import hmac

from vultus.gallery.security.master_key import ScryptCost
from vultus.gallery.security.sealing import (
    DOMAIN,
    OVERHEAD,
    derive,
    new_cipher,
    seal,
    stretch,
    unseal,
)


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 for up to 32 bytes: extract, then one block of expand."""
    extracted = hmac.digest(salt, secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def test_the_test_s_hkdf_is_that_of_the_rfc() -> None:
    secret, salt = b"\x0b" * 22, bytes(range(13))
    info = bytes(range(0xF0, 0xFA))
    first_block = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
    assert hkdf(secret, salt, info).hex() == first_block  # RFC 5869, A.1


def test_a_derived_key_is_hkdf_of_salt_and_purpose() -> None:
    secret, salt = bytes(range(32)), bytes(16)
    assert derive(secret, salt=salt, purpose="audit") == hkdf(secret, salt, DOMAIN + b" audit")


def test_a_stretched_passphrase_is_scrypt() -> None:
    cost, salt = ScryptCost(n=2**14), b"sixteen bytes ok"
    stretched = stretch(b"five words", salt=salt, cost=cost)
    assert stretched == hashlib.scrypt(
        b"five words", salt=salt, n=2**14, r=8, p=1, maxmem=2**26, dklen=32
    )


def test_the_cipher_is_aes_256_gcm_of_the_published_test_case() -> None:
    # McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16.
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    text = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    bound_to = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    sealed = bytes.fromhex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    assert unseal(new_cipher(key), nonce + sealed, bound_to) == text


def test_each_sealing_has_a_nonce_of_its_own() -> None:
    cipher = new_cipher(bytes(range(32)))
    nonces = {seal(cipher, b"the same", b"")[:12] for _ in range(1000)}
    assert len(nonces) == 1000


def test_what_is_too_short_to_be_sealed_is_refused() -> None:
    cipher = new_cipher(bytes(range(32)))
    sealed = seal(cipher, b"", b"place")
    assert len(sealed) == OVERHEAD
    assert unseal(cipher, sealed, b"place") == b""
    assert unseal(cipher, sealed[:-1], b"place") is None
    assert unseal(cipher, b"", b"place") is None
