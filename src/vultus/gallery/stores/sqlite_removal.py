"""A gallery's file taken away whole: held as nobody else's, overwritten, removed."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vultus.core.errors import GalleryError, InputError
from vultus.core.files import sync_folder
from vultus.gallery.stores.sqlite_file import SqliteFile

_GONE = ".gone"
_CHUNK = bytes(1 << 20)


class SqliteRemoval(SqliteFile):
    """A gallery's file that can be taken away."""

    @contextmanager
    def removing(self) -> Iterator[Path]:
        """Hold the gallery as nobody else's; when the block ends, it is gone from its place.

        What is read inside is the last there is. If the block raises, nothing is changed.

        Yields:
            Where the file lies then, to be given to `wipe`; what a kill leaves, `leftovers` finds.

        Raises:
            GalleryError: If it may only be read, or somebody else has it open.
        """
        with self._lock:
            self._check_open(write=True)
            if self._depth:
                raise InputError("a gallery must not be removed inside of a transaction")
            self._claim()
            gone = self._real.with_name(f"{self._real.name}{_GONE}")
            try:
                self._depth, self._writing, self._doomed = 1, True, False
                yield gone
                self._move(gone)
            except BaseException:
                self._depth = 0
                self._give_back()
                raise
            self._depth, self._writing = 0, False
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            self._connection.close()

    def _claim(self) -> None:
        # No log beside it any more; refused while anybody else has it open, who would go on
        # writing to a file without a name.
        self._execute("PRAGMA journal_mode = DELETE")
        try:
            self._execute("BEGIN EXCLUSIVE")
        except BaseException:
            self._give_back()
            raise

    def _give_back(self) -> None:
        self._writing = False
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("PRAGMA journal_mode = WAL")

    def _move(self, gone: Path) -> None:
        try:
            os.replace(self._real, gone)
            sync_folder(gone.parent)
            if self.path.is_symlink():
                self.path.unlink()
        except OSError as error:
            raise GalleryError(
                f"{self.path} cannot be removed ({error.strerror or error}); check the permissions "
                "of its folder"
            ) from error


def wipe(path: Path) -> None:
    """Overwrite a file and remove it; one that is not there is fine.

    Raises:
        GalleryError: If it cannot be written or removed.
    """
    try:
        with open(path, "r+b") as stream:
            left = path.stat().st_size
            while left > 0:
                left -= stream.write(_CHUNK[:left])
            stream.flush()
            os.fsync(stream.fileno())
        path.unlink()
        sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise GalleryError(
            f"{path} cannot be overwritten and removed ({error.strerror or error}); do it by hand"
        ) from error


def leftovers(folder: Path) -> list[Path]:
    """Files of galleries that were being removed when the process was killed."""
    return sorted(folder.glob(f"*{_GONE}"))
