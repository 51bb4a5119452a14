"""What the service tells of jobs."""

from typing import Any

from pydantic import BaseModel, Field

from vultus.server.jobs.job_store import JobKind, JobState


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
    done: int = Field(description="How many pieces are done: people, photos.")
    total: int = Field(description="Of how many; 0 while that is not known.")
    error: str | None = Field(description="Code of what went wrong, or null.")
    detail: str | None = Field(description="The same for people.")
    result: dict[str, Any] | None = Field(
        description="Of enrolment: how many people and photos (the list is at `/people`); of "
        "clustering: `groups`, `threshold`, `refused`; of calibration: `calibration`, as "
        "`vultus calibrate` writes it, and `failures`; of migration: how far the gallery is. "
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
    next: int | None = Field(description="`after` of the next page; null at the end.")


class MigrationWanted(BaseModel):
    """To which model a gallery is to be brought."""

    model: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$",
        description="An embedder that is installed on the service's machine.",
        examples=["arcface-r50"],
    )
