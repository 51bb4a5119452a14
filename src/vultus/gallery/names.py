"""The names under which people are enrolled."""

import unicodedata

from vultus.core.errors import InputError

__all__ = ["MAX_NAME_LENGTH", "normalise_identity"]

MAX_NAME_LENGTH = 200

# Controls, lone surrogates, line and paragraph separators. Format characters (Cf) stay: names in
# some scripts need joiners.
_REFUSED = {"Cc", "Cs", "Zl", "Zp"}


def normalise_identity(identity: str) -> str:
    """The one spelling of a name: NFC, without blanks around it.

    Args:
        identity: 1 to 200 characters after normalising, none of them a control character.

    Raises:
        InputError: If it is no such name.

    Example:
        >>> normalise_identity("  Jose\\u0301 ") == "Jos\\u00e9"
        True
    """
    if not isinstance(identity, str):
        raise InputError(f"identity must be a str, got {type(identity).__name__}")
    name = unicodedata.normalize("NFC", identity).strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise InputError(
            f"identity must have 1 to {MAX_NAME_LENGTH} characters, got {len(name)}: {name[:40]!r}"
        )
    if any(unicodedata.category(character) in _REFUSED for character in name):
        raise InputError(f"identity must not contain control characters, got {name!r}")
    return name
