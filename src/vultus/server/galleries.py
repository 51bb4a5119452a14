"""The galleries that a service has open."""

import re
import threading
from pathlib import Path

from vultus.core.errors import InputError
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey
from vultus.pipeline.recognizer import Recognizer
from vultus.server.problems import ProblemError

GALLERY_ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_ID = re.compile(GALLERY_ID)
_ENDING = ".db"


class Galleries:
    """Galleries by id: the stem of each file.

    Args:
        recognizer: Whose model they are of.
        files: Files to serve; made where there is none.
        data: A folder whose galleries are served, too, and where new ones are made.
        key: The master key of all of them, or None.

    Raises:
        InputError: If two files have one stem, or a stem is no id.
        GalleryError: If one cannot be opened.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        files: tuple[Path, ...] = (),
        *,
        data: Path | None = None,
        key: MasterKey | None = None,
    ) -> None:
        self._recognizer, self._data, self._key = recognizer, data, key
        self._lock = threading.Lock()
        self._open: dict[str, Gallery] = {}
        found = () if data is None else tuple(sorted(data.glob(f"*{_ENDING}")))
        try:
            # One that lies in the folder may be given by name, too.
            for file in {path.resolve(): path for path in (*found, *files)}.values():
                self._take(file)
        except Exception:
            self.close()
            raise

    @property
    def ids(self) -> list[str]:
        """In alphabetical order."""
        return sorted(self._open)

    def all(self) -> dict[str, Gallery]:
        """Those that are open now, by id."""
        return dict(self._open)

    def get(self, gallery_id: str, *, actor: str) -> Gallery:
        """A gallery, in which changes are told to be somebody's.

        Raises:
            ProblemError: If there is none of that id.
        """
        found = self._open.get(gallery_id)
        if found is None:
            raise ProblemError(404, "gallery-not-found", f"there is no gallery {gallery_id!a}")
        return found.acting(actor)

    def make(self, gallery_id: str) -> None:
        """Make a gallery in the folder.

        Raises:
            ProblemError: If there is no folder for it, or there is such a gallery.
            InputError: If it is no id.
        """
        if self._data is None:
            raise ProblemError(
                409, "fixed-galleries", "this service has its galleries given; none can be made"
            )
        if _ID.fullmatch(gallery_id) is None:
            raise InputError(f"a gallery's id must match {GALLERY_ID}, got {gallery_id!a}")
        with self._lock:
            if gallery_id in self._open or (file := self._data / f"{gallery_id}{_ENDING}").exists():
                raise ProblemError(409, "gallery-exists", f"there is a gallery {gallery_id!a}")
            self._take(file)

    def close(self) -> None:
        """Close all; closing twice is fine."""
        for gallery in self._open.values():
            gallery.close()

    def _take(self, file: Path) -> None:
        name = file.stem
        if _ID.fullmatch(name) is None:
            raise InputError(
                f"the stem of {file} is the id of its gallery and must be 1 to 64 letters, digits, "
                "'_', '.' or '-', a letter or digit first; rename the file"
            )
        if name in self._open:
            raise InputError(f"two galleries are called {name!r}; rename one of the files")
        gallery = self._recognizer.open_gallery(file, key=self._key, actor="service")
        self._open[name] = gallery
        gallery.warm()  # so that nobody who asks has to wait for it
