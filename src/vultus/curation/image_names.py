"""Names of images and identities that a manifest can hold."""

from collections.abc import Iterable

from vultus.core.errors import InputError
from vultus.data.base import FaceDataset

_SHOWN = 3


def image_names(dataset: FaceDataset) -> list[str]:
    """The names of a data set's images, checked.

    Raises:
        InputError: If a name or an identity cannot stand in a manifest: it holds a control
            character (a tab, a new line), or is not UTF-8.
    """
    names = list(dataset.names)
    _check("image", names)
    _check("identity", dataset.identities)
    return names


def is_plain_text(name: str) -> bool:
    """True for UTF-8 text without control characters."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return name.isprintable() or not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in name)


def _check(what: str, names: Iterable[str]) -> None:
    bad = [name for name in names if not is_plain_text(name)]
    if bad:
        shown = ", ".join(ascii(name) for name in bad[:_SHOWN])
        raise InputError(
            f"{what} names must be UTF-8 without tabs, new lines and other control characters, so "
            f"that a manifest can hold them; {len(bad)} are not: {shown}; rename them"
        )
