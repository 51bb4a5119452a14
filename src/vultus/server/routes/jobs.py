"""Jobs: long work that is made here, and looked at while it is done."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.errors import VideoError
from vultus.gallery.events.event import event_time
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.names import normalise_identity
from vultus.models.names import is_committee_name, is_model_name
from vultus.server.access import Role
from vultus.server.context import Admin, Caller, Operator
from vultus.server.fields import Cursor, Fmr, GalleryId, Limit, cursor_after, place_of
from vultus.server.idempotency import HEADER, Idempotency, material_now, streamed
from vultus.server.jobs.archive import Archive
from vultus.server.jobs.filming import uploaded_film
from vultus.server.jobs.job_store import ENDED, Job, JobKind, NewUpload, opened
from vultus.server.jobs.jobs import Jobs
from vultus.server.jobs.receiving import FILM, ZIP, body, received
from vultus.server.jobs.schemas import (
    FilmWanted,
    JobList,
    JobPeople,
    JobPerson,
    JobTold,
    MigrationWanted,
)
from vultus.server.jobs.uploads import Upload
from vultus.server.monitors.store import LONGEST_NAME
from vultus.server.monitors.watching import judge_settings
from vultus.server.problems import ProblemError
from vultus.server.routing import make_router
from vultus.server.streams import EventStream, Message
from vultus.video.passages.judge import PassageJudge

router = make_router("/v1/galleries/{gallery}/jobs", "jobs", 404, 409, 411, 413, 415)

JobId = Annotated[str, Path(max_length=40, description="The job's id.")]
Select = Annotated[Selection, Query(description="Which face of a photo is meant that has several.")]

_PAGE = 100
_FMR = 1e-4


@router.post("/enrolment", status_code=202, response_model=JobTold, openapi_extra=body())
@streamed
async def enrol_many(
    request: Request,
    caller: Operator,
    gallery: GalleryId,
    select: Select = DEFAULT_SELECT,
    force: Annotated[
        bool,
        Query(description="Take photos unlike the person's others or like somebody else, too."),
    ] = False,
) -> Response:
    """Enrol everybody of a zip: a folder of photos for each, or a CSV file that names them."""
    options = {"select": select, "force": force}
    return await _uploaded(request, caller, gallery, "enrolment", options=options)


@router.post("/clustering", status_code=202, response_model=JobTold, openapi_extra=body())
@streamed
async def cluster_photos(
    request: Request,
    caller: Operator,
    gallery: GalleryId,
    fmr: Fmr = _FMR,
) -> Response:
    """Group the faces on the photos of a zip by person, without knowing who they are."""
    options = {"fmr": fmr}
    return await _uploaded(request, caller, gallery, "clustering", options=options)


@router.post("/review-clustering", status_code=202)
def cluster_review(
    caller: Operator,
    gallery: GalleryId,
    response: Response,
    fmr: Fmr = _FMR,
) -> JobTold:
    """Group the faces that wait for review by person."""
    return _made(caller, gallery, "clustering", {"fmr": fmr}, response)


@router.post("/calibration", status_code=202, response_model=JobTold, openapi_extra=body())
@streamed
async def calibrate(
    request: Request,
    caller: Admin,
    gallery: GalleryId,
    select: Select = DEFAULT_SELECT,
    fmr: Annotated[
        list[Annotated[float, Field(gt=0, le=1)]],
        Query(max_length=10, description="Rates to be carried; none for the usual."),
    ] = [],  # noqa: B006 - FastAPI copies it
    extrapolate: Annotated[bool, Query(description="Go on below what is counted.")] = False,
) -> Response:
    """Measure thresholds on the people of a zip: a folder of photos for each."""
    options = {"select": select, "fmr": fmr, "extrapolate": extrapolate, "seed": 0}
    return await _uploaded(request, caller, gallery, "calibration", options=options)


@router.post("/film", status_code=202, response_model=JobTold, openapi_extra=body(FILM))
@streamed
async def watch_film(
    request: Request, caller: Operator, gallery: GalleryId, wanted: Annotated[FilmWanted, Depends()]
) -> Response:
    """Watch a film to its end: its events are the gallery's. It is deleted when the job ends."""
    settings = wanted.settings()
    known = caller.gallery(gallery)
    await run_in_threadpool(
        PassageJudge, caller.context.recognizer, known, judge_settings(settings)
    )
    began = wanted.began_at
    options = {
        "name": normalise_identity(wanted.name, what="name", longest=LONGEST_NAME),
        "began_at": None if began is None else event_time("began_at", began),
        "again": wanted.again,
        "settings": asdict(settings),
    }
    return await _uploaded(request, caller, gallery, "film", options=options)


@router.post("/migration", status_code=202)
def migrate(
    caller: Admin, gallery: GalleryId, wanted: MigrationWanted, response: Response
) -> JobTold:
    """Embed the crops that a gallery keeps with another model; it goes on with its own."""
    if not (is_model_name(wanted.model) or is_committee_name(wanted.model)):
        raise ProblemError(422, "invalid-input", "model must be the name of an embedder")
    return _made(caller, gallery, "migration", {"model": wanted.model}, response)


@router.get("")
def list_jobs(
    caller: Operator,
    gallery: GalleryId,
    cursor: Cursor = "",
    limit: Limit = _PAGE,
) -> JobList:
    """The jobs of a gallery, the newest first."""
    known = caller.gallery(gallery)
    before = place_of("job", cursor)
    found = _jobs(caller).store.of(gallery, before=before or None, limit=limit)
    more = cursor_after("job", found[-1].number if len(found) == limit else None)
    return JobList(jobs=[_told(caller, known, job, whole=False) for job in found], next=more)


@router.get("/{job}")
def job_told(caller: Operator, gallery: GalleryId, job: JobId) -> JobTold:
    """How far a job is, and its result when it is done."""
    return _told(caller, caller.gallery(gallery), _job(caller, gallery, job))


@router.get(
    "/{job}/stream",
    status_code=200,
    response_class=EventStream,
    responses={200: {"description": "Server-sent events `job`, data as the job is told."}},
)
def stream_job(caller: Operator, gallery: GalleryId, job: JobId) -> EventStream:
    """How far a job is, as it goes on, by server-sent events; ends with the job."""
    source = _Progress(caller, caller.gallery(gallery), _job(caller, gallery, job))
    keys, key_id = caller.context.keys, caller.key.id

    def allowed() -> bool:
        return any(k.id == key_id and k.allows(Role.operator, gallery) for k in keys.listed())

    return EventStream(caller.context.background.streams, source, allowed=allowed)


@router.get("/{job}/people")
def job_people(
    caller: Operator,
    gallery: GalleryId,
    job: JobId,
    cursor: Cursor = "",
    after: Annotated[
        int | None, Query(ge=-1, le=2**53, description="Begin after this `place`.")
    ] = None,
    limit: Limit = _PAGE,
    refused: Annotated[
        bool, Query(description="Only those with photos that were refused.")
    ] = False,
) -> JobPeople:
    """What became of each person of an enrolment, with the photos that were refused, and why."""
    known, found = caller.gallery(gallery), _job(caller, gallery, job)
    people: list[JobPerson] = []
    if found.kind != "enrolment":
        return JobPeople(people=[], next=None)
    # Places count from 0, cursors are of how many were passed.
    begin = place_of("jp", cursor) - 1 if cursor or after is None else after
    for place, uid, value in _jobs(caller).store.items(known, found, after=begin):
        person = None if uid is None else known.person_by_uid(uid)
        gone = uid is not None and person is None
        if gone or (refused and not value["refused"]):
            continue
        name = value.pop("name") if person is None else person.identity
        value.pop("name", None)
        if len(people) == limit:
            return JobPeople(people=people, next=cursor_after("jp", people[-1].place + 1))
        people.append(JobPerson(place=place, person=uid, name=name, **value))
    return JobPeople(people=people, next=None)


@router.post("/{job}/cancel")
def cancel_job(caller: Operator, gallery: GalleryId, job: JobId) -> JobTold:
    """End a job after the piece at hand; what it did stays done."""
    found = _job(caller, gallery, job)
    if found.state in ENDED:
        raise ProblemError(409, "job-ended", "the job has ended already")
    _jobs(caller).cancel(caller.gallery(gallery), found)
    return _told(caller, caller.gallery(gallery), _job(caller, gallery, job))


@router.delete("/{job}", status_code=204)
def delete_job(caller: Operator, gallery: GalleryId, job: JobId) -> None:
    """Delete a job that has ended, with what is kept of it."""
    found = _job(caller, gallery, job)
    if found.state not in ENDED:
        raise ProblemError(409, "job-goes-on", "the job has not ended; cancel it first")
    _jobs(caller).store.remove(found)


class _Progress:
    """A job for one who listens."""

    def __init__(self, caller: Caller, gallery: Gallery, job: Job) -> None:
        self._caller, self._gallery, self._job = caller, gallery, job
        self._last: JobTold | None = None
        self._ended = False
        self.key = "jobs"

    def state(self) -> int:
        return _jobs(self._caller).worker.state()

    def read(self) -> Sequence[Message] | None:
        if self._ended:
            return None
        job = _jobs(self._caller).store.get(self._job.gallery, self._job.id)
        told = _told(self._caller, self._gallery, job, whole=False)
        if told == self._last:
            return []
        self._last, self._ended = told, told.state in ENDED
        number = str(told.done)
        return [Message(number, "job", told.model_dump())]


def _jobs(caller: Caller) -> Jobs:
    return caller.context.background.jobs


def _job(caller: Caller, gallery: str, job: str) -> Job:
    caller.gallery(gallery)  # what is not there is said before what is in it
    return _jobs(caller).store.get(gallery, job)


def _made(
    caller: Caller, gallery: str, kind: JobKind, options: Mapping[str, Any], response: Response
) -> JobTold:
    known = caller.gallery(gallery)
    job = _jobs(caller).add(
        gallery,
        known,
        kind,
        key_id=caller.key.id,
        options=options,
        job_id=material_now("job")[:8].hex(),
    )
    response.headers["Location"] = _address(job)
    return _told(caller, known, job)


async def _uploaded(
    request: Request,
    caller: Caller,
    gallery: str,
    kind: JobKind,
    *,
    options: Mapping[str, Any],
) -> Response:
    caller.gallery(gallery)  # one that is not there is said to be so, before all is sent
    jobs = _jobs(caller)
    jobs.check_room()
    with jobs.uploading():
        sent = FILM if kind == "film" else ZIP
        async with received(request, jobs.store, sent) as upload:
            await run_in_threadpool(_check, jobs, kind, upload)
            if kind == "film":  # known by its bytes, as a film of a folder is
                options = {**options, "fingerprint": upload.digest.hex()[:16]}
            return await run_in_threadpool(
                _keep, request, caller, gallery, kind=kind, options=options, upload=upload
            )


def _check(jobs: Jobs, kind: JobKind, upload: NewUpload) -> None:
    """Refuse what is of no use now, not when its turn comes."""
    sent = Upload(upload.pieces, upload.key, upload.size)
    if kind == "film":
        try:
            uploaded_film(sent, name="it", fingerprint="", began_at=None, kept_at=datetime.now(UTC))
        except VideoError as error:
            raise ProblemError(422, "unreadable-film", f"it is no film: {error}") from error
        return
    archive = Archive(sent, jobs.limits)
    if kind == "enrolment":
        archive.people()


def _keep(
    request: Request,
    caller: Caller,
    gallery: str,
    *,
    kind: JobKind,
    options: Mapping[str, Any],
    upload: NewUpload,
) -> Response:
    known, jobs, key = caller.gallery(gallery), _jobs(caller), request.headers.get(HEADER)
    store: Idempotency = caller.context.background.idempotency
    # The job and the answer stand or fall together: asked again, it is not made twice.
    with jobs.store.file.transaction():
        attempt = None
        if key is not None:
            asked = hashlib.sha256(f"{request.url.path}?{request.url.query}".encode())
            asked.update(upload.digest)
            attempt = store.begin(request, caller.key.id, key, asked.digest())
            if attempt.answer is not None:
                jobs.store.drop(upload)
                return attempt.answer
        job = jobs.add(gallery, known, kind, key_id=caller.key.id, options=options, upload=upload)
        told = _told(caller, known, job).model_dump()
        answer = JSONResponse(told, 202, headers={"Location": _address(job)})
        if attempt is not None:
            store.finish(attempt, answer)
    jobs.worker.wake()
    return answer


def _address(job: Job) -> str:
    return f"/v1/galleries/{job.gallery}/jobs/{job.id}"


def _told(caller: Caller, gallery: Gallery, job: Job, *, whole: bool = True) -> JobTold:
    doing, done, total = _jobs(caller).worker.live(job)
    return JobTold(
        id=job.id,
        gallery=job.gallery,
        kind=job.kind,
        state=job.state,
        made_by=job.key_id,
        made_at=_time(job.made_at),
        started_at=None if job.started_at is None else _time(job.started_at),
        ended_at=None if job.ended_at is None else _time(job.ended_at),
        doing=doing,
        done=done,
        total=total,
        error=job.error,
        detail=opened(gallery, job.id, "detail", job.detail),
        result=opened(gallery, job.id, "result", job.result) if whole else None,
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
