"""A camera or a stream: the newest frame wins, and a lost connection is sought again."""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vultus.core.checks import check_range
from vultus.core.errors import VideoError, VultusError
from vultus.core.faces import Image
from vultus.video.frame import Frame
from vultus.video.sources.container import Container, Opening, import_av, picture
from vultus.video.sources.timestamps import MendedTimes

logger = logging.getLogger(__name__)

_LARGEST_DRIFT_S = 1.0
"""By so much a stream's clock may differ from ours before it is set again."""
_LEAST_STEP_S = 1e-3


@dataclass(frozen=True, slots=True)
class Patience:
    """How a lost connection is sought again.

    Attributes:
        first_s: Wait so long before the first try, in seconds; twice as long before each next.
        longest_s: The longest wait.
        give_up_s: Without a frame for so long the source has failed; None never gives up.
        timeout_s: How long opening, and each read, may take.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    give_up_s: float | None = None
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        check_range("first_s", self.first_s, low=0, low_open=True)
        check_range("longest_s", self.longest_s, low=self.first_s)
        if self.give_up_s is not None:
            check_range("give_up_s", self.give_up_s, low=0)
        check_range("timeout_s", self.timeout_s, low=0, low_open=True)


@dataclass(frozen=True, slots=True)
class Lost:
    """A connection that is lost and sought again.

    Attributes:
        reason: Why, without the address.
        code: The kind of trouble, as `VideoError` has it; of another error ``"refused"``.
        since: When it was lost, UTC.
        tries: How often it was sought since.
        again_at: When it is sought next.
    """

    reason: str
    code: str
    since: datetime
    tries: int
    again_at: datetime


class LiveSource:
    """A camera or a stream, read by a thread of its own.

    A stream that says how long it is, as a film behind an address does, ends with its last frame.

    Args:
        opening: What to open, and how; or what tells so before each try, for who must look anew
            where an address leads. What that raises counts as a connection that failed.
        name: What events call it.
        patience: How a lost connection is sought again.

    Attributes:
        reconnected: How often the connection was made again.
        dropped: Frames that were passed over, as newer ones had come.
        lost: Why there is no connection; None while there is one, and before the first try ends.

    Raises:
        MissingDependencyError: If PyAV is not installed.
    """

    is_live = True
    fingerprint = ""

    def __init__(
        self,
        opening: Opening | Callable[[], Opening],
        *,
        name: str,
        patience: Patience | None = None,
    ) -> None:
        import_av()
        self.name = name
        self.lost: Lost | None = None
        self.reconnected, self.dropped = 0, 0
        self.began_at = datetime.now(UTC)
        self.frame_s = 1 / 25
        self._opening = opening
        self._patience = Patience() if patience is None else patience
        self._changed = threading.Condition()
        self._newest: tuple[float, Image] | None = None
        self._failure: VideoError | None = None
        self._finished = False
        self._last_s = -_LEAST_STEP_S
        self._closed = threading.Event()
        self._reader: threading.Thread | None = None
        self._started = time.monotonic()

    def frames(self, *, after: int = -1) -> Iterator[Frame]:
        """The newest frame each time one is asked for; see `Source.frames`.

        Raises:
            VideoError: If the source gave no frame for `Patience.give_up_s`.
        """
        if self._reader is None:
            self._started = time.monotonic()
            self.began_at = datetime.now(UTC)
            self._reader = threading.Thread(target=self._read, name="video", daemon=True)
            self._reader.start()
        for number in itertools.count(after + 1):
            with self._changed:
                while self._newest is None and not self._ended():
                    self._changed.wait(0.5)
                if self._newest is None:
                    if self._failure is not None:
                        raise self._failure
                    return
                (time_s, image), self._newest = self._newest, None
                dropped = self.dropped
            yield Frame(number, time_s, image, dropped)

    def end(self) -> None:
        """Stop reading, and do not wait until that is done."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Stop reading."""
        self.end()
        if self._reader is not None:
            self._reader.join(timeout=self._patience.timeout_s + 1)

    def _ended(self) -> bool:
        return self._closed.is_set() or self._finished or self._failure is not None

    def _read(self) -> None:
        wait_s, last_frame = self._patience.first_s, time.monotonic()
        while not (self._closed.is_set() or self._finished):
            before = last_frame
            last_frame, why = self._read_connection(last_frame)
            if self._finished:
                break
            if last_frame > before:
                wait_s = self._patience.first_s
            limit = self._patience.give_up_s
            if limit is not None and time.monotonic() - last_frame >= limit:
                self._fail(limit, why)
                return
            self._note_lost(why, wait_s)
            self._closed.wait(wait_s)
            wait_s = min(2 * wait_s, self._patience.longest_s)
            self.reconnected += 1

    def _note_lost(self, why: VultusError, wait_s: float) -> None:
        now, lost = datetime.now(UTC), self.lost
        # Said once: who waits before a terminal would not know otherwise why nothing comes.
        level = logging.WARNING if lost is None else logging.INFO
        logger.log(level, "%s; it is sought again in %.1f s", why, wait_s)
        since, tries = (now, 0) if lost is None else (lost.since, lost.tries + 1)
        code = why.code if isinstance(why, VideoError) else "refused"
        self.lost = Lost(str(why), code, since, tries, now + timedelta(seconds=wait_s))

    def _read_connection(self, last_frame: float) -> tuple[float, VultusError]:
        """Read until the connection ends.

        Returns:
            When the last frame came, by the monotonic clock; and why it ended.
        """
        times: MendedTimes | None = None
        begin_s = 0.0  # of the stream's clock by ours; it begins anew with each connection
        try:
            opening = self._opening() if callable(self._opening) else self._opening
            with Container(opening) as video:
                self.frame_s = video.frame_s
                for told_s, frame in video.frames():
                    last_frame = time.monotonic()
                    now_s = last_frame - self._started
                    if times is None:
                        times, begin_s = MendedTimes(self.frame_s), now_s
                    stream_s = times.next(told_s)
                    if abs(begin_s + stream_s - now_s) > _LARGEST_DRIFT_S:
                        begin_s = now_s - stream_s
                    self._put(begin_s + stream_s, picture(frame))
                    if self._closed.is_set():
                        break
                self._finished = video.is_finite and video.broken is None
        except VultusError as error:
            return last_frame, error
        return last_frame, video.broken or VideoError(f"{self.name} ended", code="ended")

    def _put(self, time_s: float, image: Image) -> None:
        with self._changed:
            self.lost = None
            self.dropped += self._newest is not None
            self._last_s = max(time_s, self._last_s + _LEAST_STEP_S)
            self._newest = (self._last_s, image)
            self._changed.notify_all()

    def _fail(self, limit: float, why: VultusError) -> None:
        tries = self.reconnected + 1
        with self._changed:
            self._failure = VideoError(
                f"{self.name} gave no frame for {limit:g} s, tried "
                f"{'once' if tries == 1 else f'{tries} times'}; the last time: {why}; check that "
                "it is there, the address, the password and the network",
                code=why.code if isinstance(why, VideoError) else "silent",
            )
            self._changed.notify_all()
