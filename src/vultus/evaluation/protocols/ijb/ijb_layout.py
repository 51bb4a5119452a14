"""Where the files of IJB-B and IJB-C are."""

from collections.abc import Callable, Sequence
from pathlib import Path

from vultus.core.errors import InputError
from vultus.evaluation.protocols.ijb.ijb_meta import read_subjects
from vultus.evaluation.protocols.photo_root import PhotoRoot
from vultus.evaluation.protocols.photos import PhotoFile


def meta_folder(root: Path, prefix: str) -> Path:
    """The folder of the meta files.

    Raises:
        InputError: If it is not there.
    """
    for folder in (root / "meta", root / prefix.upper() / "meta", root):
        if (folder / f"{prefix}_face_tid_mid.txt").is_file():
            return folder
    raise InputError(f"{root} must hold meta/{prefix}_face_tid_mid.txt")


def read_galleries(
    meta: Path, prefix: str
) -> tuple[dict[str, dict[int, int]], dict[int, int], list[Path]]:
    """Who is in which gallery, and who is searched for.

    Returns:
        Template -> subject of each gallery by its name, and of the probes; the files. Nothing
        where there are no galleries.

    Raises:
        InputError: If a file is missing or not of the layout.
    """
    galleries = sorted(meta.glob(f"{prefix}_1N_gallery_*.csv"))
    if not galleries:
        return {}, {}, []
    probes = meta / f"{prefix}_1N_probe_mixed.csv"
    named = {path.stem.rpartition("_")[2]: read_subjects(path) for path in galleries}
    return named, read_subjects(probes), [*galleries, probes]


def find_photos(
    place: Path, names: Sequence[str]
) -> tuple[Sequence[str], Callable[[str], PhotoFile]]:
    """Names of the photos and how to read them; only embeddings may be there, and no photos.

    Args:
        place: Folder, zip or ``.npz``; one that does not exist cannot be read from.
        names: What the meta files call them.

    Raises:
        InputError: If one is not there.
    """
    if place.is_dir():
        missing = [name for name in names if not (place / name).is_file()]
        if missing:
            raise InputError(
                f"{place} must hold all {len(names):,} photos, it lacks {len(missing):,}, e.g. "
                f"{missing[0]}"
            )
        return names, place.joinpath
    if place.is_file():
        root = PhotoRoot(place)
        return [root.find(name) for name in names], root.read

    def refuse(name: str) -> PhotoFile:
        raise InputError(f"there are no photos at {place}; say where they are: --set images=PATH")

    return names, refuse
