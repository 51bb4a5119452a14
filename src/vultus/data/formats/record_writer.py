"""Writes RecordIO data sets in the layout of faces_emore."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from vultus.core.errors import InputError
from vultus.core.files import private_opener
from vultus.core.text import json_text
from vultus.data.base import UNLABELLED
from vultus.data.decode import decode_image
from vultus.data.formats.record_file import encode_image_record, encode_record
from vultus.data.formats.record_labels import EXACT_FLOATS
from vultus.data.formats.recordio import NAMES_SUFFIX


@contextmanager
def record_writer(folder: Path, *, stem: str = "train") -> Iterator["RecordWriter"]:
    """Make ``train.rec``, ``train.idx``, ``property`` and ``train.identities.json``.

    Args:
        folder: Made if it does not exist; files of these names in it are replaced.
        stem: Name of the files without ending.

    Yields:
        The writer; the files are complete when the block ends without error.
    """
    folder.mkdir(0o700, exist_ok=True)
    rec, idx = folder / f"{stem}.rec", folder / f"{stem}.idx"
    with (
        open(rec, "wb", opener=private_opener) as records,
        open(idx, "w", encoding="ascii", opener=private_opener) as index,
    ):
        writer = RecordWriter(records, index=index)
        yield writer
        writer.finish()
    rows = f"{len(writer.identities)},{writer.size_hw[0]},{writer.size_hw[1]}\n"
    _write(folder / "property", rows)
    names = json_text(writer.identities)
    _write(folder / f"{stem}{NAMES_SUFFIX}", names)


def _write(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8", opener=private_opener) as stream:
        stream.write(text)


class RecordWriter:
    """Writes image records, and in the end those that describe them.

    Keys are 0 for the record that describes the others, 1 to n for the images, then one for each
    identity. Labels are numbered as the identities come.

    Args:
        records: The ``.rec`` file, seekable.
        index: The ``.idx`` file.

    Attributes:
        identities: Names so far, index = label.
        size_hw: Height and width of the first image; (0, 0) before.
    """

    def __init__(self, records: BinaryIO, *, index: TextIO) -> None:
        self.identities: list[str] = []
        self.size_hw = (0, 0)
        self._known: set[str] = set()
        self._first_keys: list[int] = []
        self._unlabelled = False
        self._records = records
        self._index = index
        self._next_key = 0
        # Its size does not depend on its labels, so it can be filled in at the end.
        self._write((0.0, 0.0), b"")

    def add(self, identity: str | None, image: bytes) -> None:
        """Append an image.

        Args:
            identity: Its name; images of one identity must follow each other, and those of none
                (None) come last.
            image: The bytes of its file.

        Raises:
            InputError: If the identity was left before, or there are too many images.
            ImageError: If it is the first image and cannot be decoded.
        """
        if self._next_key + len(self.identities) + 2 >= EXACT_FLOATS:
            raise InputError(f"one file must have fewer than {EXACT_FLOATS} records; make several")
        if self.size_hw == (0, 0):
            height, width = decode_image(image, "the first image").shape[:2]
            self.size_hw = (height, width)
        self._write(float(self._label(identity)), image)

    def finish(self) -> None:
        """Write what describes the images."""
        images_end = self._next_key
        bounds = [*self._first_keys, images_end]  # the unlabelled begin where the last ends
        for label in range(len(self.identities)):
            self._write((float(bounds[label]), float(bounds[label + 1])), b"")
        header = encode_image_record((float(images_end), float(self._next_key)), key=0, image=b"")
        self._records.seek(0)
        self._records.write(encode_record(header))

    def _label(self, identity: str | None) -> int:
        if identity is None:
            if not self._unlabelled:
                self._first_keys.append(self._next_key)
                self._unlabelled = True
            return UNLABELLED
        if not self.identities or identity != self.identities[-1] or self._unlabelled:
            if identity in self._known or self._unlabelled:
                raise InputError(f"images of {identity!r} must follow each other, unlabelled last")
            self._known.add(identity)
            self.identities.append(identity)
            self._first_keys.append(self._next_key)
        return len(self.identities) - 1

    def _write(self, label: float | tuple[float, float], image: bytes) -> None:
        self._index.write(f"{self._next_key}\t{self._records.tell()}\n")
        data = encode_image_record(label, key=self._next_key, image=image)
        self._records.write(encode_record(data))
        self._next_key += 1
