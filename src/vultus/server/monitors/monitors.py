"""All monitors of a service: kept, started, stopped; begun again when the service is."""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from vultus.core.errors import VultusError
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.audit import AuditEntry
from vultus.pipeline.recognizer import Recognizer
from vultus.server.galleries import Galleries
from vultus.server.monitors.addresses import Allowed, check_address, kind_of
from vultus.server.monitors.store import Monitor, MonitorSettings, MonitorStore
from vultus.server.monitors.turns import Turns
from vultus.server.monitors.watching import (
    Means,
    MonitorState,
    Totals,
    Watching,
    judge_settings,
)
from vultus.server.problems import ProblemError
from vultus.server.settings import ServerSettings
from vultus.server.state.base import ServiceState
from vultus.video.passages.judge import PassageJudge
from vultus.video.sources.live import Patience

logger = logging.getLogger("vultus.server")

_ACTOR = "monitor"
_STOPPED_WITHIN_S = 10.0
_FREED_WITHIN_S = 3.0
"""So long after it was stopped another process may still be ending."""
_FRESH_S = 5.0
"""What was told longer ago is not believed: who told it may be gone."""


class Monitors:
    """The monitors of a service.

    Args:
        file: Where they are kept.
        galleries: The galleries.
        recognizer: Finds and embeds faces, of requests, too.
        settings: What the operator set.
        busy: Tells how many requests are being worked on; they go first.

    Attributes:
        store: The monitors as they are kept.
        means: What they share.
    """

    def __init__(
        self,
        file: ServiceState,
        galleries: Galleries,
        recognizer: Recognizer,
        *,
        settings: ServerSettings,
        busy: Callable[[], int],
    ) -> None:
        self.store = MonitorStore(file)
        self._galleries, self._most = galleries, settings.most_monitors
        at_once = max(1, (os.cpu_count() or 2) // 2)
        self.means = Means(
            recognizer=recognizer,
            allowed=Allowed.by(settings),
            turns=Turns(busy, at_once=at_once),
            patience=Patience(),
        )
        self._lock = threading.RLock()
        self._watching: dict[str, Watching] = {}
        self._totals: dict[str, Totals] = {}
        self._last_told: dict[str, Watching] = {}
        self._closed = False

    def start(self) -> None:
        """Begin those that were running when the service ended, or was killed.

        Where processes share them, `tend` begins those that no other one watches for.
        """
        if self.store.shared:
            return
        for gallery_id in self.store.galleries():
            try:
                gallery = self._galleries.get(gallery_id, actor=_ACTOR)
                for monitor in self.store.of(gallery_id, gallery):
                    if monitor.wanted:
                        self._begin(monitor, again=False)
            except (VultusError, ProblemError) as error:  # the others have their turn
                logger.error("monitors of a gallery cannot begin: %s", type(error).__name__)

    def stop(self) -> None:
        """End all; who is here when they go on within the window has not left meanwhile."""
        with self._lock:
            self._closed = True
            watching = list(self._watching.values())
        for one in watching:
            one.end(leave=False)
        until = time.monotonic() + _STOPPED_WITHIN_S
        for one in watching:
            one.wait(max(0.0, until - time.monotonic()))

    def add(
        self,
        gallery_id: str,
        gallery: Gallery,
        *,
        name: str,
        address: str,
        settings: MonitorSettings,
        material: bytes,
    ) -> Monitor:
        """Make one; it is not started.

        Args:
            gallery_id: Id of the gallery.
            gallery: The gallery.
            name: What its events say that they are from.
            address: What it watches.
            settings: How.
            material: As of `MonitorStore.add`.

        Raises:
            InputError: If its address may not be watched, it has no name, or its settings
                contradict each other.
            CalibrationError: If nothing that was measured carries its FPIR.
            ProblemError: If there are too many, or there is one of that name.
        """
        check_address(address, self.means.allowed)
        self._check_rule(gallery, settings)
        monitor = self.store.add(
            gallery_id,
            gallery,
            name=name,
            address=address,
            settings=settings,
            most=self._most,
            material=material,
        )
        _note(gallery, "make monitor")
        return monitor

    def change(
        self,
        gallery: Gallery,
        monitor: Monitor,
        *,
        address: str | None,
        settings: MonitorSettings,
    ) -> Monitor:
        """Change one; if it runs, it begins anew.

        Raises:
            InputError: If its address may not be watched, or its settings contradict each other.
            CalibrationError: If nothing that was measured carries its FPIR.
            ProblemError: If it was changed since ``monitor`` was read.
        """
        if address is not None:
            check_address(address, self.means.allowed)
        self._check_rule(gallery, settings)
        changed = self.store.change(gallery, monitor, address=address, settings=settings)
        _note(gallery, "change monitor")
        if self.watching(monitor) is not None and changed.wanted:
            self._begin(changed, again=False)
        return changed

    def begin(self, gallery: Gallery, monitor: Monitor) -> None:
        """Start one; a film that came to its end is watched anew. One that runs goes on."""
        check_address(monitor.address, self.means.allowed)
        with self._lock:
            if self.watching(monitor) is not None:
                return
            mine = self._freed(monitor, 0.0 if monitor.wanted else _FREED_WITHIN_S)
            if mine or not monitor.wanted:
                self.store.want(monitor, wanted=True)
                _note(gallery, "start monitor")
            if mine:
                self._begin(monitor, again=True)

    def end(self, gallery: Gallery, monitor: Monitor, *, wait_s: float = 2.0) -> None:
        """Stop one; who is here is told to have left."""
        self.store.want(monitor, wanted=False)
        with self._lock:
            watching = self._watching.get(monitor.id)
        if watching is not None and watching.is_alive:
            _note(gallery, "stop monitor")
            watching.end(leave=True)
            watching.wait(wait_s)
        elif monitor.wanted and self.store.shared:
            _note(gallery, "stop monitor")
            if self._freed(monitor, wait_s):  # whoever watched has seen that it is to end
                self.store.release(monitor)

    def remove(self, gallery: Gallery, monitor: Monitor) -> None:
        """Stop and delete one; its events stay."""
        self.end(gallery, monitor)
        self.store.remove(monitor)
        self.store.release(monitor)
        _note(gallery, "delete monitor")
        with self._lock:
            self._watching.pop(monitor.id, None)
            self._totals.pop(monitor.id, None)

    def forget_gallery(self, gallery_id: str) -> None:
        """Stop and delete those of a gallery that was deleted."""
        with self._lock:
            gone = [one for one in self._watching.values() if one.monitor.gallery == gallery_id]
            for one in gone:
                one.end(leave=False)
                self._watching.pop(one.monitor.id, None)
                self._totals.pop(one.monitor.id, None)
        self.store.forget_gallery(gallery_id)

    def tend(self, tell: Callable[["Monitors", Gallery, Monitor], None]) -> None:
        """Where processes share monitors: watch for those that nobody watches for, see which end.

        Args:
            tell: Tells the other processes how one is that is watched for here.
        """
        known: set[str] = set()
        for gallery_id in self.store.galleries():
            if not self._galleries.serves(gallery_id):
                continue
            try:
                gallery = self._galleries.get(gallery_id, actor=_ACTOR)
                for monitor in self.store.of(gallery_id, gallery):
                    known.add(monitor.id)
                    self._tend(gallery, monitor, tell)
            except (VultusError, ProblemError) as error:  # the others have their turn
                logger.error("monitors of a gallery cannot be seen to: %s", type(error).__name__)
                known.update(one.monitor.id for one in self.all_at_work())
        for one in self.all_at_work():
            if one.monitor.id not in known:  # it was deleted by another process
                self._drop(one)

    def _tend(
        self,
        gallery: Gallery,
        monitor: Monitor,
        tell: Callable[["Monitors", Gallery, Monitor], None],
    ) -> None:
        with self._lock:
            # Read anew: it may have been started or stopped here since.
            monitor = self.store.get(monitor.gallery, gallery, monitor.id)
            watching = self._watching.get(monitor.id)
            alive = watching is not None and watching.is_alive
            if not alive and not monitor.wanted:
                self.store.release(monitor)
            elif monitor.wanted and not (alive or self._is_within_reach(monitor)):
                return
            elif not self.store.hold(monitor):
                if watching is not None and alive:  # the connection was lost: another one watches
                    watching.end(leave=False)
                return
            elif watching is None or not alive:
                self._begin(monitor, again=False)
            elif not monitor.wanted:
                watching.end(leave=True)
            elif not _alike(watching.monitor, monitor):
                self._begin(monitor, again=False)
        if watching is not None and self._last_told.get(monitor.id) is not watching:
            tell(self, gallery, monitor)
            if not alive:
                self._last_told[monitor.id] = watching

    def _is_within_reach(self, monitor: Monitor) -> bool:
        """Whether this process may watch it: cameras and films are of one machine."""
        if kind_of(monitor.address) == "stream":
            return True
        try:
            check_address(monitor.address, self.means.allowed)
        except VultusError:
            return False
        return True

    def _drop(self, watching: Watching) -> None:
        watching.end(leave=False)
        with self._lock:
            self._watching.pop(watching.monitor.id, None)
            self._totals.pop(watching.monitor.id, None)
            self._last_told.pop(watching.monitor.id, None)
        self.store.release(watching.monitor)

    def _freed(self, monitor: Monitor, within_s: float) -> bool:
        """Whether this process may watch for it, once whoever does has ended."""
        until = time.monotonic() + within_s
        while not (mine := self.store.hold(monitor)) and time.monotonic() < until:
            time.sleep(0.05)
        return mine

    def elsewhere(self, monitor: Monitor) -> dict[str, Any] | None:
        """What the process tells that watches for it; None for this one, or where none does."""
        with self._lock:
            found = self._watching.get(monitor.id)
        if not self.store.shared or (found is not None and found.is_alive):
            return None
        gallery = self._galleries.get(monitor.gallery, actor=_ACTOR)
        heard = self.store.heard(gallery, monitor)
        if heard is None:
            return None
        age_s, told = heard
        return told if age_s < _FRESH_S or told["state"]["name"] == "finished" else None

    def watching(self, monitor: Monitor) -> Watching | None:
        """One that is at work; None for one that was stopped, or came to its end."""
        with self._lock:
            found = self._watching.get(monitor.id)
        if found is None or not found.is_alive or found.state.name in ("stopping", "finished"):
            return None
        return found

    def state(self, monitor: Monitor) -> MonitorState:
        """How one is."""
        with self._lock:
            found = self._watching.get(monitor.id)
        return MonitorState(name="stopped") if found is None else found.state

    def totals(self, monitor: Monitor) -> Totals:
        """What one took."""
        with self._lock:
            return self._totals.setdefault(monitor.id, Totals())

    def all_at_work(self) -> list[Watching]:
        """Those that were started since the service began."""
        with self._lock:
            return list(self._watching.values())

    def _check_rule(self, gallery: Gallery, settings: MonitorSettings) -> None:
        """Refuse now what would fail when it is started."""
        PassageJudge(self.means.recognizer, gallery, judge_settings(settings))

    def _begin(self, monitor: Monitor, *, again: bool) -> None:
        gallery = self._galleries.get(monitor.gallery, actor=_ACTOR)
        with self._lock:
            if self._closed:
                return
            before = self._watching.get(monitor.id)
            if before is not None:
                before.end(leave=False)
            self._watching[monitor.id] = watching = Watching(
                monitor,
                gallery,
                self.means,
                totals=self.totals(monitor),
                on_end=lambda: self._ended(monitor),
            )
            watching.start(after=before, again=again)

    def _ended(self, monitor: Monitor) -> None:
        """A film came to its end."""
        self.store.want(monitor, wanted=False)


def _alike(one: Monitor, other: Monitor) -> bool:
    return (one.address, one.settings) == (other.address, other.settings)


def _note(gallery: Gallery, action: str) -> None:
    """Who did it, in the gallery's audit log; what is watched is not in it."""
    with gallery.opened.store.transaction(write=True):
        gallery.opened.audit.append(AuditEntry(actor=gallery.opened.actor, action=action))
