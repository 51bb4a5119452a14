"""The folder of a run: what was asked for, the photos, and a file for each part that is done."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vultus.bulk.face_table import FaceRows, read_face_rows, read_table
from vultus.bulk.photo_list import StoredPlace, photo_list_digest
from vultus.core.embeddings import EmbeddingSpace, check_same_space
from vultus.core.errors import InputError
from vultus.core.files import (
    check_folder,
    make_private_folder,
    write_bytes,
    write_text,
    writing,
)
from vultus.core.text import json_text

_FORMAT = "vultus-bulk-1"
_ABOUT = "run.json"
_PHOTOS = "photos.parquet"
_PARTS = "faces"


@dataclass(frozen=True, slots=True)
class RunSettings:
    """All that the results depend on beside the photos; a run goes on only with the same.

    Attributes:
        space: Of the embeddings.
        analysis: How faces are found, judged and righted, in words.
        threads: Of each model in each process.
        part_photos: How many photos are one part of the work: one task, one file.
    """

    space: EmbeddingSpace
    analysis: str
    threads: int
    part_photos: int

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "space": self.space.to_dict(),
            "analysis": self.analysis,
            "threads": self.threads,
            "part_photos": self.part_photos,
        }


class RunFolder:
    """A folder that one run fills, however often it is killed and started again.

    It holds vectors of faces and names of photos, and is made for its owner only.

    Args:
        path: The folder of a run that was begun.

    Attributes:
        settings: What was asked for.
        photos: All of them, in order.

    Raises:
        InputError: If there is no run in it, or what is there is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        about = _about(self.path)
        try:
            own = dict(about["settings"])
            self.settings = RunSettings(**{**own, "space": EmbeddingSpace(**own["space"])})
            digest = about["photos_sha256"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.path / _ABOUT} is damaged: {error}") from error
        self.photos = _read_photos(self.path / _PHOTOS)
        if photo_list_digest(self.photos) != digest:
            raise InputError(f"{self.path / _PHOTOS} was changed since the run was begun")

    @classmethod
    def begin(
        cls, path: str | Path, photos: Sequence[StoredPlace], settings: RunSettings
    ) -> "RunFolder":
        """Make the folder, or go on in it where it was left.

        Raises:
            InputError: If the folder holds something else, or a run of other photos or settings.
        """
        path = Path(path)
        check_folder(path)
        digest = photo_list_digest(photos)
        if (path / _ABOUT).exists():
            folder = cls(path)
            folder._check_same(photos, digest, settings)
            return folder
        if path.exists() and any(_unexpected(path)):
            raise InputError(f"{path} must be new, empty, or the folder of a run, and is not")
        make_private_folder(path)
        make_private_folder(path / _PARTS)
        _write_photos(path / _PHOTOS, photos)
        about = {"format": _FORMAT, "settings": settings.to_dict(), "photos_sha256": digest}
        write_text(path / _ABOUT, json_text(about, indent=2), private=True)  # last: it is a run now
        return cls(path)

    @property
    def n_parts(self) -> int:
        """How many parts the work has."""
        return -(-len(self.photos) // self.settings.part_photos)

    def places(self, part: int) -> range:
        """The places of a part's photos in the list."""
        size = self.settings.part_photos
        return range(part * size, min(len(self.photos), (part + 1) * size))

    def part_path(self, part: int) -> Path:
        """The file of a part, whether it is there or not."""
        return self.path / _PARTS / f"{part:07d}.parquet"

    def is_done(self, part: int) -> bool:
        """Whether the part's file is there; it appears whole or not at all."""
        return self.part_path(part).is_file()

    def write_part(self, part: int, packed: bytes) -> None:
        """Keep a part's results."""
        write_bytes(self.part_path(part), packed, private=True)

    def check_finished(self) -> None:
        """Refuse a run that is not done.

        Raises:
            InputError: If a part is missing; it says how many, and what to do.
        """
        missing = sum(not self.is_done(part) for part in range(self.n_parts))
        if missing:
            raise InputError(
                f"{self.path} is not finished: {missing:,} of {self.n_parts:,} parts are missing; "
                "run `vultus bulk embed` again with the same sources"
            )

    def check_space(self, space: EmbeddingSpace) -> None:
        """Refuse a model other than the run's.

        Raises:
            SpaceMismatchError: If its embeddings cannot be compared with the run's.
        """
        check_same_space(self.settings.space, space)

    def faces(self) -> FaceRows:
        """All faces, in the order of the photos.

        Raises:
            InputError: If the run is not finished, or a file of it is damaged.
        """
        self.check_finished()
        paths = [self.part_path(part) for part in range(self.n_parts)]
        return read_face_rows(paths, self.settings.space)

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """The parts as tables of `vultus.bulk.face_table.face_schema`, in the photos' order.

        Raises:
            InputError: If the run is not finished, or a file of it is damaged.
        """
        self.check_finished()
        for part in range(self.n_parts):
            yield read_table(self.part_path(part), columns)

    def _check_same(
        self, photos: Sequence[StoredPlace], digest: str, settings: RunSettings
    ) -> None:
        if settings != self.settings:
            mine, theirs = self.settings.to_dict(), settings.to_dict()
            other = ", ".join(key for key in mine if mine[key] != theirs[key])
            raise InputError(
                f"{self.path} holds a run with other settings ({other}); give the same, or "
                "another folder"
            )
        if digest != photo_list_digest(self.photos):
            before, now = set(self.photos), set(photos)
            raise InputError(
                f"{self.path} holds a run over other photos: {len(now - before):,} are new and "
                f"{len(before - now):,} are gone or were packed anew since; give the same sources, "
                "or another folder"
            )


def _about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} must be the folder of a run of `vultus bulk embed`: {_ABOUT} in it cannot be "
            f"read ({error.strerror})"
        ) from error
    except ValueError as error:
        raise InputError(f"{path / _ABOUT} is damaged: {error}") from error
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise InputError(f"{path / _ABOUT} must have the format {_FORMAT}")
    return about


def _unexpected(path: Path) -> Iterator[Path]:
    """What is there beside the beginnings of a run that was killed."""
    known = {_PHOTOS, _PARTS}
    return (p for p in path.iterdir() if p.name not in known and not p.name.startswith("."))


def _write_photos(path: Path, photos: Sequence[StoredPlace]) -> None:
    # As bytes: a file's name need not be valid text.
    columns = {
        "name": pa.array([_bytes(photo.name) for photo in photos], pa.binary()),
        "archive": pa.array([_bytes(photo.archive) for photo in photos], pa.binary()),
        "numbers": pa.array([list(photo.numbers) for photo in photos], pa.list_(pa.int64())),
    }
    with writing(path, private=True) as stream:
        pq.write_table(pa.table(columns), stream, compression="zstd")


def _read_photos(path: Path) -> tuple[StoredPlace, ...]:
    table = read_table(path).to_pydict()
    rows = zip(table["name"], table["archive"], table["numbers"], strict=True)
    return tuple(
        StoredPlace(_text(name), _text(archive), tuple(numbers)) for name, archive, numbers in rows
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
