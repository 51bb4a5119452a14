"""The monitors of a service, in its file: names, addresses and settings sealed."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from vultus.core.choices import DEFAULT_FPIR
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.security.sealing import seal, unseal
from vultus.server.problems import ProblemError
from vultus.server.service_file import gallery_cipher
from vultus.server.state.base import ServiceState

_TABLE = """CREATE TABLE IF NOT EXISTS monitors (
    id TEXT PRIMARY KEY, gallery TEXT NOT NULL, told BLOB NOT NULL, made_at REAL NOT NULL,
    wanted INTEGER NOT NULL DEFAULT 0)"""
_SELECT = "SELECT id, gallery, told, made_at, wanted FROM monitors"
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSettings:
    """How a monitor watches.

    Attributes:
        fpir: Chance that a stranger who passes is given a name, at most.
        threshold: A cosine similarity to use instead; None for none.
        cautious: As `vultus.video.passages.judge.JudgeSettings`.
        window_s: Who is seen again within so many seconds has not left.
        every: Only each so-manieth frame is looked at.
        search_s: The whole frame is searched for faces so often, in seconds.
        snapshots: Whether a picture of who is named, or unknown, is kept with the event.
    """

    fpir: float = DEFAULT_FPIR
    threshold: float | None = None
    cautious: bool | None = None
    window_s: float = 30.0
    every: int = 1
    search_s: float = 0.4
    snapshots: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """A monitor as it is kept.

    Attributes:
        id: What it is called by.
        gallery: Id of the gallery.
        name: What its events say that they are from; of one gallery no two have one name.
        address: What it watches; may hold a password.
        settings: How.
        made_at: Seconds since 1970.
        wanted: Whether it is to run: it was started and not stopped.
        version: How often it was changed.
    """

    id: str
    gallery: str
    name: str
    address: str
    settings: MonitorSettings
    made_at: float
    wanted: bool
    version: int = 0


class MonitorStore:
    """All monitors. What could name somebody or hold a password is sealed with the gallery's key.

    Args:
        file: Where they are kept.
    """

    def __init__(self, file: ServiceState) -> None:
        self._file = file
        file.define(_TABLE)

    def galleries(self) -> list[str]:
        """Ids of galleries that have monitors."""
        return [row[0] for row in self._file.rows("SELECT DISTINCT gallery FROM monitors")]

    def of(self, gallery_id: str, gallery: Gallery) -> list[Monitor]:
        """Those of a gallery, the oldest first."""
        sql = _SELECT + " WHERE gallery = ? ORDER BY made_at, id"
        return [_opened(gallery, row) for row in self._file.rows(sql, gallery_id)]

    def get(self, gallery_id: str, gallery: Gallery, monitor_id: str) -> Monitor:
        """One of a gallery.

        Raises:
            ProblemError: If there is none of that id.
        """
        sql = _SELECT + " WHERE gallery = ? AND id = ?"
        row = self._file.row(sql, gallery_id, monitor_id)
        if row is None:
            raise ProblemError(404, "monitor-not-found", "there is no such monitor")
        return _opened(gallery, row)

    def add(
        self,
        gallery_id: str,
        gallery: Gallery,
        *,
        name: str,
        address: str,
        settings: MonitorSettings,
        most: int,
        material: bytes,
    ) -> Monitor:
        """Make one.

        Args:
            gallery_id: Id of the gallery.
            gallery: The gallery.
            name: What its events say that they are from.
            address: What it watches.
            settings: How.
            most: So many may there be.
            material: 64 bytes that its id is made of: with the same ones nothing is made twice.

        Raises:
            ProblemError: If the service has as many as it may, or there is one of that name.
            InputError: If it is no name.
        """
        monitor = Monitor(
            id=material[:8].hex(),
            gallery=gallery_id,
            name=normalise_identity(name, what="name", longest=LONGEST_NAME),
            address=address,
            settings=settings,
            made_at=time.time(),
            wanted=False,
        )
        with self._file.transaction():
            if self._file.row("SELECT 1 FROM monitors WHERE id = ?", monitor.id) is not None:
                return self.get(gallery_id, gallery, monitor.id)
            row = self._file.row("SELECT count(*) FROM monitors")
            if row is not None and row[0] >= most:
                raise ProblemError(
                    409, "too-many-monitors", f"this service may have {most} monitors"
                )
            if monitor.name in (one.name for one in self.of(gallery_id, gallery)):
                raise ProblemError(
                    409, "monitor-exists", "there is a monitor of this name in this gallery"
                )
            self._file.change(
                "INSERT INTO monitors (id, gallery, told, made_at, wanted) VALUES (?, ?, ?, ?, 0)",
                *(monitor.id, gallery_id, _sealed(gallery, monitor), monitor.made_at),
            )
        return monitor

    def change(
        self,
        gallery: Gallery,
        monitor: Monitor,
        *,
        address: str | None,
        settings: MonitorSettings,
    ) -> Monitor:
        """Change what one watches, and how; None leaves the address as it is.

        Raises:
            ProblemError: If it is not any more as ``monitor`` has it, or is gone.
        """
        with self._file.transaction():
            known = self.get(monitor.gallery, gallery, monitor.id)
            if known.version != monitor.version:
                raise ProblemError(
                    412, "precondition-failed", "it was changed since; read it again, decide anew"
                )
            address = known.address if address is None else address
            changed = replace(known, address=address, settings=settings, version=known.version + 1)
            sealed = _sealed(gallery, changed)
            self._file.change("UPDATE monitors SET told = ? WHERE id = ?", sealed, monitor.id)
        return changed

    def want(self, monitor: Monitor, *, wanted: bool) -> None:
        """Note whether it is to run, also after the service was killed."""
        self._file.change("UPDATE monitors SET wanted = ? WHERE id = ?", wanted, monitor.id)

    def hold(self, monitor: Monitor) -> bool:
        """Be the one process that watches for it; False if another one does."""
        return self._file.hold(f"monitor {monitor.id}")

    def release(self, monitor: Monitor) -> None:
        """Let another process watch for it."""
        self._file.release(f"monitor {monitor.id}")

    @property
    def shared(self) -> bool:
        """Whether other processes may watch for monitors, too."""
        return self._file.shared

    def tell(self, gallery: Gallery, monitor: Monitor, told: dict[str, Any]) -> None:
        """Tell other processes how one is; it must be fit for JSON."""
        sealed = seal(
            gallery_cipher(gallery, "monitors"), json.dumps(told).encode(), _state_of(monitor)
        )
        # As a question: it is one row, and waits for nobody.
        self._file.rows(
            "INSERT INTO monitor_states (monitor, at, told) VALUES (?, ?, ?)"
            " ON CONFLICT (monitor) DO UPDATE SET at = excluded.at, told = excluded.told"
            " RETURNING at",
            *(monitor.id, time.time(), sealed),
        )

    def heard(self, gallery: Gallery, monitor: Monitor) -> tuple[float, dict[str, Any]] | None:
        """What was told last of one, and how many seconds ago; None for nothing."""
        row = self._file.row("SELECT at, told FROM monitor_states WHERE monitor = ?", monitor.id)
        if row is None:
            return None
        told = unseal(gallery_cipher(gallery, "monitors"), row[1], _state_of(monitor))
        return None if told is None else (time.time() - row[0], json.loads(told))

    def forget_gallery(self, gallery_id: str) -> None:
        """Delete those of a gallery that was deleted."""
        if self.shared:
            self._file.change(
                "DELETE FROM monitor_states WHERE monitor IN (SELECT id FROM monitors"
                " WHERE gallery = ?)",
                gallery_id,
            )
        self._file.change("DELETE FROM monitors WHERE gallery = ?", gallery_id)
        self._file.scrub()

    def remove(self, monitor: Monitor) -> None:
        """Delete one, with its address."""
        if self.shared:
            self._file.change("DELETE FROM monitor_states WHERE monitor = ?", monitor.id)
        self._file.change("DELETE FROM monitors WHERE id = ?", monitor.id)
        self._file.scrub()


def _place(monitor_id: str) -> bytes:
    return f"monitor {monitor_id}".encode()


def _state_of(monitor: Monitor) -> bytes:
    return f"monitor {monitor.id} state".encode()


def _sealed(gallery: Gallery, monitor: Monitor) -> bytes:
    told = {
        "name": monitor.name,
        "address": monitor.address,
        "settings": asdict(monitor.settings),
        "version": monitor.version,
    }
    cipher = gallery_cipher(gallery, "monitors")
    return seal(cipher, json.dumps(told).encode(), _place(monitor.id))


def _opened(gallery: Gallery, row: Sequence[Any]) -> Monitor:
    monitor_id, gallery_id, sealed, made_at, wanted = row
    told = unseal(gallery_cipher(gallery, "monitors"), sealed, _place(monitor_id))
    if told is None:
        raise ProblemError(500, "internal", "what is kept of a monitor is of another gallery")
    kept = json.loads(told)
    return Monitor(
        id=monitor_id,
        gallery=gallery_id,
        name=kept["name"],
        address=kept["address"],
        settings=MonitorSettings(**kept["settings"]),
        made_at=made_at,
        wanted=bool(wanted),
        version=kept.get("version", 0),
    )
