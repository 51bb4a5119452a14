"""What was found in photos that were analysed before, so that an album is embedded once."""

import hashlib
import io
import json
import logging
import os
import sqlite3
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from vultus import __version__
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, OutputError
from vultus.core.faces import Faces
from vultus.core.files import make_private_folder, private_opener

logger = logging.getLogger(__name__)

_FILE = "faces.db"
_PATIENCE_S = 30.0
_UNUSED_DAYS = 90
_TABLE = """CREATE TABLE IF NOT EXISTS photos (
    path TEXT, setting TEXT, size INTEGER, mtime_ns INTEGER, faces BLOB, folder TEXT, day INTEGER,
    PRIMARY KEY (path, setting))"""


@dataclass(frozen=True, slots=True, eq=False)
class KnownPhoto:
    """What is kept of a photo that `vultus.pipeline.photos.AnalysedPhoto` holds whole.

    Attributes:
        name: As there.
        size_hw: Height and width in pixels.
        faces: As there.
        refusals: As there.
        embeddings: As there.
    """

    name: str
    size_hw: tuple[int, int]
    faces: Faces
    refusals: tuple[tuple[str, ...], ...]
    embeddings: Embeddings


@dataclass(frozen=True, slots=True)
class FileState:
    """Which bytes were looked at: a photo that was changed since is another one.

    Attributes:
        path: Digest of its path; the cache need not tell where the photos of whom lie.
        size: In bytes.
        mtime_ns: When it was changed.
        folder: Digest of its folder's path.
    """

    path: str
    size: int
    mtime_ns: int
    folder: str = ""

    @classmethod
    def of(cls, photo: Path) -> "FileState":
        """The state of a file now; one that is not there has a state that no file has."""
        try:
            found = photo.stat()
        except OSError:
            return cls("", -1, -1)
        folder, place = os.path.split(os.path.abspath(photo))
        name = _digest(os.path.join(folder, place))
        return cls(name, found.st_size, found.st_mtime_ns, _digest(folder))


@dataclass(frozen=True, slots=True)
class ForgottenPhotos:
    """What a cache forgot.

    Attributes:
        folder: Of the cache.
        forgotten: How many photos.
        left: How many it still knows.
    """

    folder: str
    forgotten: int
    left: int


class FaceCache:
    """A private folder with the faces of photos by path, size, time of change and models.

    It holds vectors of faces, which tell people apart as photos do: it is made for its owner only,
    and deleting the folder forgets everything. Photos that are gone are forgotten when their folder
    is looked through again, and what nobody asked for in 90 days is, too. Several processes may use
    one at once. What cannot be read or written is told once in the log, and done without.

    Args:
        folder: Where; made when needed. None takes ``$VULTUS_HOME/cache`` or the user's own.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        home = os.environ.get("VULTUS_HOME", "")
        default = Path(home).expanduser() / "cache" if home else None
        usual = platformdirs.user_cache_path("vultus", False) if default is None else default
        self.folder = usual if folder is None else Path(folder)
        self._works = True

    def known(
        self, states: Sequence[FileState], names: Sequence[str], *, setting: str
    ) -> list[KnownPhoto | None]:
        """What is known of photos, None for each that must be analysed.

        Args:
            states: Of the photos.
            names: What the photos are called now.
            setting: All that faces depend on beside the photo, see `setting_key`.
        """
        found: list[KnownPhoto | None] = [None] * len(states)
        with self._open() as connection:
            if connection is None:
                return found
            for index, (state, name) in enumerate(zip(states, names, strict=True)):
                row = connection.execute(
                    "SELECT faces FROM photos"
                    " WHERE path = ? AND setting = ? AND size = ? AND mtime_ns = ?",
                    (state.path, setting, state.size, state.mtime_ns),
                ).fetchone()
                found[index] = None if row is None else _unpacked(row[0], name)
            used = [state.path for state, kept in zip(states, found, strict=True) if kept]
            with connection:
                connection.executemany(
                    "UPDATE photos SET day = ? WHERE path = ? AND setting = ? AND day < ?",
                    ((_today(), path, setting, _today()) for path in used),
                )
        return found

    def forget_gone(self, folders: Iterable[Path]) -> None:
        """Forget photos that are no longer in folders, and what was not asked for in a long time.

        Args:
            folders: Those that are looked through now.
        """
        with self._open() as connection:
            if connection is None:
                return
            with connection:
                connection.execute("DELETE FROM photos WHERE day < ?", (_today() - _UNUSED_DAYS,))
            for folder in dict.fromkeys(map(os.path.abspath, folders)):
                rows = connection.execute(
                    "SELECT DISTINCT path FROM photos WHERE folder = ?", (_digest(folder),)
                )
                gone = {path for (path,) in rows} - _digests_in(folder)
                with connection:
                    connection.executemany(
                        "DELETE FROM photos WHERE path = ?", ((path,) for path in gone)
                    )

    def keep(self, photos: Sequence[tuple[FileState, KnownPhoto]], *, setting: str) -> None:
        """Keep what was found; what was known of an earlier state of a photo is forgotten."""
        rows = [
            (
                *(state.path, setting, state.size, state.mtime_ns),
                *(_packed(photo), state.folder, _today()),
            )
            for state, photo in photos
        ]
        with self._open() as connection:
            if connection is not None and rows:
                with connection:
                    connection.executemany(
                        "INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?, ?, ?, ?)", rows
                    )

    def forget_people(self, people: Embeddings, *, similarity: float) -> ForgottenPhotos:
        """Forget every photo that may show one of some people, and what is left of its bytes.

        Forgetting one too many costs looking at it again, so a low similarity is right. Photos that
        only another model looked at cannot be compared, and are forgotten.

        Args:
            people: (n, dim) vectors: templates, single photos.
            similarity: In [-1, 1]; a photo with a face at least so like one of them goes, as every
                model saw it.

        Raises:
            OutputError: If the cache is there and cannot be read or changed.
        """
        if not (self.folder / _FILE).exists():
            return ForgottenPhotos(str(self.folder), 0, 0)
        with self._changing() as connection:
            rows = connection.execute("SELECT path, faces FROM photos")
            seen, like = set(), set()
            for path, faces in rows:
                found = _vectors(faces)
                if found is None or found[1] != people.space.to_dict():
                    continue
                seen.add(path)
                if len(found[0]) and float((found[0] @ people.vectors.T).max()) >= similarity:
                    like.add(path)
            known = {path for (path,) in connection.execute("SELECT path FROM photos")}
            return self._forgotten(connection, like | (known - seen))

    def forget(self, photos: Iterable[Path]) -> ForgottenPhotos:
        """Forget photos, or all that lie in folders, whether they are still there or not.

        Args:
            photos: Their paths, or those of folders; what lies deeper is not meant.

        Raises:
            OutputError: If the cache is there and cannot be changed.
        """
        if not (self.folder / _FILE).exists():
            return ForgottenPhotos(str(self.folder), 0, 0)
        wanted = {_digest(os.path.abspath(path)) for path in photos}
        with self._changing() as connection:
            rows = connection.execute("SELECT path, folder FROM photos")
            return self._forgotten(
                connection, {path for path, folder in rows if wanted & {path, folder}}
            )

    def clear(self) -> ForgottenPhotos:
        """Forget everything.

        Raises:
            OutputError: If the cache is there and cannot be removed.
        """
        if not (self.folder / _FILE).exists():
            return ForgottenPhotos(str(self.folder), 0, 0)
        try:
            with self._changing() as connection:
                n_photos = _count(connection)
        except OutputError:
            n_photos = 0  # what cannot be read is removed as well
        try:
            for ending in ("", "-journal"):
                (self.folder / f"{_FILE}{ending}").unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"the cache {self.folder / _FILE} cannot be removed: {error.strerror or error}"
            ) from error
        return ForgottenPhotos(str(self.folder), n_photos, 0)

    def _forgotten(self, connection: sqlite3.Connection, paths: set[str]) -> ForgottenPhotos:
        with connection:
            connection.executemany("DELETE FROM photos WHERE path = ?", ((p,) for p in paths))
        # Rows move when others go, and may leave a copy in a gap: only a new file has none.
        connection.execute("VACUUM")
        return ForgottenPhotos(str(self.folder), len(paths), _count(connection))

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """The cache that is there, to be changed for certain."""
        path = self.folder / _FILE
        try:
            with closing(sqlite3.connect(path, timeout=_PATIENCE_S)) as connection:
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute(_TABLE)
                _renew(connection)
                yield connection
        except sqlite3.Error as error:
            raise OutputError(
                f"the cache {path} cannot be changed ({error}); remove the file by hand"
            ) from error

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection | None]:
        """One connection, or None where the cache cannot be used."""
        if not self._works:
            yield None
            return
        try:
            make_private_folder(self.folder)
            path = self.folder / _FILE
            with open(path, "ab", opener=private_opener):
                pass  # so that SQLite finds a file that is for its owner only
            connection = sqlite3.connect(path, timeout=_PATIENCE_S)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            yield None
            return
        with closing(connection):
            try:
                connection.execute("PRAGMA secure_delete = ON")  # these are vectors of faces
                connection.execute(_TABLE)
                _renew(connection)
            except sqlite3.Error as error:
                self._give_up(error)
                yield None
                return
            try:
                yield connection
            except sqlite3.Error as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._works = False
        logger.warning("the cache in %s cannot be used (%s); going on without", self.folder, error)


def _renew(connection: sqlite3.Connection) -> None:
    """Empty an earlier version's table, which cannot say what is gone; it fills again by itself."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(photos)")}
    if "day" not in columns:
        with connection:
            connection.execute("DROP TABLE IF EXISTS photos")
            connection.execute(_TABLE)


def _digest(path: str) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()


def _digests_in(folder: str) -> set[str]:
    """Of all files in a folder; empty where it is gone."""
    try:
        with os.scandir(folder) as entries:
            return {_digest(os.path.join(folder, entry.name)) for entry in entries}
    except OSError:
        return set()


def _today() -> int:
    """Days since 1970."""
    return int(time.time() // 86400)


def setting_key(space: EmbeddingSpace, detector: str, rest: object) -> str:
    """One text for all that the faces found in a photo depend on.

    Args:
        space: Of the embeddings.
        detector: With its settings, as it was asked for.
        rest: What else there is: the quality gate, the arithmetic.
    """
    told = json.dumps([__version__, space.to_dict(), detector, repr(rest)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _count(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT count(DISTINCT path) FROM photos").fetchone()
    return int(row[0])


def _vectors(data: bytes) -> tuple[npt.NDArray[np.float32], dict[str, Any]] | None:
    """The faces of an entry and their space; None for one that somebody damaged."""
    found = _unpacked(data, "")
    return None if found is None else (found.embeddings.vectors, found.embeddings.space.to_dict())


def _packed(photo: KnownPhoto) -> bytes:
    embeddings = photo.embeddings
    parts: dict[str, Any] = {
        "size_hw": np.array(photo.size_hw, np.int64),
        "boxes": photo.faces.boxes,
        "landmarks": photo.faces.landmarks,
        "scores": photo.faces.scores,
        "vectors": embeddings.vectors,
        "norms": embeddings.norms,
        "about": np.array(json.dumps([embeddings.space.to_dict(), photo.refusals])),
    }
    if embeddings.quality is not None:
        parts["quality"] = embeddings.quality
    stream = io.BytesIO()
    np.savez(stream, **parts)
    return stream.getvalue()


def _unpacked(data: bytes, name: str) -> KnownPhoto | None:
    """None for an entry that somebody damaged."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as parts:
            space, refusals = json.loads(str(parts["about"]))
            height, width = map(int, parts["size_hw"])
            return KnownPhoto(
                name,
                (height, width),
                Faces(parts["boxes"], parts["landmarks"], parts["scores"]),
                tuple(map(tuple, refusals)),
                Embeddings(
                    parts["vectors"],
                    parts["norms"],
                    EmbeddingSpace(**space),
                    parts.get("quality"),
                ),
            )
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, InputError):
        return None
