"""What `vultus watch` shows while it watches."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from vultus.cli.output import console, one_line, say, visible

if TYPE_CHECKING:
    from vultus.gallery.events.event import Event
    from vultus.video.frame import Frame
    from vultus.video.shown import Shown, WatchCounts

_EVERY_S = 0.25


class View(Protocol):
    """Whoever looks on."""

    def frame(self, frame: "Frame", shown: "Sequence[Shown]", counts: "WatchCounts") -> None:
        """Told each frame."""
        ...

    def events(self, events: "Sequence[Event]") -> None:
        """Told what happened."""
        ...


class PlainView:
    """A line an event."""

    def frame(self, frame: "Frame", shown: "Sequence[Shown]", counts: "WatchCounts") -> None:
        """Nothing."""

    def events(self, events: "Sequence[Event]") -> None:
        """Print them."""
        for event in events:
            say(one_line(event_words(event)))


class LiveView:
    """Who is here, since when, how sure; frames a second."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self._last: list[str] = []
        self._next = 0.0

    def frame(self, frame: "Frame", shown: "Sequence[Shown]", counts: "WatchCounts") -> None:
        """Show it, some times a second."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_S
        self._live.update(view_table(frame, shown, counts, self._last))

    def events(self, events: "Sequence[Event]") -> None:
        """Keep the last few."""
        self._last = [*self._last, *map(event_words, events)][-5:]


@contextmanager
def watch_view(*, wanted: bool) -> Iterator[View]:
    """The view that fits: of a terminal, else lines."""
    if not wanted or not console().is_terminal:
        yield PlainView()
        return
    from rich.live import Live

    with Live(console=console(), auto_refresh=False, transient=False) as live:
        shown = LiveView(_Refreshing(live))
        yield shown


class _Refreshing:
    def __init__(self, live: Any) -> None:
        self._live = live

    def update(self, table: Any) -> None:
        self._live.update(table, refresh=True)


def view_table(
    frame: "Frame", shown: "Sequence[Shown]", counts: "WatchCounts", last: Sequence[str]
) -> Any:
    """The table of who is here, as rich prints it."""
    from rich.table import Table
    from rich.text import Text

    fps = counts.frames / counts.seconds if counts.seconds else 0.0
    told = f"{frame.time_s:.1f} s, {counts.frames:,} frames, {fps:.0f} a second"
    told += f", {counts.dropped:,} dropped" if counts.dropped else ""
    caption = Text("\n".join([told, *map(visible, last)]), justify="left")
    table = Table(caption=caption, caption_justify="left")
    for name in ("track", "who", "since", "similarity", "limit"):
        table.add_column(name)
    for face in shown:
        table.add_row(*(Text(cell) for cell in _row(face)))
    return table


def _row(face: "Shown") -> tuple[str, ...]:
    answer = face.answer
    who = "?" if answer is None else "unknown"
    if face.identity is not None:
        who = one_line(face.identity)
    elif face.reasons:
        who = "cannot be judged"
    best = None if answer is None or not answer.candidates else answer.candidates[0].similarity
    return (
        str(face.number),
        who,
        f"{face.start_s:.1f} s",
        "-" if best is None else f"{best:.3f}",
        "-" if answer is None else f"{answer.threshold.similarity:.3f}",
    )


def event_words(event: "Event") -> str:
    """An event in a line."""
    data = event.data
    words = [f"{data.get('end_s', 0):8.2f} s", f"track {data.get('track')}", event.type]
    if event.identity is not None:
        words.append(event.identity)
    if isinstance(found := data.get("similarity"), float):
        words.append(f"(similarity {found:.3f}, limit {data.get('threshold', 0):.3f})")
    if reasons := data.get("reasons"):
        words.append(f"({'; '.join(map(str, reasons))})")
    return "  ".join(words)
