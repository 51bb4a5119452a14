"""WebDataset tars: shards of images with their labels beside them, read at any place."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vultus.core.errors import ImageError, InputError
from vultus.core.mapped_file import MappedFile
from vultus.data.base import DATASETS, UNLABELLED, FaceDataset
from vultus.data.formats.files import MAX_IMAGE_BYTES
from vultus.data.formats.list_file import ordered_names
from vultus.data.formats.name_table import NameTable
from vultus.data.formats.tar_file import TarMember, tar_members
from vultus.image.io import is_hidden, is_image_name

_MAX_LABEL_BYTES = 1 << 20
_MAX_SHARDS = 1 << 20
_OPEN_SHARDS = 64
_BRACES = re.compile(r"\{([0-9]{1,9})\.\.([0-9]{1,9})\}")


class _Sample(NamedTuple):
    shard: int
    image: TarMember
    owner: str | None


@DATASETS.register("webdataset")
class WebDataset(FaceDataset):
    """Images in tars as the package ``webdataset`` writes them: ``0001.jpg``, ``0001.cls``.

    Files of one name up to the first dot belong together and follow each other. The headers are
    read once, on opening; then any image can be read at any time, so that a run goes on in the
    middle of an epoch.

    Args:
        root: A ``.tar``, a folder of them, or a pattern such as ``train-{0000..0031}.tar``.
        label: The file that says who it is: ``"cls"`` (a number or a name), or ``"json.person"``
            for the value of ``person`` in a ``.json``. Images without it have no identity.

    Attributes:
        shards: The tars.

    Raises:
        InputError: If there is no tar, one is compressed, damaged or cut short, a sample comes
            twice, a label is neither a number nor a name, or there is no image.
    """

    def __init__(self, root: str | Path, *, label: str = "cls") -> None:
        self.shards = tuple(_shards(Path(root)))
        self._opened: dict[int, MappedFile] = {}
        samples = [
            sample for shard in range(len(self.shards)) for sample in self._samples(shard, label)
        ]
        if not samples:
            raise InputError(f"{root} must hold images, found none in {len(self.shards)} tars")
        self._names = NameTable(
            f"{self.shards[sample.shard].name}/{sample.image.name}" for sample in samples
        )
        self._places = np.array(
            [(sample.shard, sample.image.start, sample.image.size) for sample in samples], np.int64
        )
        identities = ordered_names({s.owner for s in samples if s.owner is not None})
        label_of: dict[str | None, int] = {name: number for number, name in enumerate(identities)}
        label_of[None] = UNLABELLED
        labels = np.fromiter((label_of[s.owner] for s in samples), np.int64, len(samples))
        super().__init__(labels, identities=identities)

    @property
    def names(self) -> Iterable[str]:
        """The shard's file name and the member's."""
        return self._names

    def encoded(self, index: int) -> bytes:
        """The bytes of the image's file."""
        shard, start, size = self._places[index].tolist()
        if size > MAX_IMAGE_BYTES:
            raise ImageError(f"{self.source(index)} must have at most {MAX_IMAGE_BYTES:,} bytes")
        return self._file(shard).read(start, size)

    def source(self, index: int) -> str:
        """The shard's path and the member's name."""
        return f"{self.shards[int(self._places[index, 0])].parent}/{self._names[index]}"

    def _file(self, shard: int) -> MappedFile:
        if shard not in self._opened:
            if len(self._opened) >= _OPEN_SHARDS:  # each takes a descriptor
                self._opened.pop(next(iter(self._opened)))
            self._opened[shard] = MappedFile(self.shards[shard])
        return self._opened[shard]

    def _samples(self, shard: int, label: str) -> Iterator[_Sample]:
        file = self._file(shard)
        seen: set[str] = set()
        for key, parts in _by_key(file):
            if key in seen:
                raise InputError(f"{file.path} holds {key!r} twice, or its files are not together")
            seen.add(key)
            images = [part for ending, part in parts.items() if is_image_name(f"x.{ending}")]
            if len(images) > 1:
                raise InputError(f"{file.path} must hold one image of {key!r}, got {len(images)}")
            if images:
                yield _Sample(shard, images[0], _owner(file, parts, label))


def expand_braces(pattern: str) -> Iterator[str]:
    """The names that ``{0000..0031}`` in a pattern stands for.

    Example:
        >>> list(expand_braces("a-{08..10}.tar"))
        ['a-08.tar', 'a-09.tar', 'a-10.tar']
    """
    pieces = _BRACES.split(pattern)
    ranges = [
        [str(number).zfill(len(low)) for number in range(int(low), int(high) + 1)]
        for low, high in zip(pieces[1::3], pieces[2::3], strict=True)
        if int(high) - int(low) < _MAX_SHARDS
    ]
    if len(ranges) < len(pieces) // 3 or math.prod(map(len, ranges)) > _MAX_SHARDS:
        raise InputError(f"{pattern} stands for more than {_MAX_SHARDS:,} files")
    for numbers in product(*ranges):
        rests = zip(numbers, pieces[3::3], strict=True)
        yield pieces[0] + "".join(f"{number}{rest}" for number, rest in rests)


def _shards(root: Path) -> list[Path]:
    if root.is_dir():
        found = sorted(path for path in root.glob("*.tar") if not is_hidden(path.name))
    elif root.exists():
        found = [root]
    else:
        found = [Path(name) for name in expand_braces(str(root))]
    if not found:
        raise InputError(f"{root} must be a .tar, a folder of them, or a pattern; found none")
    missing = [path for path in found if not path.is_file()]
    if missing:
        raise InputError(f"there is no file {missing[0]}, one of {len(found)} that {root} means")
    return found


def _by_key(file: MappedFile) -> Iterator[tuple[str, dict[str, TarMember]]]:
    key, parts = "", dict[str, TarMember]()
    for member in tar_members(file):
        folder, slash, name = member.name.rpartition("/")
        if is_hidden(name):
            continue
        stem, _, ending = name.partition(".")
        if f"{folder}{slash}{stem}" != key and parts:
            yield key, parts
            parts = {}
        key = f"{folder}{slash}{stem}"
        if ending.lower() in parts:
            raise InputError(f"{file.path} holds {member.name!r} twice")
        parts[ending.lower()] = member
    if parts:
        yield key, parts


def _owner(file: MappedFile, parts: dict[str, TarMember], label: str) -> str | None:
    ending, _, field = label.partition(".")
    member = parts.get(ending)
    if member is None:
        return None
    if member.size > _MAX_LABEL_BYTES:
        raise InputError(f"{file.path}/{member.name} has more than {_MAX_LABEL_BYTES:,} bytes")
    data = file.read(member.start, member.size)
    try:
        value = json.loads(data)[field] if field else data.decode()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{file.path}/{member.name} must say {label}: {error!r:.200}") from error
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).strip():
        raise InputError(f"{file.path}/{member.name} must be a number or a name, got {value!r:.80}")
    owner = str(value).strip()
    return None if owner == str(UNLABELLED) else owner
