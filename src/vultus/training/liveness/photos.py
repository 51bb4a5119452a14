"""A folder of living faces and attacks: who is who, and who must not be on two sides."""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from vultus.core.errors import InputError
from vultus.image.io import list_images
from vultus.pipeline.measuring.liveness import ATTACK_FOLDER, LIVE_FOLDER, attack_species
from vultus.training.liveness.recipe import PhotoConfig

LIVE = LIVE_FOLDER
"""The kind of living faces; every other kind is a species of attacks."""

_NUMBER = re.compile(r"[-_. ]*\d+$")
_MOSTLY = 0.8
"""If so many of the photos have a prefix of their own, the prefix tells nobody apart."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class ListedPhoto:
    """A photo of the folder.

    Attributes:
        path: Of the file.
        kind: `LIVE`, or the species of the attack.
        group: Who, or which session: photos of one group are never on two sides.
    """

    path: Path
    kind: str
    group: str


@dataclass(frozen=True, slots=True)
class ListedPhotos:
    """All photos of the folder.

    Attributes:
        photos: In a fixed order.
        split: What a group is: ``person``, ``prefix`` or ``photo``.
    """

    photos: tuple[ListedPhoto, ...]
    split: str

    @property
    def kinds(self) -> list[str]:
        """`LIVE`, then the species by name."""
        return [LIVE, *sorted({photo.kind for photo in self.photos} - {LIVE})]


def list_photos(config: PhotoConfig) -> ListedPhotos:
    """Find the photos and who is on them.

    Args:
        config: Where they are.

    Raises:
        InputError: If the folder is not named, lacks ``live/`` or a species, if only some photos
            lie in folders of people, if no group can be told apart, or if one photo lies in two
            groups or counts as living and as an attack.
        ImageError: If one of the folders holds no photo.
    """
    if config.root is None:
        raise InputError(
            "the recipe names no photos: add data.root=FOLDER, one with live/ and attack/SPECIES/"
        )
    root = Path(config.root).expanduser()
    places = {LIVE: root / LIVE_FOLDER}
    for name in attack_species(root):
        if name == LIVE:
            raise InputError(f"a species of attacks must not be called {LIVE!r}; rename its folder")
        places[name] = root / ATTACK_FOLDER / name
    files = {kind: list_images([place]) for kind, place in places.items()}
    split = _split(config, places, files)
    photos = tuple(
        ListedPhoto(path, kind, _group(path, places[kind], split))
        for kind, found in files.items()
        for path in found
    )
    if split == "prefix":
        _check_prefixes(photos)
    _check_copies(photos, split)
    return ListedPhotos(photos, split)


def _split(config: PhotoConfig, places: dict[str, Path], files: dict[str, list[Path]]) -> str:
    n = sum(map(len, files.values()))
    loose = [path for kind, found in files.items() for path in found if path.parent == places[kind]]
    is_unclear = config.split == "person" or (config.split == "auto" and len(loose) < n)
    if loose and is_unclear:
        raise InputError(
            f"{len(loose)} of {n} photos lie in no folder of a person ({loose[0]} is one): put "
            "each into live/PERSON/ or attack/SPECIES/PERSON/, or, if names tell sessions apart "
            "(anna-1.jpg, anna-2.jpg), give data.split=prefix"
        )
    if config.split != "auto":
        return config.split
    return "prefix" if loose else "person"


def _group(path: Path, place: Path, split: str) -> str:
    if split == "person":
        return path.relative_to(place).parts[0]
    if split == "prefix":
        return _NUMBER.sub("", path.stem) or path.stem
    return str(path)


def _check_prefixes(photos: tuple[ListedPhoto, ...]) -> None:
    groups = Counter(photo.group for photo in photos)
    if len(groups) > _MOSTLY * len(photos):
        raise InputError(
            f"the names of {len(photos)} photos have {len(groups)} different prefixes before their "
            "numbers, so that nobody can be told apart: put photos into folders of people, or name "
            "them PERSON-NUMBER; data.split=photo splits photo by photo, and what is measured then "
            "says nothing about people who were not trained on"
        )


def _check_copies(photos: tuple[ListedPhoto, ...], split: str) -> None:
    seen: dict[bytes, ListedPhoto] = {}
    for photo in photos:
        digest = hashlib.sha256()
        with open(photo.path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        other = seen.setdefault(digest.digest(), photo)
        if (other.kind == LIVE) != (photo.kind == LIVE):
            raise InputError(
                f"{other.path} and {photo.path} are the same file, once living and once an "
                "attack: remove the one that is wrong"
            )
        if other.group != photo.group:
            what = "files" if split == "photo" else f"groups ({other.group}, {photo.group})"
            raise InputError(
                f"{other.path} and {photo.path} are the same photo in two {what}: what is trained "
                "on would be checked on, too; remove one"
            )
