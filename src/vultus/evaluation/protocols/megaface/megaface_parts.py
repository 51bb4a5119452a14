"""The two parts of MegaFace: where they usually are, which photos take part, which to remove."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vultus.core.errors import InputError
from vultus.evaluation.protocols.photos import PhotoFile, PhotoRoot, Photos
from vultus.evaluation.protocols.protocol_files import (
    check_all_there,
    digests,
    first_file,
    read_lines,
)

_LIST_FOLDERS = (".", "devkit/templatelists", "templatelists")


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkPart:
    """The probes or the distractors.

    Attributes:
        photos: Those that take part.
        n_removed: How many a list of noises removed.
        files: SHA-256 of the lists, by name.
    """

    photos: Photos
    n_removed: int
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class PartPlaces:
    """Where a part is looked for where it is not given.

    Attributes:
        kind: What messages call it.
        folders: Names of its folder.
        lists: Names of the list of its photos.
        noises: Name of the list of photos to remove.
        huge: A folder is not to be read where there is a list; names must then be just the list's,
            endings included.
    """

    kind: str
    folders: tuple[str, ...]
    lists: tuple[str, ...]
    noises: str
    huge: bool


PROBES = PartPlaces(
    "probes",
    ("facescrub_images", "facescrub", "probes"),
    ("facescrub_lst", "facescrub_features_list.json"),
    "facescrub_noises.txt",
    huge=False,
)
DISTRACTORS = PartPlaces(
    "distractors",
    ("megaface_images", "FlickrFinal2", "distractors"),
    ("megaface_lst", "megaface_features_list.json_1000000_1"),
    "megaface_noises.txt",
    huge=True,
)


def find_part(
    root: Path,
    places: PartPlaces,
    *,
    photos: Path | None,
    listed: Path | None,
    noises: Path | None,
    clean: bool,
) -> BenchmarkPart:
    """Find the photos that take part.

    Args:
        root: Where to look.
        places: What to look for there.
        photos: Their folder, zip or ``.npz``; None looks for it.
        listed: The list of those that take part; None looks for it, and takes all if there is none.
        noises: The list of those to remove; None looks for it.
        clean: Remove them.

    Raises:
        InputError: If the photos are not found, or not all that the list names.
    """
    place = _folder(root, places) if photos is None else photos
    if listed is None:
        listed = first_file((root / name for name in _LIST_FOLDERS), places.lists)
    if noises is None:
        noises = first_file((root / name for name in _LIST_FOLDERS), (places.noises,))
    read: Callable[[str], PhotoFile]
    if places.huge and listed is not None and place.is_dir():
        names, read = read_photo_list(listed), place.joinpath
        check_all_there(place, names, what=f"photos that {listed} names")
    else:
        found = PhotoRoot(place)
        names, read = found.names, found.read
        if listed is not None:
            names = [found.find(name) for name in read_photo_list(listed)]
    kept = NoisesList(noises).without(names) if clean and noises is not None else names
    files = [path for path in (listed, noises if clean else None) if path is not None]
    return BenchmarkPart(Photos(kept, read), len(names) - len(kept), digests(files))


def _folder(root: Path, places: PartPlaces) -> Path:
    for name in places.folders:
        if (root / name).is_dir():
            return root / name
    raise InputError(
        f"{root} must hold the {places.kind} in {' or '.join(places.folders)}; or say where they "
        f"are: --set {places.kind}=PATH"
    )


def read_photo_list(path: Path) -> list[str]:
    """Read names of photos: one a line, or the devkit's JSON with a list ``path``.

    Raises:
        InputError: If it cannot be read, is of another layout, or names no photo or one twice.
    """
    lines = read_lines(path)
    names = lines
    if lines and lines[0].startswith("{"):
        try:
            names = json.loads("\n".join(lines))["path"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} must be JSON with a list 'path': {error}") from None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{path} must be JSON with a list 'path' of names")
    if not names or len(set(names)) != len(names):
        raise InputError(
            f"{path} must name photos, each once, got {len(names):,} names, "
            f"{len(set(names)):,} of them different"
        )
    return names


class NoisesList:
    """Photos that are mislabelled or show no face, by name.

    A line is the end of a photo's path, of any depth (``Ann_Lee_12.png``, ``100/1@N0/2_0.jpg``),
    in the second column if there are tabs; ``#`` begins a remark. Endings do not matter.

    Args:
        path: The file.

    Raises:
        InputError: If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._tails: dict[int, set[tuple[str, ...]]] = defaultdict(set)
        for line in read_lines(path):
            if not line.startswith("#"):
                parts = _parts(line.split("\t")[:2][-1].strip())
                self._tails[len(parts)].add(parts)

    def __contains__(self, name: str) -> bool:
        parts = _parts(name)
        return any(parts[-depth:] in tails for depth, tails in self._tails.items())

    def without(self, names: Iterable[str]) -> list[str]:
        """Those names that are not of the list."""
        return [name for name in names if name not in self]


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).with_suffix("").parts
