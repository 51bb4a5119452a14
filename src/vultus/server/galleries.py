"""The galleries that a service has open."""

import logging
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

from vultus.core.errors import GalleryError, InputError, VultusError
from vultus.core.files import appearing
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.stores.opening import is_there, names_in
from vultus.gallery.stores.places import DatabasePlace, gallery_name
from vultus.gallery.stores.sqlite_file import is_busy
from vultus.gallery.stores.sqlite_removal import leftovers
from vultus.gallery.upkeep.deleting import GalleryDeletion, delete_gallery, finish_deletions
from vultus.pipeline.recognizer import Recognizer
from vultus.server.problems import ProblemError
from vultus.server.state.opening import store_place

logger = logging.getLogger("vultus.server")

GALLERY_ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_ID = re.compile(GALLERY_ID)
_ENDING = ".db"
_WIPED_WITHIN_S = 10.0
_MADE = "service made"
"""Under which a gallery knows by which request it was made."""


def _where(place: Path | DatabasePlace) -> str | Path:
    return place if isinstance(place, Path) else place.url()


class SharedGalleries(Protocol):
    """What services on one database share of its galleries."""

    def galleries(self) -> dict[str, int]:
        """Those that are there now, each with the number that is its alone."""

    def transaction(self) -> AbstractContextManager[None]:
        """No other service is in one meanwhile."""


class Galleries:
    """Galleries by id: the stem of each file.

    Args:
        recognizer: Whose model they are of.
        files: Files to serve; made where there is none.
        data: A folder whose galleries are served, too, and where new ones are made.
        store: A database whose galleries are served, too, and where new ones are made instead.
        key: The master key of all of them, or None.
        shared: What services on that database share, so that one hears of what another one makes
            and deletes; None looks when something is asked for.

    Attributes:
        on_deleted: Told the id of a gallery that is gone: what else is kept of it is to go, too.

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
        store: str | None = None,
        key: MasterKey | None = None,
        shared: SharedGalleries | None = None,
    ) -> None:
        self._recognizer, self._data, self._key = recognizer, data, key
        self._shared = shared
        self._numbers: dict[str, int] = {}
        self._unfit: dict[str, int] = {}
        self._store = None if store is None else store_place(store)
        self._lock = threading.RLock()
        self._open: dict[str, Gallery] = {}
        self._places: dict[str, str | Path] = {}
        self._given = {path.resolve() for path in files}
        self.on_deleted: list[Callable[[str], None]] = []
        found = () if data is None else tuple(sorted(data.glob(f"*{_ENDING}")))
        try:
            # One that lies in the folder may be given by name, too.
            for file in {path.resolve(): path for path in (*found, *files)}.values():
                self._take(file)
            if self._store is not None:
                self._numbers = self._listed()
                for name in self._numbers:
                    self._take(self._store.at(name))
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
        if found is None:  # an empty gallery is false
            found = self._made_elsewhere(gallery_id)
        if found is None:
            raise ProblemError(404, "gallery-not-found", f"there is no gallery {gallery_id!a}")
        return found.acting(actor)

    def serves(self, gallery_id: str) -> bool:
        """Whether there is a gallery of that id that is open here."""
        return gallery_id in self._open

    def is_there(self, gallery_id: str) -> bool:
        """Whether there is a gallery of that id, and its file."""
        where = self._places.get(gallery_id)
        return where is not None and is_there(where)

    def make(self, gallery_id: str, *, attempt: str | None = None) -> None:
        """Make a gallery in the folder; it is there whole or not at all.

        Args:
            gallery_id: Its id.
            attempt: What it is asked by: again with the same, one that is there is fine.

        Raises:
            ProblemError: If there is no folder for it, or there is such a gallery.
            InputError: If it is no id.
        """
        if self._data is None and self._store is None:
            raise ProblemError(
                409, "fixed-galleries", "this service has its galleries given; none can be made"
            )
        if _ID.fullmatch(gallery_id) is None:
            raise InputError(f"a gallery's id must match {GALLERY_ID}, got {gallery_id!a}")
        with self._lock, self._alone():
            known, by = self._open.get(gallery_id), {"attempt": attempt}
            kept = None if known is None or attempt is None else EventLog(known).checkpoint(_MADE)
            if kept == by:
                return
            place = self._new_place(gallery_id)
            if known is not None or self._is_at(place):
                raise ProblemError(409, "gallery-exists", f"there is a gallery {gallery_id!a}")
            with self._making(place) as new:
                if attempt is not None:
                    EventLog(new).set_checkpoint(_MADE, by)
            self._take(place)
            if self._store is not None:
                self._numbers[gallery_id] = self._listed().get(gallery_id, 0)

    def delete(
        self, gallery_id: str, *, actor: str, check: Callable[[], None]
    ) -> tuple[GalleryDeletion, str]:
        """Delete a gallery of the folder, with everybody in it; its audit log becomes a file there.

        Args:
            gallery_id: Its id.
            actor: Who does it.
            check: Called when nobody can change it any more: what it raises ends this.

        Returns:
            What was deleted, and the name of the file with the audit log.

        Raises:
            ProblemError: If there is none of that id, it was given by name, or another process has
                it open.
            GalleryError: If it cannot be deleted.
        """
        with self._lock:
            gallery = self.get(gallery_id, actor=actor)
            if gallery_id in self._numbers:
                return self._delete_in_database(gallery_id, gallery, check)
            file = gallery.path.resolve()
            if self._data is None or file.parent != self._data.resolve() or file in self._given:
                raise ProblemError(
                    409, "fixed-galleries", "this gallery was given to the service, and stays"
                )
            uid = gallery.opened.vault.gallery_id.hex()
            audit = file.with_name(f"{gallery_id}-{uid[:12]}.audit.jsonl")
            try:
                done = delete_gallery(gallery, audit_file=audit, check=check)
            except GalleryError as error:
                if _is_busy(error):
                    raise ProblemError(
                        409, "gallery-in-use", "another process has the gallery open; stop it first"
                    ) from error
                raise
            finally:
                if not file.exists():
                    gallery.close()
                    del self._open[gallery_id]
                    self._tell_deleted(gallery_id)
        return done, audit.name

    def _delete_in_database(
        self, gallery_id: str, gallery: Gallery, check: Callable[[], None]
    ) -> tuple[GalleryDeletion, str]:
        uid = gallery.opened.vault.gallery_id.hex()
        audit = (self._data or Path()) / f"{gallery_id}-{uid[:12]}.audit.jsonl"
        until = time.monotonic() + _WIPED_WITHIN_S
        while True:
            try:
                done = delete_gallery(gallery, audit_file=audit, check=check)
                break
            except GalleryError as error:
                # Somebody who reads an older state keeps keys from being wiped, for a moment.
                if "in the way" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.2)
        self._let_go(gallery_id)
        self._tell_deleted(gallery_id)
        return done, audit.name

    def sync(self) -> None:
        """Open what another service made in the same database, and let go of what it deleted.

        Raises:
            ProblemError: If the database does not answer.
        """
        if self._store is None:
            return
        listed = self._listed()
        for name, number in list(self._numbers.items()):
            if listed.get(name) != number and name in self._open:
                with self._lock:
                    self._let_go(name)
        for name, number in listed.items():
            if name in self._open or self._unfit.get(name) == number:
                continue
            with self._lock:
                if name not in self._open:
                    self._take_or_pass(name, number)

    def _take_or_pass(self, name: str, number: int) -> None:
        assert self._store is not None  # noqa: S101 - it was listed
        try:
            self._take(self._store.at(name))
            self._numbers[name] = number
        except VultusError as error:  # of another model, or deleted meanwhile: others are served
            self._unfit[name] = number
            logger.error("a gallery of the database cannot be served: %s", type(error).__name__)

    def _let_go(self, name: str) -> None:
        gallery = self._open.pop(name, None)
        self._numbers.pop(name, None)
        self._places.pop(name, None)
        if gallery is not None:
            gallery.close()

    def _listed(self) -> dict[str, int]:
        """The galleries of the database, each with the number that is its alone."""
        assert self._store is not None  # noqa: S101 - who calls it has one
        if self._shared is not None:
            return self._shared.galleries()
        return dict.fromkeys(names_in(self._store), 0)

    def _alone(self) -> AbstractContextManager[None]:
        """No other service makes a gallery meanwhile."""
        return nullcontext() if self._shared is None else self._shared.transaction()

    def _is_at(self, place: Path | DatabasePlace) -> bool:
        if isinstance(place, DatabasePlace) and self._shared is not None:
            return place.gallery in self._shared.galleries()
        return is_there(_where(place))

    def finish_deletions(self) -> None:
        """Do what was left to do when the service was killed while it deleted a gallery."""
        if self._data is None:
            return
        for gone in leftovers(self._data):
            self._tell_deleted(Path(gone.stem).stem)
        finish_deletions(self._data)

    def _tell_deleted(self, gallery_id: str) -> None:
        for told in self.on_deleted:
            told(gallery_id)

    def close(self) -> None:
        """Close all; closing twice is fine."""
        for gallery in self.all().values():
            gallery.close()

    @contextmanager
    def _making(self, place: Path | DatabasePlace) -> Iterator[Gallery]:
        """A new gallery; a file takes its place when it is whole."""
        if isinstance(place, DatabasePlace):
            with self._recognizer.open_gallery(
                place.url(), key=self._key, actor="service"
            ) as gallery:
                yield gallery
            return
        finish_deletions(place.parent)
        with (
            appearing(place, private=True) as part,
            self._recognizer.open_gallery(part, key=self._key, actor="service") as gallery,
        ):
            yield gallery

    def _new_place(self, gallery_id: str) -> Path | DatabasePlace:
        if self._store is not None:
            return self._store.at(gallery_id)
        return (self._data or Path()) / f"{gallery_id}{_ENDING}"

    def _made_elsewhere(self, gallery_id: str) -> Gallery | None:
        """A gallery that another service made in the same database since."""
        if self._store is None or _ID.fullmatch(gallery_id) is None:
            return None
        with self._lock:
            if gallery_id not in self._open:
                listed = self._listed()
                if gallery_id not in listed:
                    return None
                self._take(self._store.at(gallery_id))
                self._numbers[gallery_id] = listed[gallery_id]
            return self._open[gallery_id]

    def _take(self, file: Path | DatabasePlace) -> None:
        where = _where(file)
        name = gallery_name(where)
        if _ID.fullmatch(name) is None:
            raise InputError(
                f"the stem of {file} is the id of its gallery and must be 1 to 64 letters, digits, "
                "'_', '.' or '-', a letter or digit first; rename the file"
            )
        if name in self._open:
            raise InputError(f"two galleries are called {name!r}; rename one of the files")
        gallery = self._recognizer.open_gallery(where, key=self._key, actor="service")
        self._open[name], self._places[name] = gallery, where
        gallery.warm()  # so that nobody who asks has to wait for it


def _is_busy(error: GalleryError) -> bool:
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and is_busy(cause)
