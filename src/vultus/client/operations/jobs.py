"""Operations of the service: jobs. Written by scripts/client_operations.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vultus.client.call import UNSET, Call, Unset, quoted
from vultus.client.photos import Photo


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTold:
    """A job.

    Attributes:
        id: Id.
        gallery: Gallery.
        kind: Kind.
        state: State.
        made_by: Id of the access key.
        made_at: Made at.
        started_at: Started at.
        ended_at: Ended at.
        doing: What is being done, in words.
        done: How many pieces are done: people, photos, seconds of a film.
        total: Of how many; 0 while that is not known.
        error: Code of what went wrong, or null.
        detail: The same for people.
        result: Of enrolment: how many people and photos (the list is at `/people`); of clustering: `groups`, `threshold`, `refused`; of calibration: `calibration`, as `vultus calibrate` writes it, and `failures`; of migration: how far the gallery is; of film: `source`, `frames`, `seconds`, `passages`, `events` by type. Null until it is done, and in lists.
    """

    id: str
    gallery: str
    kind: Literal["enrolment", "clustering", "calibration", "migration", "film"]
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    made_by: str
    made_at: str
    started_at: str | None
    ended_at: str | None
    doing: str
    done: int
    total: int
    error: str | None
    detail: str | None
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """Some jobs, the newest first.

    Attributes:
        jobs: Jobs.
        next: The cursor of the next page; null at the end.
    """

    jobs: tuple[JobTold, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRefusal:
    """A photo that was not taken.

    Attributes:
        photo: As the zip calls it; null if it is about what is noted.
        code: Code.
        detail: Detail.
    """

    photo: str | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPerson:
    """What became of somebody of an enrolment.

    Attributes:
        place: Among the people of the zip, from 0.
        person: The id; null for who is not enrolled.
        name: The name, as the gallery or else the zip has it.
        added: Added.
        enrolled_before: Enrolled before.
        refused: Refused.
        notes: Notes.
    """

    place: int
    person: str | None
    name: str | None
    added: int
    enrolled_before: int
    refused: tuple[JobRefusal, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPeople:
    """What became of some people; who was erased since is not told.

    Attributes:
        people: People.
        next: The cursor of the next page; null at the end.
    """

    people: tuple[JobPerson, ...]
    next: str | None


def enrol_many(
    gallery: str,
    *,
    photos: Photo,
    select: Literal["only", "largest", "central"] | Unset = UNSET,
    force: bool | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Call[JobTold]:
    """Enrol everybody of a zip: a folder of photos for each, or a CSV file that names them.

    Args:
        gallery: The gallery's id.
        select: Which face of a photo is meant that has several.
        force: Take photos unlike the person's others or like somebody else, too.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        photos: Photos.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/jobs/enrolment",
        JobTold,
        query={"select": select, "force": force},
        headers={"Idempotency-Key": idempotency_key},
        form={},
        files={"photos": photos},
        keyed=True,
    )


def cluster_photos(
    gallery: str, *, photos: Photo, fmr: float | Unset = UNSET, idempotency_key: str | Unset = UNSET
) -> Call[JobTold]:
    """Group the faces on the photos of a zip by person, without knowing who they are.

    Args:
        gallery: The gallery's id.
        fmr: False match rate, at most.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        photos: Photos.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/jobs/clustering",
        JobTold,
        query={"fmr": fmr},
        headers={"Idempotency-Key": idempotency_key},
        form={},
        files={"photos": photos},
        keyed=True,
    )


def cluster_review(
    gallery: str, *, fmr: float | Unset = UNSET, idempotency_key: str | Unset = UNSET
) -> Call[JobTold]:
    """Group the faces that wait for review by person.

    Args:
        gallery: The gallery's id.
        fmr: False match rate, at most.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/jobs/review-clustering",
        JobTold,
        query={"fmr": fmr},
        headers={"Idempotency-Key": idempotency_key},
        keyed=True,
    )


def calibrate(
    gallery: str,
    *,
    photos: Photo,
    select: Literal["only", "largest", "central"] | Unset = UNSET,
    fmr: Sequence[float] | Unset = UNSET,
    extrapolate: bool | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Call[JobTold]:
    """Measure thresholds on the people of a zip: a folder of photos for each.

    Args:
        gallery: The gallery's id.
        select: Which face of a photo is meant that has several.
        fmr: Rates to be carried; none for the usual.
        extrapolate: Go on below what is counted.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        photos: Photos.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/jobs/calibration",
        JobTold,
        query={"select": select, "fmr": fmr, "extrapolate": extrapolate},
        headers={"Idempotency-Key": idempotency_key},
        form={},
        files={"photos": photos},
        keyed=True,
    )


def watch_film(
    gallery: str,
    *,
    film: Photo,
    name: str | Unset = UNSET,
    began_at: str | Unset = UNSET,
    again: bool | Unset = UNSET,
    fpir: float | Unset = UNSET,
    threshold: float | Unset = UNSET,
    cautious: bool | Unset = UNSET,
    window_s: float | Unset = UNSET,
    every: int | Unset = UNSET,
    search_s: float | Unset = UNSET,
    snapshots: bool | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Call[JobTold]:
    """Watch a film to its end: its events are the gallery's. It is deleted when the job ends.

    Args:
        gallery: The gallery's id.
        name: What its events say that they are from.
        began_at: When its first frame was taken (ISO 8601, else UTC); else what the film says, or when it was sent.
        again: Watch it anew if it was watched to its end before.
        fpir: Chance that a stranger who passes is given a name, at most.
        threshold: A cosine similarity that names, to be used instead of the rates; null for none. It goes with no `cautious`: true.
        cautious: true keeps the rate inside the worst group of people that was measured, or refuses; null takes no threshold below that group's, as one camera makes strangers alike, unless the site has calibrated; false does neither.
        window_s: Who is seen again within so many seconds has not left.
        every: Only each so-manieth frame is looked at.
        search_s: The whole frame is searched for faces so often, in seconds; 0 is every frame.
        snapshots: Whether a picture of each face that is named, or unknown, is kept with its event: sealed as that is, erased with the person, and deleted when the gallery's events are.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        film: Film.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/jobs/film",
        JobTold,
        query={
            "name": name,
            "began_at": began_at,
            "again": again,
            "fpir": fpir,
            "threshold": threshold,
            "cautious": cautious,
            "window_s": window_s,
            "every": every,
            "search_s": search_s,
            "snapshots": snapshots,
        },
        headers={"Idempotency-Key": idempotency_key},
        form={},
        files={"film": film},
        keyed=True,
    )


def migrate(gallery: str, *, model: str, idempotency_key: str | Unset = UNSET) -> Call[JobTold]:
    """Embed the crops that a gallery keeps with another model; it goes on with its own.

    Args:
        gallery: The gallery's id.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        model: An embedder that is installed on the service's machine.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/jobs/migration",
        JobTold,
        headers={"Idempotency-Key": idempotency_key},
        body={"model": model},
        keyed=True,
    )


def list_jobs(
    gallery: str, *, cursor: str | Unset = UNSET, limit: int | Unset = UNSET
) -> Call[JobList]:
    """The jobs of a gallery, the newest first.

    Args:
        gallery: The gallery's id.
        cursor: `next` of the page before; empty for the first.
        limit: So many at most.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/jobs",
        JobList,
        query={"cursor": cursor, "limit": limit},
        repeatable=True,
    )


def job_told(gallery: str, job: str) -> Call[JobTold]:
    """How far a job is, and its result when it is done.

    Args:
        gallery: The gallery's id.
        job: The job's id.
    """
    return Call(
        "GET", f"/v1/galleries/{quoted(gallery)}/jobs/{quoted(job)}", JobTold, repeatable=True
    )


def delete_job(gallery: str, job: str) -> Call[None]:
    """Delete a job that has ended, with what is kept of it.

    Args:
        gallery: The gallery's id.
        job: The job's id.
    """
    return Call(
        "DELETE", f"/v1/galleries/{quoted(gallery)}/jobs/{quoted(job)}", type(None), repeatable=True
    )


def job_people(
    gallery: str,
    job: str,
    *,
    cursor: str | Unset = UNSET,
    after: int | Unset = UNSET,
    limit: int | Unset = UNSET,
    refused: bool | Unset = UNSET,
) -> Call[JobPeople]:
    """What became of each person of an enrolment, with the photos that were refused, and why.

    Args:
        gallery: The gallery's id.
        job: The job's id.
        cursor: `next` of the page before; empty for the first.
        after: Begin after this `place`.
        limit: So many at most.
        refused: Only those with photos that were refused.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/jobs/{quoted(job)}/people",
        JobPeople,
        query={"cursor": cursor, "after": after, "limit": limit, "refused": refused},
        repeatable=True,
    )


def cancel_job(gallery: str, job: str) -> Call[JobTold]:
    """End a job after the piece at hand; what it did stays done.

    Args:
        gallery: The gallery's id.
        job: The job's id.
    """
    return Call("POST", f"/v1/galleries/{quoted(gallery)}/jobs/{quoted(job)}/cancel", JobTold)
