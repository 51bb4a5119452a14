"""Gallery files of earlier formats: read as they are, and replaced when the new one is whole.

The new file is made beside the old one and takes its name at the end. So whoever is killed
meanwhile leaves the old file as it was, and no byte of it is in the new one.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import GalleryError
from vultus.core.files import appearing
from vultus.gallery.stores.sqlite_file import BUSY_TIMEOUT_MS, message
from vultus.gallery.stores.sqlite_rows import typed
from vultus.gallery.stores.sqlite_schema import SCHEMA_VERSION, file_version


@dataclass(frozen=True, slots=True)
class OldPhoto:
    """A photo of format 1.

    Attributes:
        vector: dim little-endian float32.
        norm: Length of the network's output.
        quality: In [0, 1], or None.
        source: Where the photo came from, or None.
        enrolled_at: ISO 8601, UTC.
    """

    vector: bytes
    norm: float
    quality: float | None
    source: str | None
    enrolled_at: str


@dataclass(frozen=True, slots=True)
class OldPerson:
    """A person of format 1.

    Attributes:
        identity: The name.
        enrolled_at: ISO 8601, UTC.
        photos: In the order of enrolment.
    """

    identity: str
    enrolled_at: str
    photos: list[OldPhoto]


class OldGallery:
    """A gallery of format 1.

    Args:
        connection: To its file, in a transaction.

    Raises:
        GalleryError: If its description cannot be read.

    Attributes:
        space: Of the embeddings.
        outlier_similarity: In [-1, 1].
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        try:
            self.space = EmbeddingSpace(**json.loads(meta["space"]))
            self.outlier_similarity = float(meta["outlier_similarity"])
        except (KeyError, TypeError, ValueError) as error:
            raise GalleryError(
                f"the gallery is damaged: its description cannot be read ({error}); restore a "
                "backup, it is left as it is"
            ) from error

    def people(self) -> Iterator[OldPerson]:
        """Everybody in the order of enrolment.

        Raises:
            GalleryError: If a row does not hold what it must.
        """
        rows = self._connection.execute(
            "SELECT people.id, identity, people.enrolled_at, vector, norm, quality, source,"
            " photos.enrolled_at FROM photos JOIN people ON person_id = people.id"
            " ORDER BY people.id, photos.id"
        )
        number, none = (float, int), type(None)
        types = (int, str, str, bytes, number, (float, int, none), (str, none), str)
        for (_, name, when), photos in groupby(rows, key=lambda row: typed(row, *types)[:3]):
            yield OldPerson(name, when, [OldPhoto(*row[3:]) for row in photos])


@contextmanager
def replacing(path: Path) -> Iterator[tuple[OldGallery, Path] | None]:
    """Replace a gallery of format 1; nobody else can read or write it meanwhile.

    Args:
        path: The file.

    Yields:
        What it holds, and where the block is to make the new file; None if somebody else has
        replaced it. When the block ends without error the new file takes the old one's name.

    Raises:
        GalleryError: If the file is in use or damaged, or the new one cannot be written.
    """
    real = Path(os.path.realpath(path))
    with _translated(path), closing(_connected(real)) as old:
        # In memory: a log beside the file would be taken for one of the new file.
        old.execute("PRAGMA journal_mode = MEMORY")
        old.execute("BEGIN EXCLUSIVE")
        if file_version(real) != 1 or not old.execute("SELECT 1 FROM sqlite_schema").fetchone():
            yield None
            return
        _remove_parts(real)
        with appearing(real, replace=True) as part:
            yield OldGallery(old), part
        # Who has the old file open still must not go on with it, though it has no name now.
        for table in ("photos", "people", "meta"):
            old.execute(f"DROP TABLE {table}")
        old.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        old.execute("COMMIT")


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def _remove_parts(path: Path) -> None:
    """Remove what migrations left that were killed; it holds people who may be erased later."""
    for left in path.parent.glob(f".{path.name[:40]}.*.part*"):
        with suppress(OSError):
            left.unlink()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise GalleryError(message(path, error)) from error
