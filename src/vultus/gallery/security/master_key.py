"""The master key of a gallery: a key file, an environment variable, a passphrase, a recovery key.

A master key never stands in the gallery. It wraps the gallery's own key there
(`vultus.gallery.security.crypto`), so that it can be changed without sealing anything anew.
"""

import base64
import binascii
import hashlib
import os
import secrets
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vultus.core.errors import ConfigError, GalleryKeyError, InputError
from vultus.core.files import check_target, writing
from vultus.gallery.security.sealing import KEY_BYTES

KEY_VARIABLE = "VULTUS_GALLERY_KEY"
"""Environment variable that may hold a master key; who can read the process's environment (its
user, root, crash reports, child processes) has it then. A key file is better."""

KeyKind = Literal["key", "passphrase", "recovery"]

_RECOVERY_BYTES = 20
_CHECK_BYTES = 5
_GROUP = 4
_LONGEST_FILE = 4096
_SHORTEST_PASSPHRASE = 12
# What is mistaken for a letter of RFC 4648's base32, which has no 0, 1 and 8.
_MISREAD = str.maketrans("018", "OIB")
# Others may do nothing with it, the group may not change it.
_REFUSED_MODE = 0o037


@dataclass(frozen=True, slots=True, kw_only=True)
class ScryptCost:
    """What one guess at a passphrase costs (RFC 7914): 128 * n * r bytes of memory, p times.

    The default takes 128 MiB, and some 0.3 s on a common core.

    Attributes:
        n: A power of two in [2**14, 2**20].
        r: In [1, 32].
        p: In [1, 16].
    """

    n: int = 2**17
    r: int = 8
    p: int = 1

    def __post_init__(self) -> None:
        # A changed header must not make us take all memory.
        power = self.n > 0 and self.n & (self.n - 1) == 0
        if not (power and 2**14 <= self.n <= 2**20 and 1 <= self.r <= 32 and 1 <= self.p <= 16):
            raise InputError(
                "the costs of scrypt must be n a power of two in [2**14, 2**20], r in [1, 32] and "
                f"p in [1, 16], got n={self.n}, r={self.r}, p={self.p}"
            )


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """What opens a sealed gallery. Made by the class methods; never printed.

    Attributes:
        secret: 32 random bytes, a passphrase in UTF-8, or the 20 bytes of a recovery key.
        kind: Which of them.
    """

    secret: bytes
    kind: KeyKind = "key"

    def __post_init__(self) -> None:
        size = {"key": KEY_BYTES, "recovery": _RECOVERY_BYTES}.get(self.kind)
        if size is not None and len(self.secret) != size:
            raise InputError(f"a {self.kind} must have {size} bytes, got {len(self.secret)}")

    def __repr__(self) -> str:
        return f"MasterKey(kind={self.kind!r})"

    @classmethod
    def new(cls) -> "MasterKey":
        """A key of 32 random bytes."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def new_recovery(cls) -> "MasterKey":
        """A recovery key of 160 random bits; `recovery_text` gives what is printed."""
        return cls(secrets.token_bytes(_RECOVERY_BYTES), "recovery")

    @classmethod
    def from_passphrase(cls, passphrase: str, *, new: bool = False) -> "MasterKey":
        """A passphrase; Unicode forms that look alike (NFKC) are the same.

        Args:
            passphrase: The words; spaces count.
            new: It is being chosen, and must have 12 characters or more.

        Raises:
            InputError: If it is too short.
        """
        text = unicodedata.normalize("NFKC", passphrase)
        least = _SHORTEST_PASSPHRASE if new else 1
        if len(text) < least:
            raise InputError(
                f"a passphrase must have {least} characters or more, got {len(text)}; five or six "
                "words chosen by dice are good"
            )
        return cls(text.encode(), "passphrase")

    @classmethod
    def parse(cls, text: str, *, source: str) -> "MasterKey":
        """A key as text: 32 bytes in base64 or hexadecimal, or a printed recovery key.

        Args:
            text: The text; space around it does not count.
            source: Where it is from, for the message, which never shows the text.

        Raises:
            ConfigError: If it is neither.
        """
        stripped = "".join(text.split())
        found = _decoded(stripped)
        if found is not None:
            return _checked(found, source)
        recovery = stripped.replace("-", "").upper()
        if len(recovery) == (_RECOVERY_BYTES + _CHECK_BYTES) * 8 // 5:
            return _recovery_key(recovery.translate(_MISREAD), source)
        raise ConfigError(
            f"{source} must hold a key of {KEY_BYTES} bytes in base64 (44 characters) or "
            f"hexadecimal (64), or a recovery key (10 groups of 4), got {len(stripped)} "
            "characters; `vultus gallery key new FILE` makes a key"
        )

    def recovery_text(self) -> str:
        """A recovery key as it is printed: ten groups of four, the last two a checksum.

        Raises:
            InputError: If this is another kind of key.
        """
        if self.kind != "recovery":
            raise InputError(f"only a recovery key is printed, this is a {self.kind}")
        text = base64.b32encode(self.secret + _checksum(self.secret)).decode()
        return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def new_key_file(path: str | Path) -> MasterKey:
    """Make a key file: one line of base64, for its owner only (0600). Nothing is replaced.

    Args:
        path: The file to make; best on another disk than the gallery's backups.

    Returns:
        The key.

    Raises:
        OutputError: If something is there, or the disk refuses.
    """
    target = Path(path)
    check_target(target, replace=False)
    key = MasterKey.new()
    with writing(target, replace=False, private=True) as stream:
        stream.write(base64.b64encode(key.secret) + b"\n")
    return key


def read_key_file(path: str | Path) -> MasterKey:
    """Read a key file: 32 raw bytes, or text as `MasterKey.parse` takes it.

    A pipe will do, as of ``--key <(pass show gallery)``.

    Args:
        path: The file.

    Raises:
        GalleryKeyError: If others may read it, or it cannot be read.
        ConfigError: If it holds no key.
    """
    try:
        with open(path, "rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(_LONGEST_FILE + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise GalleryKeyError(f"the key file {path} cannot be read: {reason}") from error
    if os.name != "nt" and stat.S_ISREG(mode) and mode & _REFUSED_MODE:
        raise GalleryKeyError(
            f"the key file {path} must be for its owner (and readers of its group) only, its mode "
            f"is {stat.S_IMODE(mode):04o}; `chmod 600 {path}`, and `vultus gallery rekey` to a new "
            "key if somebody may have read it"
        )
    source = f"the key file {path}"
    if len(data) == KEY_BYTES and not data.isascii():
        return _checked(data, source)
    if len(data) > _LONGEST_FILE or not data.isascii():
        raise ConfigError(f"{source} holds no key: a key is {KEY_BYTES} bytes, or a line of text")
    return MasterKey.parse(data.decode("ascii"), source=source)


def key_from_environment(environment: Mapping[str, str] | None = None) -> MasterKey | None:
    """The key of ``VULTUS_GALLERY_KEY``, or None if the variable is not set or empty.

    Args:
        environment: Where to look; None takes the process's.

    Raises:
        ConfigError: If it holds no key.
    """
    text = (os.environ if environment is None else environment).get(KEY_VARIABLE, "").strip()
    return None if not text else MasterKey.parse(text, source=f"${KEY_VARIABLE}")


def _decoded(text: str) -> bytes | None:
    """32 bytes of hexadecimal or base64 (also of the alphabet for URLs); None if it is neither."""
    try:
        if len(text) == 2 * KEY_BYTES:
            return bytes.fromhex(text)
        if len(text) in (43, 44):
            plain = text.translate(str.maketrans("-_", "+/")).rstrip("=") + "="
            return base64.b64decode(plain, validate=True)
    except ValueError:  # binascii.Error, too
        pass
    return None


def _checked(secret: bytes, source: str) -> MasterKey:
    # 32 random bytes have fewer than 16 different ones less often than once in 10**16.
    if len(set(secret)) < 16:
        raise ConfigError(
            f"{source} holds no random key, but a pattern; `vultus gallery key new FILE` makes one"
        )
    return MasterKey(secret)


def _recovery_key(text: str, source: str) -> MasterKey:
    try:
        data = base64.b32decode(text)
    except binascii.Error:
        data = b""
    secret, check = data[:_RECOVERY_BYTES], data[_RECOVERY_BYTES:]
    if not data or check != _checksum(secret):
        raise ConfigError(f"{source}: the recovery key is mistyped, its checksum does not fit")
    return MasterKey(secret, "recovery")


def _checksum(secret: bytes) -> bytes:
    """40 bits: a mistyped key passes once in 10**12."""
    return hashlib.sha256(b"vultus recovery key" + secret).digest()[:_CHECK_BYTES]
