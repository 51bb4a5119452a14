"""RecordIO data sets as faces_emore is published: ``train.rec``, ``train.idx``, ``property``."""

import json
import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.data.base import DATASETS, UNLABELLED, FaceDataset
from vultus.data.formats.record_file import RecordFile, read_index
from vultus.data.formats.record_labels import described_images, images_one_by_one

logger = logging.getLogger(__name__)

NAMES_SUFFIX = ".identities.json"
"""``train.identities.json`` beside ``train.rec`` is a list of names, index = label. It is ours: the
format itself knows only numbers."""

_MAX_SIDE_BYTES = 1 << 28


@DATASETS.register("recordio")
class RecordDataset(FaceDataset):
    """Images in a ``.rec`` file.

    Two layouts exist. In that of faces_emore, record 0 says which keys are images and which
    describe an identity (from which image to which); then only those few are read on opening. In
    the other all records are images, and the labels are read from each. Without a ``.idx`` file
    the records are found by walking through the file. How many identities there are is counted
    from the labels; what ``property`` says is only compared.

    Args:
        root: The ``.rec`` file, or a folder that holds ``train.rec`` or a single one.

    Attributes:
        damages: Places that had to be skipped to find the records; 0 with an index.
        declared_identities: What ``property`` says; None without that file.

    Raises:
        InputError: If there is no such file, it holds no image, its labels are not whole numbers,
            or the index does not belong to it.
    """

    def __init__(self, root: str | Path) -> None:
        path = _record_path(Path(root))
        self.records = RecordFile(path)
        self._starts, raw, self.damages = _find_images(self.records, path.with_suffix(".idx"))
        if not len(raw):
            raise InputError(f"{path} holds no image")
        labels, identities = _name_identities(raw, path.with_suffix(NAMES_SUFFIX))
        self.declared_identities = _declared_identities(path.with_name("property"))
        if self.declared_identities not in (None, len(identities)):
            logger.warning(
                "%s: the property file says %s identities, the labels say %d",
                path,
                self.declared_identities,
                len(identities),
            )
        super().__init__(labels, identities=identities)

    def encoded(self, index: int) -> bytes:
        """The bytes of the image's file."""
        return self.records.image(int(self._starts[index]))

    def source(self, index: int) -> str:
        """The record's place."""
        return self.records.name(int(self._starts[index]))


def _record_path(root: Path) -> Path:
    if not root.is_dir():
        return root.with_suffix(".rec")
    if (root / "train.rec").exists():
        return root / "train.rec"
    found = sorted(root.glob("*.rec"))
    if len(found) != 1:
        raise InputError(f"{root} must hold train.rec or one .rec file, got {len(found)} of them")
    return found[0]


def _find_images(
    records: RecordFile, index: Path
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Where the image records begin, their labels, and how many damages were skipped."""
    if not index.exists():
        starts, damages = records.scan()
        return *images_one_by_one(records, starts), damages
    keys, starts = read_index(index, size=len(records))
    records.keep_apart(starts)
    described = described_images(records, keys, starts)
    return *(images_one_by_one(records, starts) if described is None else described), 0


def _name_identities(
    raw: npt.NDArray[np.int64], names_file: Path
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Labels without gaps, and a name for each: from the file of names, or the number itself."""
    known = np.unique(raw[raw != UNLABELLED])
    labels = np.where(raw == UNLABELLED, UNLABELLED, np.searchsorted(known, raw))
    names = _read_names(names_file) if names_file.exists() else None
    if names is None:
        return labels, [str(label) for label in known]
    if len(known) and known[-1] >= len(names):
        raise InputError(f"{names_file} must name {known[-1] + 1} identities, got {len(names)}")
    return labels, [names[label] for label in known]


def _read_names(path: Path) -> list[str]:
    try:
        names = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} must be a JSON list of names: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path} must be a JSON list of names")
    return names


def _declared_identities(path: Path) -> int | None:
    if not path.exists():
        return None
    first = _read_text(path).split(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() and len(first) < 12 else None


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_SIDE_BYTES:
            raise InputError(f"{path} has more than {_MAX_SIDE_BYTES:,} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be UTF-8 text: {error}") from error
