"""`vultus gallery events | keep-events`: what happened, as cameras and services wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.output import (
    ExitCode,
    JsonOption,
    note,
    one_line,
    print_json,
    print_json_line,
    print_table,
    say,
)
from vultus.core.errors import InputError
from vultus.gallery.stores.places import shown

if TYPE_CHECKING:
    from vultus.gallery.events.event import Event
    from vultus.gallery.events.log import EventLog
    from vultus.gallery.gallery import Gallery

_MOST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOptions:
    """Which events."""

    after: Annotated[
        int | None,
        typer.Option(
            help="Only events after this position; else all, with --follow those to come.",
            min=0,
            show_default=False,
        ),
    ] = None
    limit: Annotated[
        int, typer.Option(help="How many at most, the oldest first.", min=1, max=_MOST)
    ] = 1000
    type: Annotated[
        list[str] | None,
        typer.Option(help="Only this type; may be given often.", show_default=False),
    ] = None
    person: Annotated[
        str | None,
        typer.Option(help="Only this person's.", metavar="NAME", show_default=False),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(
            help="Only what happened at this time (ISO 8601) or later.", show_default=False
        ),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(help="Only what happened before this time.", show_default=False),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowOptions:
    """Waiting for more."""

    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="Go on with events as they come, one a line, until interrupted."
        ),
    ] = False
    timeout_s: Annotated[
        float | None,
        typer.Option(
            help="With --follow: end when nothing came for so many seconds.",
            min=0,
            show_default=False,
        ),
    ] = None


def events(
    file: FileArgument,
    opener: KeyOptions,
    asked: EventOptions,
    following: FollowOptions,
    json: JsonOption = False,
) -> int:
    """List the events of a gallery, the oldest first; with --json --follow one JSON object a line.

    Who is erased is gone from here, too, and the positions stay: go on with --after.
    """
    from vultus.gallery.events.log import EventLog

    if following.timeout_s is not None and not following.follow:
        raise InputError("--timeout-s goes with --follow")
    with opener.open(file) as gallery:
        log = EventLog(gallery)
        if following.follow:
            return _follow(gallery, log, asked, timeout_s=following.timeout_s, json=json)
        found = log.read(
            after=asked.after or 0,
            limit=asked.limit,
            types=asked.type or None,
            person=_uid(gallery, asked),
            since=asked.since,
            until=asked.until,
        )
        counts, position = log.counts(), log.position()
    more = len(found) == asked.limit
    after = found[-1].position if more else position
    if json:
        told = [event.to_dict() for event in found]
        print_json({"events": told, "after": after, "more": more, "counts": counts})
        return ExitCode.OK
    print_table(("no", "at", "type", "who", "source", "details"), map(_row, found))
    if more:
        note(f"there may be more: --after {after}")
    return ExitCode.OK


def keep_events(
    file: FileArgument,
    opener: KeyOptions,
    days: Annotated[
        float | None,
        typer.Option(help="How many days an event is kept, above 0.", show_default=False),
    ] = None,
    forever: Annotated[bool, typer.Option("--forever", help="Keep them for ever.")] = False,
    json: JsonOption = False,
) -> int:
    """Say how long events are kept, or change it; `vultus gallery expire` deletes older ones."""
    from vultus.gallery.events.log import EventLog, EventRules

    if days is not None and forever:
        raise InputError("--days and --forever contradict each other; give one")
    with opener.open(file) as gallery:
        log = EventLog(gallery)
        if days is not None or forever:
            log.keep(EventRules(days=days))
        kept = log.rules().days
    if json:
        print_json({"days": kept})
    else:
        say(f"{shown(file)} keeps events " + ("for ever" if kept is None else f"for {kept:g} days"))
    return ExitCode.OK


def _follow(
    gallery: "Gallery",
    log: "EventLog",
    asked: EventOptions,
    *,
    timeout_s: float | None,
    json: bool,
) -> int:
    if asked.since is not None or asked.until is not None:
        raise InputError("--follow goes on from a position: give --after, not --since or --until")
    types, person = asked.type or None, _uid(gallery, asked)
    for event in log.follow(after=asked.after, types=types, person=person, timeout_s=timeout_s):
        if json:
            print_json_line(event.to_dict())
        else:
            say("  ".join(_row(event)))
    return ExitCode.OK


def _uid(gallery: "Gallery", asked: EventOptions) -> str | None:
    return None if asked.person is None else gallery.person(asked.person).uid


def _row(event: "Event") -> tuple[str, ...]:
    return (
        str(event.position),
        event.at,
        event.type,
        one_line(event.identity or "-"),
        one_line(event.source or "-"),
        one_line(_details(event.data)),
    )


def _details(data: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in data.items()
    )
