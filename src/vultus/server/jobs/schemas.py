"""What the service tells of jobs."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from vultus.core.choices import DEFAULT_FPIR
from vultus.server.jobs.job_store import JobKind, JobState
from vultus.server.monitors.schemas import (
    CAUTIOUS,
    EVERY,
    FPIR,
    SEARCH,
    SNAPSHOTS,
    THRESHOLD,
    WINDOW,
    Cosine,
    Every,
    Fpir,
    Name,
    Search,
    Window,
)
from vultus.server.monitors.store import MonitorSettings


class JobTold(BaseModel):
    """A job."""

    id: str
    gallery: str
    kind: JobKind
    state: JobState
    made_by: str = Field(description="Id of the access key.")
    made_at: str
    started_at: str | None
    ended_at: str | None
    doing: str = Field(description="What is being done, in words.")
    done: int = Field(description="How many pieces are done: people, photos, seconds of a film.")
    total: int = Field(description="Of how many; 0 while that is not known.")
    error: str | None = Field(description="Code of what went wrong, or null.")
    detail: str | None = Field(description="The same for people.")
    result: dict[str, Any] | None = Field(
        description="Of enrolment: how many people and photos (the list is at `/people`); of "
        "clustering: `groups`, `threshold`, `refused`; of calibration: `calibration`, as "
        "`vultus calibrate` writes it, and `failures`; of migration: how far the gallery is; of "
        "film: `source`, `frames`, `seconds`, `passages`, `events` by type. "
        "Null until it is done, and in lists."
    )


class JobList(BaseModel):
    """Some jobs, the newest first."""

    jobs: list[JobTold]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class JobRefusal(BaseModel):
    """A photo that was not taken."""

    photo: str | None = Field(description="As the zip calls it; null if it is about what is noted.")
    code: str
    detail: str


class JobPerson(BaseModel):
    """What became of somebody of an enrolment."""

    place: int = Field(description="Among the people of the zip, from 0.")
    person: str | None = Field(description="The id; null for who is not enrolled.")
    name: str | None = Field(description="The name, as the gallery or else the zip has it.")
    added: int
    enrolled_before: int
    refused: list[JobRefusal]
    notes: list[str]


class JobPeople(BaseModel):
    """What became of some people; who was erased since is not told."""

    people: list[JobPerson]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmWanted:
    """How a film is to be watched that is sent along."""

    name: Annotated[Name, Query(description="What its events say that they are from.")] = "film"
    began_at: Annotated[
        str | None,
        Query(
            max_length=40,
            description="When its first frame was taken (ISO 8601, else UTC); else what the film "
            "says, or when it was sent.",
            examples=["2026-11-30T08:00:00+01:00"],
        ),
    ] = None
    again: Annotated[
        bool, Query(description="Watch it anew if it was watched to its end before.")
    ] = False
    fpir: Annotated[Fpir, Query(description=FPIR)] = DEFAULT_FPIR
    threshold: Annotated[Cosine | None, Query(description=THRESHOLD, examples=[0.6])] = None
    cautious: Annotated[bool | None, Query(description=CAUTIOUS)] = None
    window_s: Annotated[Window, Query(description=WINDOW)] = 30.0
    every: Annotated[Every, Query(description=EVERY)] = 1
    search_s: Annotated[Search, Query(description=SEARCH)] = 0.4
    snapshots: Annotated[bool, Query(description=SNAPSHOTS)] = False

    def settings(self) -> MonitorSettings:
        """Those of a monitor."""
        names = (one.name for one in fields(MonitorSettings))
        return MonitorSettings(**{name: getattr(self, name) for name in names})


class MigrationWanted(BaseModel):
    """To which model a gallery is to be brought."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$",
        description="An embedder that is installed on the service's machine.",
        examples=["arcface-r50"],
    )
