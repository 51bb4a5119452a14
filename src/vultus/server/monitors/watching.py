"""One monitor at work: a thread that watches, and begins again whatever fails."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from vultus.core.errors import MissingDependencyError, VideoError, VultusError
from vultus.gallery.gallery import Gallery
from vultus.pipeline.recognizer import Recognizer
from vultus.server.monitors.addresses import Allowed, open_address, told_error
from vultus.server.monitors.sight import Sights
from vultus.server.monitors.store import Monitor, MonitorSettings
from vultus.server.monitors.thinned import ThinnedSource
from vultus.server.problems import ProblemError, of_library
from vultus.video.frame import Frame
from vultus.video.looking import LookSettings
from vultus.video.passages.judge import JudgeSettings
from vultus.video.shown import Shown, WatchCounts
from vultus.video.sources.base import Source
from vultus.video.sources.live import LiveSource, Patience
from vultus.video.watcher import Watcher, WatchSettings

logger = logging.getLogger("vultus.server")

StateName = Literal[
    "stopped", "starting", "running", "reconnecting", "failed", "finished", "stopping"
]
_STEADY_S = 60.0
"""What ran for so long before it failed is begun again as soon as if it had never failed."""


_RULE_HOLDS_S = 5.0
"""Who looks on asks ten times a second; how many are enrolled changes more rarely."""


class _StopError(Exception):
    """Ends a film, which goes on from there the next time."""


@dataclass(slots=True)
class Totals:
    """What a monitor took since the service began, however often it was stopped.

    Attributes:
        frames: Frames looked at.
        dropped: Frames of a stream that were passed over.
        reconnects: How often a connection was made again.
        failures: How often watching failed as a whole.
        events: Type -> how many were written.
        last_error: What went wrong last, in words.
        last_error_code: The same in a word, see `MonitorState.code`.
        last_error_at: When, UTC.
    """

    frames: int = 0
    dropped: int = 0
    reconnects: int = 0
    failures: int = 0
    events: Counter[str] = field(default_factory=Counter)
    last_error: str | None = None
    last_error_code: str | None = None
    last_error_at: datetime | None = None

    def failed(self, reason: str, code: str, at: datetime) -> None:
        """Note what went wrong."""
        self.last_error, self.last_error_code, self.last_error_at = reason, code, at


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorState:
    """How a monitor is.

    Attributes:
        name: In a word. A stream that is lost is "reconnecting"; what cannot be watched for
            another reason has "failed"; both are tried again. A film that came to its end is
            "finished".
        since: Since when, UTC; None where nobody knows.
        reason: Why it is reconnecting, or failed.
        code: The same in a word, stable: of a source ``source-`` and `VideoError.code`, else a
            code of the service's errors.
        tries: How often it was tried since.
        next_try_at: When it is tried next.
    """

    name: StateName
    since: datetime | None = None
    reason: str | None = None
    code: str | None = None
    tries: int = 0
    next_try_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What monitors share.

    Attributes:
        recognizer: Finds and embeds faces.
        allowed: What may be watched.
        turns: Around the work on a frame.
        patience: With streams, and with what fails as a whole.
        pace: How many times as fast as they play films are watched; 0 is as fast as can be.
    """

    recognizer: Recognizer
    allowed: Allowed
    turns: AbstractContextManager[object]
    patience: Patience
    pace: float = 1.0


class Watching:
    """A monitor at work.

    Args:
        monitor: The monitor.
        gallery: Its gallery.
        means: What monitors share.
        totals: Where what it takes is counted.
        on_end: Called when a film came to its end.

    Attributes:
        monitor: The monitor.
        sights: What is seen now.
        totals: What it took.
    """

    def __init__(
        self,
        monitor: Monitor,
        gallery: Gallery,
        means: Means,
        *,
        totals: Totals,
        on_end: Callable[[], None],
    ) -> None:
        self.monitor, self.totals, self.sights = monitor, totals, Sights()
        self._gallery, self._means, self._on_end = gallery, means, on_end
        self._state = MonitorState(name="starting", since=datetime.now(UTC))
        self._again, self._leaves = False, False
        self._end = threading.Event()
        self._source: Source | None = None
        self._watcher: Watcher | None = None
        self._counted = (0, 0)
        self._paced: tuple[float, float] | None = None
        self._rule: tuple[float, float | None] = (-_RULE_HOLDS_S, None)
        self._thread: threading.Thread | None = None

    def start(self, *, after: "Watching | None" = None, again: bool = False) -> None:
        """Begin.

        Args:
            after: Who watches for this monitor still, and has been told to end.
            again: Whether a film that came to its end is watched anew.
        """
        self._again = again
        self._thread = threading.Thread(
            target=self._run, args=(after,), name="vultus-monitor", daemon=True
        )
        self._thread.start()

    def end(self, *, leave: bool) -> None:
        """Have it end soon.

        Args:
            leave: Whether who is here is told to have left: nobody watches on after this.
        """
        self._leaves = leave
        self._end.set()
        if isinstance(source := self._source, LiveSource):
            source.end()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it ended; whether it did."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return not self.is_alive

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def state(self) -> MonitorState:
        """How it is."""
        if self._end.is_set():
            alive = self.is_alive
            return MonitorState(name="stopping" if alive else "stopped", since=self._state.since)
        lost = self._source.lost if isinstance(self._source, LiveSource) else None
        if lost is not None and self._state.name in ("starting", "running"):
            self.totals.failed(lost.reason, _SOURCE + lost.code, lost.since)
            return MonitorState(
                name="reconnecting",
                since=lost.since,
                reason=lost.reason,
                code=_SOURCE + lost.code,
                tries=lost.tries,
                next_try_at=lost.again_at,
            )
        return self._state

    def threshold(self) -> float | None:
        """The similarity that names by the shots of a whole passage; None where none is known."""
        watcher, (known_s, known) = self._watcher, self._rule
        if watcher is None or time.monotonic() - known_s < _RULE_HOLDS_S:
            return None if watcher is None else known
        found = None
        with suppress(VultusError):
            found = watcher.threshold().similarity
        self._rule = time.monotonic(), found
        return found

    @property
    def reconnects(self) -> int:
        """How often a connection was made again."""
        source = self._source
        now = source.reconnected if isinstance(source, LiveSource) else 0
        return self.totals.reconnects + now

    def _run(self, after: "Watching | None") -> None:
        while after is not None and after.is_alive:  # two would write one another's notes over
            after.wait(1.0)
        wait_s, tries = self._means.patience.first_s, 0
        while not self._end.is_set():
            began = time.monotonic()
            try:
                self._watch()
            except Exception as error:  # noqa: BLE001 - whatever fails is begun again
                if time.monotonic() - began > _STEADY_S:
                    wait_s, tries = self._means.patience.first_s, 0
                tries += 1
                self._failed(error, tries, wait_s)
                self._end.wait(wait_s)
                wait_s = min(2 * wait_s, self._means.patience.longest_s)
            else:
                if not self._end.is_set():
                    self._state = MonitorState(name="finished", since=datetime.now(UTC))
                    self._on_end()
                return

    def _watch(self) -> None:
        """Watch to the end, or until it is told to end."""
        monitor, means = self.monitor, self._means
        source = open_address(
            monitor.address, means.allowed, name=monitor.name, patience=means.patience
        )
        self._source, self._counted, self._paced = source, (0, 0), None
        try:
            every = monitor.settings.every
            watcher = Watcher(
                means.recognizer,
                self._gallery,
                source if every == 1 else ThinnedSource(source, every),
                settings=watch_settings(monitor.settings),
                on_frame=self._look,
            )
            self._watcher, watcher.turn = watcher, means.turns
            if self._again and watcher.journal.is_finished:
                watcher.begin_again()
            self._again = False
            if self._end.is_set():
                return
            try:
                watcher.run()
            except _StopError:
                logger.debug("a film goes on the next time")
            if source.is_live and self._leaves:
                watcher.leave()
            self.totals.events.update(watcher.counts.events)
        finally:
            source.close()
            self.totals.reconnects, self._source = self.reconnects, None
            self._watcher = None
            self.sights.clear()

    def _look(self, frame: Frame, shown: list[Shown], counts: WatchCounts) -> None:
        watcher, totals = self._watcher, self.totals
        assert watcher is not None  # noqa: S101 - it calls
        if self._state.name != "running":
            self._state = MonitorState(name="running", since=datetime.now(UTC))
        frames, dropped = self._counted
        self._counted = counts.frames, counts.dropped
        totals.frames += counts.frames - frames
        totals.dropped += counts.dropped - dropped
        totals.events.update(counts.events)
        counts.events.clear()
        self.sights.show(frame, shown, watcher.present)
        live = isinstance(self._source, LiveSource)
        if not live:
            self._pace(frame.time_s)
        if self._end.is_set() and not live:
            raise _StopError

    def _pace(self, time_s: float) -> None:
        """Let a film play no faster than it would be seen: it must not keep requests waiting."""
        pace, now = self._means.pace, time.monotonic()
        if pace <= 0:
            return
        if self._paced is None:
            self._paced = now, time_s
        began, first_s = self._paced
        self._end.wait(max(0.0, began + (time_s - first_s) / pace - now))

    def _failed(self, error: Exception, tries: int, wait_s: float) -> None:
        now = datetime.now(UTC)
        code, reason = self._why(error)
        logger.warning("a monitor failed and is tried again: %s", type(error).__name__)
        self.totals.failures += 1
        self.totals.failed(reason, code, now)
        since = self._state.since if self._state.name == "failed" else now
        self._state = MonitorState(
            name="failed",
            since=since,
            reason=reason,
            code=code,
            tries=tries,
            next_try_at=now + timedelta(seconds=wait_s),
        )

    def _why(self, error: Exception) -> tuple[str, str]:
        """What is told of an error: its code, and words."""
        if isinstance(error, ProblemError):
            return error.code, error.detail
        if not isinstance(error, VultusError):
            return "internal", "the service failed; its log says more"
        words, hidden = told_error(error, self._means.allowed), of_library(error)
        if isinstance(error, VideoError):
            return _SOURCE + error.code, words
        if isinstance(error, MissingDependencyError):
            return "missing-dependency", words
        return hidden.code, words if hidden.status < 500 else hidden.detail


_SOURCE = "source-"


def judge_settings(told: MonitorSettings) -> JudgeSettings:
    """Who is named by a monitor of such settings.

    Raises:
        InputError: If they contradict each other.
    """
    return JudgeSettings(fpir=told.fpir, threshold=told.threshold, cautious=told.cautious)


def watch_settings(told: MonitorSettings) -> WatchSettings:
    """How a monitor of such settings watches.

    Raises:
        InputError: If they contradict each other.
    """
    return WatchSettings(
        judge=judge_settings(told),
        look=LookSettings(search_s=told.search_s, follow_s=min(0.1, told.search_s)),
        window_s=told.window_s,
        pictures=told.snapshots,
    )
