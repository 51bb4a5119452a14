"""A film that was uploaded, watched from its beginning to its end; its events are the gallery's."""

import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any, cast

from vultus.core.errors import InputError
from vultus.server.jobs.run import CancelledError, Run
from vultus.server.jobs.uploads import Upload
from vultus.server.monitors.addresses import FORMATS
from vultus.server.monitors.store import MonitorSettings
from vultus.server.monitors.thinned import ThinnedSource
from vultus.server.monitors.watching import watch_settings
from vultus.video.frame import Frame
from vultus.video.shown import Shown, WatchCounts
from vultus.video.sources.container import Opening
from vultus.video.sources.video_file import Film
from vultus.video.watcher import Watcher

_LOOK_S = 0.5
_NOTE_S = 30.0
_BEGUN = 0


def uploaded_film(
    upload: Upload, *, name: str, fingerprint: str, began_at: datetime | None, kept_at: datetime
) -> Film:
    """What was uploaded as a source of frames; nothing of it is on the disk in clear.

    A playlist, or what names other files, is no film here: it would have the service read them.

    Args:
        upload: What was uploaded.
        name: What events call it.
        fingerprint: What tells it from another of that name.
        began_at: When its first frame was taken; None takes what it says, else ``kept_at``.
        kept_at: When it was uploaded.

    Raises:
        VideoError: If it is no film.
    """
    options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}

    def opening() -> Opening:
        # A reader that can be sought in is all that FFmpeg asks of a file.
        return Opening(cast(Any, upload.stream()), name, options=options)

    return Film(opening, name=name, fingerprint=fingerprint, began_at=began_at, kept_at=kept_at)


def run_film(run: Run) -> dict[str, Any]:
    """Watch it; gives what was seen, in numbers: who was there is told by the events alone.

    One that the service was killed upon goes on, and tells nothing twice.
    """
    told = run.options
    film = _film(run, told)
    settings = MonitorSettings(**told["settings"])
    source = film if settings.every == 1 else ThinnedSource(film, settings.every)
    watcher = Watcher(run.recognizer, run.gallery, source, settings=watch_settings(settings))
    watched_before = watcher.journal.is_finished
    if _BEGUN not in run.kept():
        if told["again"] and watched_before:
            watcher.begin_again()
            watched_before = False
        run.keep(_BEGUN, {})
    watcher.on_frame = _Looks(run, film)
    try:
        counts = watcher.run()
    except CancelledError:
        watcher.leave()
        raise
    return {
        "source": film.name,
        "frames": counts.frames,
        "seconds": round(watcher.on_frame.last_s, 1),
        "passages": counts.passages,
        "events": dict(Counter(counts.events)),
        "watched_before": watched_before,
        "broken_off": None if film.broken_off is None else str(film.broken_off),
    }


class _Looks:
    """Says how far it is, and ends it where the job is to end."""

    def __init__(self, run: Run, film: Film) -> None:
        self._run, self._total = run, round(film.duration_s or 0)
        self._looked = self._noted = time.monotonic()
        self.last_s = 0.0
        run.tell("watching", 0, self._total)

    def __call__(self, frame: Frame, shown: list[Shown], counts: WatchCounts) -> None:
        self.last_s, now = frame.time_s, time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        done = int(frame.time_s)
        self._run.tell("watching", min(done, self._total) if self._total else done, self._total)
        if now - self._noted >= _NOTE_S:  # it goes on: not what ends the service each time
            self._noted = now
            self._run.keep(_BEGUN, {})
        self._run.go_on()


def _film(run: Run, told: dict[str, Any]) -> Film:
    upload = run.store.upload(run.gallery, run.job)
    if upload is None:
        raise InputError("what was uploaded is gone")
    began = told["began_at"]
    return uploaded_film(
        upload,
        name=told["name"],
        fingerprint=told["fingerprint"],
        began_at=None if began is None else datetime.fromisoformat(began),
        kept_at=datetime.fromtimestamp(run.job.made_at, UTC),
    )
