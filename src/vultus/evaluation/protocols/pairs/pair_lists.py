"""Lists of pairs, in the layouts in which the verification sets are published."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.evaluation.protocols.protocol_files import read_lines

N_FOLDS = 10
_TRUE = frozenset({"1", "true", "same", "genuine"})
_FALSE = frozenset({"0", "-1", "false", "different", "diff", "impostor"})


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos to compare.

    Attributes:
        first: Name of a photo.
        second: Name of the other.
        genuine: They show the same person.
        fold: Number of the fold, or None where the list has none.
    """

    first: str
    second: str
    genuine: bool
    fold: int | None = None


def consecutive_folds(
    genuine: npt.NDArray[np.bool_], *, n_folds: int = N_FOLDS
) -> npt.NDArray[np.int64]:
    """Folds for a list that has none: the k-th tenth of the genuine pairs and of the impostors.

    For the published sets, whose blocks of 300 genuine and 300 impostor pairs follow each other,
    these are the blocks.

    Args:
        genuine: (n,) bool.
        n_folds: How many; fewer if either kind has fewer pairs.

    Raises:
        InputError: If either kind has fewer than two pairs.
    """
    fewest = int(min(genuine.sum(), (~genuine).sum()))
    if fewest < 2:
        raise InputError(
            "folds need at least two genuine and two impostor pairs, "
            f"got {int(genuine.sum())} and {int((~genuine).sum())}"
        )
    folds = np.empty(len(genuine), np.int64)
    for kind in (genuine, ~genuine):
        count = int(kind.sum())
        folds[kind] = np.arange(count) * min(n_folds, fewest) // count
    return folds


def read_lfw_pairs(path: str | Path) -> list[Pair]:
    """Read LFW's ``pairs.txt``.

    The first line gives folds and pairs of each kind per fold; then, fold by fold, lines
    ``name i j`` (genuine) and ``name i other j`` (impostor). Photos are ``name/name_0001.jpg``.

    Raises:
        InputError: If a line or the count of lines does not fit; the message names the line.
    """
    path = Path(path)
    lines = read_lines(path)
    header = [int(word) for word in lines[0].split() if word.isdigit()] if lines else []
    if len(header) not in (1, 2) or len(header) != len(lines[0].split()):
        raise InputError(
            f"{path} must begin with the number of folds and of pairs, e.g. '10 300', "
            f"got {lines[0] if lines else 'an empty file'!r}"
        )
    n_folds, per_kind = (1, header[0]) if len(header) == 1 else (header[0], header[1])
    if len(lines) - 1 != n_folds * per_kind * 2:
        raise InputError(
            f"{path} must have {n_folds} x 2 x {per_kind} pairs as its first line says, "
            f"got {len(lines) - 1}"
        )
    pairs = []
    for number, line in enumerate(lines[1:]):
        fold, place = divmod(number, 2 * per_kind)
        pairs.append(_lfw_pair(line, fold, genuine=place < per_kind, where=f"{path}:{number + 2}"))
    return pairs


def read_pair_list(path: str | Path) -> list[Pair]:
    """Read a list of pairs in either of two layouts.

    - ``photo photo label [fold]`` on one line, separated by tabs, or by blanks where there is no
      tab; label 1 or same, 0, -1 or different.
    - ``photo label`` on two lines a pair (CALFW, CPLFW); 0 on both for different people.

    Raises:
        InputError: If a line fits neither; the message names it.
    """
    path = Path(path)
    lines = read_lines(path)
    if not lines:
        raise InputError(f"{path} must hold pairs, got an empty file")
    rows = [_words(line) for line in lines]
    if len(rows[0]) == 2:
        return _two_line_pairs(rows, path)
    pairs = []
    for number, row in enumerate(rows, start=1):
        if len(row) not in (3, 4) or (len(row) == 4 and not row[3].isdigit()):
            raise InputError(
                f"{path}:{number} must be 'photo photo label [fold]', got {lines[number - 1]!r}"
            )
        fold = int(row[3]) if len(row) == 4 else None
        pairs.append(Pair(row[0], row[1], _label(row[2], f"{path}:{number}"), fold))
    if len({pair.fold is None for pair in pairs}) > 1:
        raise InputError(f"{path} must give a fold for all pairs or for none")
    return pairs


def read_cfp_pairs(root: Path, *, kind: str = "FP") -> tuple[list[Pair], list[Path]]:
    """Read the protocol folder of CFP.

    ``Protocol/Pair_list_F.txt`` and ``Pair_list_P.txt`` number the photos;
    ``Protocol/Split/FP/01/same.txt`` and ``diff.txt`` hold pairs of numbers, ``12,7``.

    Args:
        root: The folder above ``Protocol`` and ``Data``.
        kind: ``FP`` (frontal - profile) or ``FF``.

    Returns:
        The pairs, photos named ``001/frontal/01.jpg``; the files that were read.

    Raises:
        InputError: If files are missing or a number is unknown.
    """
    protocol = root / "Protocol"
    lists = [protocol / f"Pair_list_{view}.txt" for view in ("F", "P")]
    frontal, profile = (_numbered(path) for path in lists)
    second = profile if kind == "FP" else frontal
    splits = sorted(path for path in (protocol / "Split" / kind).glob("*") if path.is_dir())
    if not splits:
        raise InputError(f"{protocol / 'Split' / kind} must hold folders 01 .. 10, found none")
    pairs, files = [], lists
    for fold, split in enumerate(splits):
        for name, genuine in (("same.txt", True), ("diff.txt", False)):
            files.append(split / name)
            for number, line in enumerate(read_lines(split / name), start=1):
                words = line.split(",")
                try:
                    photos = frontal[int(words[0])], second[int(words[1])]
                except (ValueError, LookupError):
                    raise InputError(
                        f"{split / name}:{number} must be two known photo numbers, got {line!r}"
                    ) from None
                pairs.append(Pair(*photos, genuine, fold))
    return pairs, files


def _words(line: str) -> list[str]:
    return [word.strip() for word in line.split("\t")] if "\t" in line else line.split()


def _label(word: str, where: str) -> bool:
    if word.lower() in _TRUE | _FALSE:
        return word.lower() in _TRUE
    raise InputError(f"{where}: the label must be 1 (same) or 0 (different), got {word!r}")


def _lfw_pair(line: str, fold: int, *, genuine: bool, where: str) -> Pair:
    words = _words(line)
    numbers = words[1:] if genuine else words[1::2]
    if len(words) != (3 if genuine else 4) or not all(word.isdigit() for word in numbers):
        wanted = "name i j" if genuine else "name i name j"
        raise InputError(f"{where} must be {wanted!r}, got {line!r}")
    other = words[0] if genuine else words[2]
    return Pair(
        _lfw_photo(words[0], int(numbers[0])), _lfw_photo(other, int(numbers[1])), genuine, fold
    )


def _lfw_photo(name: str, number: int) -> str:
    return f"{name}/{name}_{number:04d}.jpg"


def _two_line_pairs(rows: Sequence[Sequence[str]], path: Path) -> list[Pair]:
    if len(rows) % 2 or any(len(row) != 2 for row in rows):
        raise InputError(f"{path} must be 'photo label', two lines a pair, got {len(rows)} lines")
    pairs = []
    for number in range(0, len(rows), 2):
        (first, a), (second, b) = rows[number], rows[number + 1]
        # CALFW and CPLFW write 0 for different people; some editions write the fold, not 1.
        if not (a.isdigit() and b.isdigit()) or (a == "0") != (b == "0"):
            raise InputError(
                f"{path}:{number + 1}: both photos of a pair must have the label 0 or both "
                f"another, got {a!r} and {b!r}"
            )
        pairs.append(Pair(first, second, a != "0"))
    return pairs


def _numbered(path: Path) -> dict[int, str]:
    numbered = {}
    for line in read_lines(path):
        match = re.fullmatch(r"(\d+)\s+(.+)", line)
        if match is None:
            raise InputError(f"{path} must hold lines 'number path', got {line!r}")
        # Paths are relative to the protocol; the last three parts name a photo everywhere.
        numbered[int(match[1])] = "/".join(_tail(match[2].split("/")))
    return numbered


def _tail(parts: Iterable[str]) -> list[str]:
    return list(parts)[-3:]
