"""A folder, or a zip, with a folder of images per identity."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vultus.core.checks import check_positive_int
from vultus.core.errors import InputError
from vultus.data.base import DATASETS, UNLABELLED, FaceDataset
from vultus.data.formats.files import FolderFiles, open_files

UNLABELLED_FOLDER = "_unlabelled"
"""Images in or below a folder of this name belong to no known identity."""


@DATASETS.register("folder")
class FolderDataset(FaceDataset):
    """Images by identity, ``identity/1.jpg`` or deeper, ``source/identity/1.jpg``.

    The identity is the folder that holds the image, by its path below the root; images that lie
    right in the root, or in or below a folder `UNLABELLED_FOLDER`, have none. Images are sorted by
    path, identities by name.

    Args:
        root: A folder, or a zip file.
        depth: How many folders name an identity, for identities that are divided further:
            ``depth=1`` makes ``anna/2019/1.jpg`` an image of ``anna``. None takes them all.

    Attributes:
        empty_folders: Folders without images, sorted; they are no identities.

    Raises:
        InputError: If the root is neither, holds no image, or an image lies above ``depth``.
    """

    def __init__(self, root: str | Path, *, depth: int | None = None) -> None:
        if depth is not None:
            check_positive_int("depth", depth)
        self.root = Path(root)
        self.files = open_files(self.root)
        self.empty_folders = self.files.empty_folders
        owners = [_identity(name, depth) for name in self.files.names]
        identities = sorted({owner for owner in owners if owner is not None})
        label_of: dict[str | None, int] = {name: label for label, name in enumerate(identities)}
        label_of[None] = UNLABELLED
        labels = np.fromiter((label_of[owner] for owner in owners), np.int64, len(owners))
        super().__init__(labels, identities=identities)

    @property
    def names(self) -> Iterable[str]:
        """Paths below the folder or inside the zip."""
        return self.files.names

    def encoded(self, index: int) -> bytes:
        """The bytes of the image's file."""
        return self.files.read(index)

    def source(self, index: int) -> str:
        """The image's path."""
        return self.files.source(index)

    def path(self, index: int) -> Path | None:
        """The image's file; None inside a zip."""
        return Path(self.files.source(index)) if isinstance(self.files, FolderFiles) else None


def _identity(name: str, depth: int | None) -> str | None:
    folders = name.split("/")[:-1]
    if not folders or UNLABELLED_FOLDER in folders:
        return None
    if depth is not None and len(folders) < depth:
        raise InputError(f"images must lie at least {depth} folders below the root, got {name}")
    return "/".join(folders[:depth])
