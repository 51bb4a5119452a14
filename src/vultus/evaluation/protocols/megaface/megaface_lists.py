"""The files of MegaFace: which photos take part, and which are known to be mislabelled."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from vultus.core.errors import InputError
from vultus.evaluation.protocols.pair_lists import read_lines


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


def listed_photos(root: Path, path: Path) -> list[str]:
    """The photos in a folder that a list names, in its order, just where the list has them.

    The folder itself, which may hold a million photos, is not read.

    Raises:
        InputError: If one is not there.
    """
    names = read_photo_list(path)
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        raise InputError(
            f"{root} must hold all {len(names):,} photos that {path} names, it lacks "
            f"{len(missing):,}, e.g. {missing[0]}"
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
