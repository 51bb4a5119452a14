"""Pair sets as folders that people can look at: image files and a list of pairs."""

from pathlib import Path

from vultus.core.files import appearing
from vultus.data.formats.pair_set import read_pair_set
from vultus.data.formats.writers import image_ending

PAIRS_NAME = "pairs.tsv"
"""Lines ``file<tab>file<tab>1`` for one person, ``0`` for two."""


def unpack_pair_set(path: Path, folder: Path) -> tuple[int, int]:
    """Write the images of a ``*.bin`` as files, each once, and the list of pairs beside them.

    Args:
        path: The pair set.
        folder: A new folder.

    Returns:
        How many images and pairs were written.

    Raises:
        InputError: If it is no pair set, or the folder exists or cannot be written.
        ImageError: If an image is of no known format.
    """
    images, flags = read_pair_set(path)
    # A photo that takes part in several pairs is stored several times.
    names: dict[bytes, str] = {}
    for image in images:
        if image not in names:
            number = len(names) + 1
            names[image] = f"{number:05}{image_ending(image, f'image {number} of {path}')}"
    rows = (
        f"{names[first]}\t{names[second]}\t{int(flag)}\n"
        for first, second, flag in zip(images[::2], images[1::2], flags, strict=True)
    )
    with appearing(folder) as part:
        part.mkdir()
        for image, name in names.items():
            (part / name).write_bytes(image)
        (part / PAIRS_NAME).write_text("".join(rows), encoding="utf-8")
    return len(names), len(flags)
