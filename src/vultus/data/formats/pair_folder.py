"""Pair sets as folders that people can look at: image files and a list of pairs."""

from pathlib import Path

from vultus.core.files import appearing, make_private_folder, private_opener
from vultus.data.formats.pair_set import distinct_images, read_pair_set
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
    firsts, places = distinct_images(images)
    names = [
        f"{number:05}{image_ending(images[place], f'image {number} of {path}')}"
        for number, place in enumerate(firsts, start=1)
    ]
    rows = (
        f"{names[first]}\t{names[second]}\t{int(flag)}\n"
        for first, second, flag in zip(places[::2], places[1::2], flags, strict=True)
    )
    with appearing(folder) as part:
        make_private_folder(part)
        for place, name in zip(firsts, names, strict=True):
            with open(part / name, "xb", opener=private_opener) as stream:
                stream.write(images[place])
        with open(part / PAIRS_NAME, "xb", opener=private_opener) as stream:
            stream.write("".join(rows).encode())
    return len(names), len(flags)
