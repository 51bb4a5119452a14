"""A list of pairs and its photos, packed into one verification set."""

from pathlib import Path

from vultus.data.formats.files import read_image_file
from vultus.data.formats.pair_set import write_pair_set
from vultus.evaluation.protocols.pairs.pair_lists import read_pair_list
from vultus.evaluation.protocols.photos import PhotoFile, PhotoRoot


def pack_pair_list(listed: Path, target: Path, *, photos: Path | None = None) -> tuple[int, int]:
    """Write the photos of a list of pairs as a ``*.bin``.

    Args:
        listed: Lines ``photo photo 1|0``; see `read_pair_list`.
        target: The file to write.
        photos: Folder or zip that the photos are in; None: the list's folder.

    Returns:
        How many images and pairs were written.

    Raises:
        InputError: If the list or a photo cannot be read.
    """
    pairs = read_pair_list(listed)
    root = PhotoRoot(listed.parent if photos is None else photos)
    names = [name for pair in pairs for name in (pair.first, pair.second)]
    files = {name: _read(root.read(root.find(name))) for name in dict.fromkeys(names)}
    write_pair_set(target, [files[name] for name in names], flags=[pair.genuine for pair in pairs])
    return len(files), len(pairs)


def _read(photo: PhotoFile) -> bytes:
    return photo if isinstance(photo, bytes) else read_image_file(Path(photo))
