"""What the service tells of monitors."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from vultus.core.choices import DEFAULT_FPIR
from vultus.server.monitors.addresses import LONGEST_ADDRESS
from vultus.server.monitors.store import LONGEST_NAME

Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]
_Address = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ADDRESS)]
Fpir = Annotated[float, Field(gt=0, lt=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]
Window = Annotated[float, Field(ge=0, le=86400)]
Every = Annotated[int, Field(ge=1, le=100)]
Search = Annotated[float, Field(ge=0, le=60)]

_ADDRESS = (
    "https:// at a public address; rtsp://, rtsps://, http:// or https:// in a network that the "
    "operator allows; camera:0, or the name of a film, where the operator allows them. A password "
    "in it is kept sealed and never told again."
)
FPIR = "Chance that a stranger who passes is given a name, at most."
CAUTIOUS = (
    "true keeps the rate inside the worst group of people that was measured, or refuses; null "
    "takes no threshold below that group's, as one camera makes strangers alike, unless the site "
    "has calibrated; false does neither."
)
THRESHOLD = (
    "A cosine similarity that names, to be used instead of the rates; null for none. It goes with "
    "no `cautious`: true."
)
WINDOW = "Who is seen again within so many seconds has not left."
EVERY = "Only each so-manieth frame is looked at."
SNAPSHOTS = (
    "Whether a picture of each face that is named, or unknown, is kept with its event: sealed as "
    "that is, erased with the person, and deleted when the gallery's events are."
)
SEARCH = "The whole frame is searched for faces so often, in seconds; 0 is every frame."


class MonitorWanted(BaseModel):
    """A monitor that is to be made; it is started by an operation of its own."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(
        description="What its events say that they are from; not to be changed.", examples=["door"]
    )
    address: _Address = Field(description=_ADDRESS, examples=["https://camera.example.org/door"])
    fpir: Fpir = Field(DEFAULT_FPIR, description=FPIR)
    threshold: Cosine | None = Field(None, description=THRESHOLD, examples=[0.6])
    cautious: bool | None = Field(None, description=CAUTIOUS)
    window_s: Window = Field(30.0, description=WINDOW)
    every: Every = Field(1, description=EVERY)
    search_s: Search = Field(0.4, description=SEARCH)
    snapshots: bool = Field(False, description=SNAPSHOTS)


class MonitorChange(BaseModel):
    """What is to be changed of a monitor: what is given is set. One that runs begins anew."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"window_s": 60, "every": 2}}
    )

    address: _Address | None = Field(None, description=_ADDRESS + " null leaves it.")
    fpir: Fpir = Field(DEFAULT_FPIR, description=FPIR)
    threshold: Cosine | None = Field(None, description=THRESHOLD, examples=[0.6])
    cautious: bool | None = Field(None, description=CAUTIOUS)
    window_s: Window = Field(30.0, description=WINDOW)
    every: Every = Field(1, description=EVERY)
    search_s: Search = Field(0.4, description=SEARCH)
    snapshots: bool = Field(False, description=SNAPSHOTS)


class MonitorStateTold(BaseModel):
    """How a monitor is, and what it took since the service began."""

    name: Literal[
        "stopped", "starting", "running", "reconnecting", "failed", "finished", "stopping"
    ] = Field(
        description="A stream that is lost is reconnecting; what cannot be watched for another "
        "reason has failed; both are tried again. A film that came to its end is finished."
    )
    since: str | None = Field(description="Since when; null where nobody knows.")
    reason: str | None = Field(description="Why it is reconnecting or failed.")
    code: str | None = Field(
        description="The same in a word, stable: of what is watched `source-unreadable`, "
        "`source-unreachable`, `source-timed-out`, `source-unauthorised`, `source-not-found`, "
        "`source-refused`, `source-no-picture`, `source-too-large`, `source-broken-off`, "
        "`source-ended`, `source-silent`; else as errors have it."
    )
    threshold: float | None = Field(
        description="The similarity that names by five shots when a passage ends, as the gallery "
        "is now; null where it cannot be told, or the monitor does not run."
    )
    tries: int = Field(description="How often it was tried since.")
    next_try_at: str | None
    fps: float = Field(description="Frames looked at a second, over the last 5 s.")
    frames: int = Field(description="Frames looked at.")
    dropped: int = Field(description="Frames of a stream that were passed over for newer ones.")
    reconnects: int = Field(description="How often a connection was made again.")
    events: dict[str, int] = Field(description="How many were written, by type.")
    tracks: int = Field(description="Faces in view.")
    present: int = Field(description="People who are enrolled and here.")
    last_frame_at: str | None
    last_error: str | None = Field(description="What went wrong last, also if it is over.")
    last_error_code: str | None = Field(description="The same in a word.")
    last_error_at: str | None


class MonitorTold(BaseModel):
    """A monitor."""

    id: str
    name: str = Field(examples=["door"])
    kind: Literal["stream", "camera", "film"]
    address: str = Field(
        description="Of a stream its host alone: user, password, path and query are kept sealed.",
        examples=["https://camera.example.org"],
    )
    fpir: float = Field(description=FPIR)
    threshold: float | None = Field(description=THRESHOLD)
    cautious: bool | None = Field(description=CAUTIOUS)
    window_s: float = Field(description=WINDOW)
    every: int = Field(description=EVERY)
    search_s: float = Field(description=SEARCH)
    snapshots: bool = Field(description=SNAPSHOTS)
    made_at: str
    wanted: bool = Field(description="Whether it is to run, also after the service began anew.")
    state: MonitorStateTold


class MonitorList(BaseModel):
    """The monitors of a gallery."""

    monitors: list[MonitorTold]


class PersonPresent(BaseModel):
    """Somebody enrolled who is before a monitor, or not away for longer than its window."""

    person: str
    name: str
    since: str
    last: str = Field(description="When last seen.")
    similarity: float = Field(description="The highest of a passage.")
    threshold: float = Field(description="Of that passage.")
    in_view: bool


class TrackPresent(BaseModel):
    """A face in view."""

    track: int
    box_xyxy: tuple[float, float, float, float] = Field(description="In pixels of the frame.")
    person: str | None = Field(description="Who it is, if that is known.")
    name: str | None
    called: Literal["recognised", "unknown", "refused", "undecided"] = Field(
        description="refused: it cannot be judged, see `reasons`; undecided: not yet."
    )
    similarity: float | None = Field(description="To the best candidate, once decided.")
    threshold: float | None
    since: str
    reasons: list[str]


class Present(BaseModel):
    """Who is before a monitor now."""

    frame_at: str | None = Field(description="When the frame was looked at; null without one.")
    size_hw: tuple[int, int] | None = Field(description="Of the frame, in pixels.")
    people: list[PersonPresent]
    tracks: list[TrackPresent]
