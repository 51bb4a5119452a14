"""The name by which a manifest calls an image of a data set."""

from collections.abc import Iterable

from vultus.core.errors import InputError
from vultus.data.base import FaceDataset
from vultus.data.formats.folder import FolderDataset
from vultus.data.formats.list_file import ListDataset

_SHOWN = 3


def image_names(dataset: FaceDataset) -> list[str]:
    """Name of each image of a data set.

    It is the path below the folder or inside the zip, or as it stands in the list; in a RecordIO
    and other kinds ``record-<index>``.

    Raises:
        InputError: If a name or an identity cannot stand in a manifest: it holds a control
            character (a tab, a new line), or is not UTF-8.
    """
    names: list[str] = []
    if isinstance(dataset, FolderDataset):
        names = list(dataset.files.names)
    elif isinstance(dataset, ListDataset):
        names = list(dataset.paths)
    else:
        names = [f"record-{index}" for index in range(len(dataset))]
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
