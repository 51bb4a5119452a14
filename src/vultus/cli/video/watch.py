"""`vultus watch`: who passes a camera, or is in a film?"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.gallery.options import KeyOptions, check_there
from vultus.cli.options import RecognizerOptions, ThresholdOption
from vultus.cli.output import (
    ExitCode,
    FormOptions,
    note,
    one_line,
    print_csv,
    print_json_line,
)
from vultus.cli.video.watch_view import watch_view
from vultus.core.choices import DEFAULT_FPIR, DEFAULT_MAX_FNIR

if TYPE_CHECKING:
    from vultus.gallery.events.event import Event
    from vultus.video.frame import Frame
    from vultus.video.shown import Shown, WatchCounts
    from vultus.video.sources.base import Source
    from vultus.video.watcher import Watcher, WatchSettings

_CSV = ("type", "person", "track", "start_s", "end_s", "similarity", "threshold", "id", "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What is watched."""

    source: Annotated[
        str,
        typer.Argument(
            help="A film or animated picture, a folder of frames, camera:0, or an address "
            "(rtsp://, http:// ...).",
            metavar="SOURCE",
        ),
    ]
    gallery: Annotated[Path, typer.Option(help="The gallery's file; events are kept in it.")]
    name: Annotated[
        str | None,
        typer.Option(
            help="What events call the source; else its file's name, or its address without user "
            "and password.",
            show_default=False,
        ),
    ] = None
    fps: Annotated[float, typer.Option(help="Frames a second of a folder of frames.")] = 25.0
    began_at: Annotated[
        str | None,
        typer.Option(
            help="When the first frame was taken (ISO 8601, else UTC); else what the film says, "
            "or when the file was last changed.",
            show_default=False,
        ),
    ] = None
    give_up_s: Annotated[
        float | None,
        typer.Option(
            help="End when a camera or stream gave no frame for so many seconds; else it is sought "
            "again for ever.",
            min=0,
            show_default=False,
        ),
    ] = None
    again: Annotated[
        bool,
        typer.Option("--again", help="Watch a film anew that was watched to its end before."),
    ] = False

    def open(self) -> "Source":
        """The source."""
        from datetime import datetime

        from vultus.gallery.events.event import event_time
        from vultus.video.sources.live import Patience
        from vultus.video.sources.opening import open_source

        given = self.began_at
        began = None if given is None else datetime.fromisoformat(event_time("began_at", given))
        patience = Patience(give_up_s=self.give_up_s)
        return open_source(
            self.source, name=self.name, fps=self.fps, began_at=began, patience=patience
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageOptions:
    """Who is named."""

    fpir: Annotated[
        float,
        typer.Option(help="Chance that a stranger who passes is given a name, at most, (0, 1)."),
    ] = DEFAULT_FPIR
    threshold: ThresholdOption = None
    cautious: Annotated[
        bool | None,
        typer.Option(
            "--cautious/--no-cautious",
            help="--cautious: the rate holds inside the worst group of people that was measured, "
            "or it is refused. Else no threshold is below that group's, as one camera makes "
            "strangers alike, unless there is a site's calibration. --no-cautious: neither.",
            show_default=False,
        ),
    ] = None
    max_fnir: Annotated[
        float,
        typer.Option(help="Refuse a threshold that misses more of the enrolled, [0, 1]."),
    ] = DEFAULT_MAX_FNIR
    window_s: Annotated[
        float,
        typer.Option(help="Who is seen again within so many seconds has not left.", min=0),
    ] = 30.0
    search_s: Annotated[
        float,
        typer.Option(
            help="Search the whole frame for faces so often, in seconds; 0 every frame.", min=0
        ),
    ] = 0.4
    follow_s: Annotated[
        float,
        typer.Option(help="Look near known faces so often in between, in seconds.", min=0),
    ] = 0.1

    def settings(self) -> "WatchSettings":
        """The same for the library."""
        from vultus.video.looking import LookSettings
        from vultus.video.passages.judge import JudgeSettings
        from vultus.video.watcher import WatchSettings

        return WatchSettings(
            judge=JudgeSettings(fpir=self.fpir, threshold=self.threshold, cautious=self.cautious),
            look=LookSettings(search_s=self.search_s, follow_s=self.follow_s),
            window_s=self.window_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOutput(FormOptions):
    """What becomes of it."""

    events: Annotated[
        Path | None,
        typer.Option(
            help="Write the source's events to this file, one JSON object a line; what is there "
            "already stays, and none comes twice.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None
    draw: Annotated[
        Path | None,
        typer.Option(
            help="Write a film with boxes and names (.mp4, .mkv).",
            metavar="FILE",
            show_default=False,
        ),
    ] = None
    snapshots: Annotated[
        Path | None,
        typer.Option(
            help="Keep a picture of each face that is named or unknown in this folder.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None
    view: Annotated[
        bool, typer.Option("--view/--no-view", help="On a terminal: show who is here.")
    ] = True


def watch(
    source: SourceOptions,
    passages: PassageOptions,
    models: RecognizerOptions,
    opener: KeyOptions,
    output: WatchOutput,
) -> int:
    """Name the people who pass a camera, or are in a film; one decision a passage.

    Events go to the gallery's log, and from there to --events; with --json one JSON object a line,
    with --csv a line each, to stdout. One that was killed goes on where it was; Ctrl-C ends it, and
    keeps what was drawn (exit code 130).
    """
    from vultus.video.drawing import check_film

    if output.draw is not None:
        check_film(output.draw)
    check_there(source.gallery)
    opened = source.open()
    try:
        return _watch(opened, source, passages, models, opener, output)
    finally:
        opened.close()


def _watch(
    opened: "Source",
    source: SourceOptions,
    passages: PassageOptions,
    models: RecognizerOptions,
    opener: KeyOptions,
    output: WatchOutput,
) -> int:
    from vultus.video.watcher import Watcher

    recognizer = models.open()
    recognizer.max_fnir = passages.max_fnir
    stopped = False
    with ExitStack() as stack:
        gallery = stack.enter_context(opener.open(source.gallery))
        watcher = Watcher(recognizer, gallery, opened, settings=passages.settings())
        if source.again:
            watcher.begin_again()
        if watcher.journal.is_finished:
            note(f"{one_line(opened.name)} was watched to its end before: --again watches it anew")
        onlooker = _Onlooker(stack, watcher, opened, output)
        watcher.on_frame = onlooker
        try:
            watcher.run()
        except KeyboardInterrupt:  # how one ends a camera: what was seen and drawn is kept
            stopped = True
        finally:
            onlooker.tell()
    _report(opened, watcher)
    if stopped:
        note("stopped" if opened.is_live else "stopped; the same command goes on, nothing twice")
        return ExitCode.INTERRUPTED
    return ExitCode.OK


class _Onlooker:
    """Hands each frame, and what it brought, to whoever wants it."""

    def __init__(
        self, stack: ExitStack, watcher: "Watcher", source: "Source", output: WatchOutput
    ) -> None:
        from vultus.video.drawing import DrawnFilm, Snapshots
        from vultus.video.event_lines import EventLines, SourceEvents

        log = watcher.journal.log
        self._output = output
        self._lines: EventLines | None = None
        if output.events is not None:
            self._lines = stack.enter_context(EventLines(output.events, log, source=source.name))
        after = log.position()
        self._new: SourceEvents = SourceEvents(log, source=source.name, after=after)
        self._film = None
        if output.draw is not None:
            self._film = stack.enter_context(DrawnFilm(output.draw, frame_s=source.frame_s))
        self._snapshots = None if output.snapshots is None else Snapshots(output.snapshots)
        self._view = stack.enter_context(watch_view(wanted=output.view and not self._is_data))
        if output.csv:
            print_csv(_CSV, ())
        if self._lines is not None:
            self._lines.catch_up()

    @property
    def _is_data(self) -> bool:
        return self._output.json or self._output.csv

    def __call__(self, frame: "Frame", shown: "list[Shown]", counts: "WatchCounts") -> None:
        new = self.tell()
        if self._film is not None:
            self._film.add(frame, shown)
        if self._snapshots is not None:
            self._snapshots.keep(frame, shown, new)
        self._view.frame(frame, shown, counts)

    def tell(self) -> "Sequence[Event]":
        """Tell what happened since; what that is."""
        from vultus.video.event_lines import event_line

        if self._lines is not None:
            self._lines.catch_up()
        new = self._new.new()
        if self._output.json:
            for event in new:
                print_json_line(event_line(event))
        elif self._output.csv:
            lines = [event_line(event) for event in new]
            print_csv((), [[line[name] for name in _CSV] for line in lines])
            sys.stdout.flush()
        else:
            self._view.events(new)
        return new


def _report(source: "Source", watcher: "Watcher") -> None:
    counts = watcher.counts
    if not counts.frames:
        return
    told = f"{counts.frames:,} frames in {counts.seconds:.1f} s"
    told += f", {counts.dropped:,} dropped" if source.is_live else ""
    told += f"; searched {counts.searches:,}, {counts.regions:,} regions"
    told += f"; {counts.shots:,} faces embedded; {counts.passages:,} passages"
    note(told)
    broken = getattr(source, "broken_off", None)
    if broken is not None:
        note(f"note: {broken}; what came before it was watched")
