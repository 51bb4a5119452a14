"""The one spelling of a name: of a person, of an id elsewhere, of a group."""

import unicodedata

from vultus.core.errors import InputError

MAX_NAME_LENGTH = 200
_MAX_GROUP_LENGTH = 100

# Controls, lone surrogates, line and paragraph separators. Format characters (Cf) stay: names in
# some scripts need joiners.
_REFUSED = {"Cc", "Cs", "Zl", "Zp"}


def normalise_identity(
    identity: str, *, what: str = "identity", longest: int = MAX_NAME_LENGTH
) -> str:
    """The one spelling of a name: NFC, without blanks around it.

    Args:
        identity: 1 to ``longest`` characters after normalising, none of them a control character.
        what: What messages call it.
        longest: How many characters it may have.

    Raises:
        InputError: If it is no such name.

    Example:
        >>> normalise_identity("  Jose\\u0301 ") == "Jos\\u00e9"
        True
    """
    if not isinstance(identity, str):
        raise InputError(f"{what} must be a str, got {type(identity).__name__}")
    name = unicodedata.normalize("NFC", identity).strip()
    if not 1 <= len(name) <= longest:
        raise InputError(
            f"{what} must have 1 to {longest} characters, got {len(name)}: {name[:40]!r}"
        )
    if any(unicodedata.category(character) in _REFUSED for character in name):
        raise InputError(f"{what} must not contain control characters, got {name!r}")
    return name


def normalise_group(name: str) -> str:
    """As `normalise_identity`, for the name of a group.

    Raises:
        InputError: If it is no such name.
    """
    return normalise_identity(name, what="the name of a group", longest=_MAX_GROUP_LENGTH)
