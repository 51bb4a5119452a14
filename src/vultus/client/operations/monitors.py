"""Operations of the service: monitors. Written by scripts/client_operations.py."""

from dataclasses import dataclass
from typing import Any, Literal

from vultus.client.call import UNSET, Call, Unset, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorStateTold:
    """How a monitor is, and what it took since the service began.

    Attributes:
        name: A stream that is lost is reconnecting; what cannot be watched for another reason has failed; both are tried again. A film that came to its end is finished.
        since: Since when; null where nobody knows.
        reason: Why it is reconnecting or failed.
        code: The same in a word, stable: of what is watched `source-unreadable`, `source-unreachable`, `source-timed-out`, `source-unauthorised`, `source-not-found`, `source-refused`, `source-no-picture`, `source-too-large`, `source-broken-off`, `source-ended`, `source-silent`; else as errors have it.
        threshold: The similarity that names by five shots when a passage ends, as the gallery is now; null where it cannot be told, or the monitor does not run.
        tries: How often it was tried since.
        next_try_at: Next try at.
        fps: Frames looked at a second, over the last 5 s.
        frames: Frames looked at.
        dropped: Frames of a stream that were passed over for newer ones.
        reconnects: How often a connection was made again.
        events: How many were written, by type.
        tracks: Faces in view.
        present: People who are enrolled and here.
        last_frame_at: Last frame at.
        last_error: What went wrong last, also if it is over.
        last_error_code: The same in a word.
        last_error_at: Last error at.
    """

    name: Literal[
        "stopped", "starting", "running", "reconnecting", "failed", "finished", "stopping"
    ]
    since: str | None
    reason: str | None
    code: str | None
    threshold: float | None
    tries: int
    next_try_at: str | None
    fps: float
    frames: int
    dropped: int
    reconnects: int
    events: dict[str, Any]
    tracks: int
    present: int
    last_frame_at: str | None
    last_error: str | None
    last_error_code: str | None
    last_error_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorTold:
    """A monitor.

    Attributes:
        id: Id.
        name: Name.
        kind: Kind.
        address: Of a stream its host alone: user, password, path and query are kept sealed.
        fpir: Chance that a stranger who passes is given a name, at most.
        threshold: A cosine similarity that names, to be used instead of the rates; null for none. It goes with no `cautious`: true.
        cautious: true keeps the rate inside the worst group of people that was measured, or refuses; null takes no threshold below that group's, as one camera makes strangers alike, unless the site has calibrated; false does neither.
        window_s: Who is seen again within so many seconds has not left.
        every: Only each so-manieth frame is looked at.
        search_s: The whole frame is searched for faces so often, in seconds; 0 is every frame.
        snapshots: Whether a picture of each face that is named, or unknown, is kept with its event: sealed as that is, erased with the person, and deleted when the gallery's events are.
        made_at: Made at.
        wanted: Whether it is to run, also after the service began anew.
        state: State.
    """

    id: str
    name: str
    kind: Literal["stream", "camera", "film"]
    address: str
    fpir: float
    threshold: float | None
    cautious: bool | None
    window_s: float
    every: int
    search_s: float
    snapshots: bool
    made_at: str
    wanted: bool
    state: MonitorStateTold


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorList:
    """The monitors of a gallery.

    Attributes:
        monitors: Monitors.
    """

    monitors: tuple[MonitorTold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPresent:
    """Somebody enrolled who is before a monitor, or not away for longer than its window.

    Attributes:
        person: Person.
        name: Name.
        since: Since.
        last: When last seen.
        similarity: The highest of a passage.
        threshold: Of that passage.
        in_view: In view.
    """

    person: str
    name: str
    since: str
    last: str
    similarity: float
    threshold: float
    in_view: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackPresent:
    """A face in view.

    Attributes:
        track: Track.
        box_xyxy: In pixels of the frame.
        person: Who it is, if that is known.
        name: Name.
        called: refused: it cannot be judged, see `reasons`; undecided: not yet.
        similarity: To the best candidate, once decided.
        threshold: Threshold.
        since: Since.
        reasons: Reasons.
    """

    track: int
    box_xyxy: tuple[float, ...]
    person: str | None
    name: str | None
    called: Literal["recognised", "unknown", "refused", "undecided"]
    similarity: float | None
    threshold: float | None
    since: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Who is before a monitor now.

    Attributes:
        frame_at: When the frame was looked at; null without one.
        size_hw: Of the frame, in pixels.
        people: People.
        tracks: Tracks.
    """

    frame_at: str | None
    size_hw: tuple[int, ...] | None
    people: tuple[PersonPresent, ...]
    tracks: tuple[TrackPresent, ...]


def list_monitors(gallery: str) -> Call[MonitorList]:
    """The monitors of a gallery, and how they are.

    Args:
        gallery: The gallery's id.
    """
    return Call("GET", f"/v1/galleries/{quoted(gallery)}/monitors", MonitorList, repeatable=True)


def make_monitor(
    gallery: str,
    *,
    name: str,
    address: str,
    fpir: float | Unset = UNSET,
    threshold: float | Unset | None = UNSET,
    cautious: bool | Unset | None = UNSET,
    window_s: float | Unset = UNSET,
    every: int | Unset = UNSET,
    search_s: float | Unset = UNSET,
    snapshots: bool | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Call[MonitorTold]:
    """Make a monitor; it is started by an operation of its own.

    Args:
        gallery: The gallery's id.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        name: What its events say that they are from; not to be changed.
        address: https:// at a public address; rtsp://, rtsps://, http:// or https:// in a network that the operator allows; camera:0, or the name of a film, where the operator allows them. A password in it is kept sealed and never told again.
        fpir: Chance that a stranger who passes is given a name, at most.
        threshold: A cosine similarity that names, to be used instead of the rates; null for none. It goes with no `cautious`: true.
        cautious: true keeps the rate inside the worst group of people that was measured, or refuses; null takes no threshold below that group's, as one camera makes strangers alike, unless the site has calibrated; false does neither.
        window_s: Who is seen again within so many seconds has not left.
        every: Only each so-manieth frame is looked at.
        search_s: The whole frame is searched for faces so often, in seconds; 0 is every frame.
        snapshots: Whether a picture of each face that is named, or unknown, is kept with its event: sealed as that is, erased with the person, and deleted when the gallery's events are.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/monitors",
        MonitorTold,
        headers={"Idempotency-Key": idempotency_key},
        body={
            "name": name,
            "address": address,
            "fpir": fpir,
            "threshold": threshold,
            "cautious": cautious,
            "window_s": window_s,
            "every": every,
            "search_s": search_s,
            "snapshots": snapshots,
        },
        keyed=True,
    )


def read_monitor(gallery: str, monitor: str) -> Call[MonitorTold]:
    """A monitor, and how it is; the header ETag names what can be changed of it.

    Args:
        gallery: The gallery's id.
        monitor: The monitor's id.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/monitors/{quoted(monitor)}",
        MonitorTold,
        repeatable=True,
    )


def change_monitor(
    gallery: str,
    monitor: str,
    *,
    address: str | Unset | None = UNSET,
    fpir: float | Unset = UNSET,
    threshold: float | Unset | None = UNSET,
    cautious: bool | Unset | None = UNSET,
    window_s: float | Unset = UNSET,
    every: int | Unset = UNSET,
    search_s: float | Unset = UNSET,
    snapshots: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Call[MonitorTold]:
    """Change what a monitor watches, or how; one that runs begins anew.

    Args:
        gallery: The gallery's id.
        monitor: The monitor's id.
        if_match: The header ETag of what was seen; `*` for whatever there is.
        address: https:// at a public address; rtsp://, rtsps://, http:// or https:// in a network that the operator allows; camera:0, or the name of a film, where the operator allows them. A password in it is kept sealed and never told again. null leaves it.
        fpir: Chance that a stranger who passes is given a name, at most.
        threshold: A cosine similarity that names, to be used instead of the rates; null for none. It goes with no `cautious`: true.
        cautious: true keeps the rate inside the worst group of people that was measured, or refuses; null takes no threshold below that group's, as one camera makes strangers alike, unless the site has calibrated; false does neither.
        window_s: Who is seen again within so many seconds has not left.
        every: Only each so-manieth frame is looked at.
        search_s: The whole frame is searched for faces so often, in seconds; 0 is every frame.
        snapshots: Whether a picture of each face that is named, or unknown, is kept with its event: sealed as that is, erased with the person, and deleted when the gallery's events are.
    """
    return Call(
        "PATCH",
        f"/v1/galleries/{quoted(gallery)}/monitors/{quoted(monitor)}",
        MonitorTold,
        headers={"If-Match": if_match},
        body={
            "address": address,
            "fpir": fpir,
            "threshold": threshold,
            "cautious": cautious,
            "window_s": window_s,
            "every": every,
            "search_s": search_s,
            "snapshots": snapshots,
        },
        repeatable=True,
    )


def delete_monitor(gallery: str, monitor: str) -> Call[None]:
    """Stop and delete a monitor; its events stay.

    Args:
        gallery: The gallery's id.
        monitor: The monitor's id.
    """
    return Call(
        "DELETE",
        f"/v1/galleries/{quoted(gallery)}/monitors/{quoted(monitor)}",
        type(None),
        repeatable=True,
    )


def start_monitor(gallery: str, monitor: str) -> Call[MonitorTold]:
    """Have a monitor run, until it is stopped; a film that came to its end is watched anew.

    Args:
        gallery: The gallery's id.
        monitor: The monitor's id.
    """
    return Call(
        "POST", f"/v1/galleries/{quoted(gallery)}/monitors/{quoted(monitor)}/start", MonitorTold
    )


def stop_monitor(gallery: str, monitor: str) -> Call[MonitorTold]:
    """Have a monitor end; who is here is told to have left. A film goes on from there.

    Args:
        gallery: The gallery's id.
        monitor: The monitor's id.
    """
    return Call(
        "POST", f"/v1/galleries/{quoted(gallery)}/monitors/{quoted(monitor)}/stop", MonitorTold
    )


def read_present(gallery: str, monitor: str) -> Call[Present]:
    """Who is before a monitor now, and since when.

    Args:
        gallery: The gallery's id.
        monitor: The monitor's id.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/monitors/{quoted(monitor)}/present",
        Present,
        repeatable=True,
    )


def preview(
    gallery: str, monitor: str, *, longest: int | Unset = UNSET, marked: bool | Unset = UNSET
) -> Call[bytes]:
    """The newest frame of a monitor that runs; it is stored nowhere.

    Args:
        gallery: The gallery's id.
        monitor: The monitor's id.
        longest: Pixels of its longer side, at most.
        marked: With boxes and names.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/monitors/{quoted(monitor)}/preview",
        bytes,
        query={"longest": longest, "marked": marked},
        repeatable=True,
    )
