"""Many people enrolled, of an uploaded zip: nobody twice, nobody left out, whatever is killed.

The events of a job have ids of their own, written with the enrolment they tell of in one
transaction: a job that goes on knows by them what it had done before it was killed. Where no events
are kept, notes stand for them.
"""

from typing import Any

from vultus.core.errors import IdentityNotFoundError, InputError, VultusError
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.pipeline.importing import details_now
from vultus.pipeline.photos import Note, Skipped, StoredPhoto
from vultus.server.jobs.archive import Archive, PersonPhotos
from vultus.server.jobs.run import Run, StoppedError
from vultus.server.noted import JOBS, Noted
from vultus.server.problems import code_of

_REFUSED = "no-photo-taken"


class _Refusals(Skipped):
    """Why photos were left out, by code."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, str | None]] = []

    def __call__(self, name: str, error: VultusError) -> None:
        """Note one."""
        super().__call__(name, error)
        self.told.append({"photo": name, "code": code_of(error)[1], "detail": str(error)})


def run_enrolment(run: Run) -> dict[str, Any]:
    """Enrol everybody who was not yet; gives how many."""
    archive = run.archive()
    if archive is None:
        raise InputError("what was uploaded is gone")
    people, done = archive.people(), run.kept()
    run.tell("enrolling", len(done), len(people))
    for place, person in enumerate(people):
        if place not in done:
            run.go_on()
            uid, value = _enrolled(run, archive, place, person)
            run.keep(place, value, person=uid)
            run.tell("enrolling", place + 1, len(people))
    return _counts(run)


def _enrolled(
    run: Run, archive: Archive, place: int, person: PersonPhotos
) -> tuple[str | None, dict[str, Any]]:
    """Enrol somebody; the uid, if they are enrolled now, and what came of it."""
    log, event_id = EventLog(run.gallery), f"job/{run.job.id}/{place}"
    noted = Noted(run.gallery, JOBS)

    def done() -> int | None:
        """Photos that were taken, noted before the service was killed; None if nothing was."""
        event = log.find(event_id)
        found = noted.find(event_id) if event is None else event.data["photos"]
        return None if found is None else int(found)

    earlier = done()
    added = earlier or 0
    digests = {name: archive.digest(name) for name in person.photos}
    known = _known(run, person.identity)
    fresh = [name for name in person.photos if digests[name] is None or digests[name] not in known]
    before = len(person.photos) - len(fresh) - added
    refusals = _Refusals()

    def note(uid: str, photos: int) -> None:
        event = NewEvent(
            type="enrolled", id=event_id, source="job", person=uid, data={"photos": photos}
        )
        # In the transaction of the enrolment: what another process did meanwhile is not done twice.
        if not run.is_mine() or (earlier is None and done() is not None):
            raise StoppedError
        if run.keep_events and photos:
            log.append(event)
        elif photos:
            noted.add(event_id, photos)

    photos = [_photo(archive, name, digests[name]) for name in fresh]
    added += _enrol(run, person, photos, refusals, note)
    uid = _uid(run, person.identity)
    value = {
        # Whoever is enrolled is told by uid: the name is the gallery's to tell, and to erase.
        "name": person.identity if uid is None else None,
        "added": added,
        "enrolled_before": max(before, 0),
        "refused": refusals.told,
        "notes": [_words(told) for told in refusals.notes],
    }
    return uid, value


def _enrol(
    run: Run, person: PersonPhotos, photos: list[StoredPhoto], refusals: _Refusals, note: Any
) -> int:
    gallery = run.gallery.acting(run.gallery.opened.actor, on_enrolled=note)
    details = details_now(
        gallery, person.identity, person.details, consent_dated=person.consent_dated
    )
    added = 0
    try:
        if photos:
            added = run.recognizer.enroll(
                gallery,
                person.identity,
                photos,
                select=run.options["select"],
                on_error=refusals,
                details=details,
                force=run.options["force"],
            )
        if not added and details is not None and _uid(run, person.identity) is not None:
            gallery.note(person.identity, details)
    except InputError as error:  # of what is noted of this person: others go on
        code = code_of(error)[1]
        refusals.told.append({"photo": None, "code": code, "detail": str(error)})
    return added


def _photo(archive: Archive, name: str, digest: str | None) -> StoredPhoto:
    photo = archive.photo(name)
    return StoredPhoto(photo.name, photo.fetch, digest)


def _known(run: Run, identity: str) -> set[str]:
    try:
        photos = run.gallery.photos(identity)
    except IdentityNotFoundError:
        return set()
    return {photo["sha256"] for photo in photos if photo["sha256"] is not None}


def _uid(run: Run, identity: str) -> str | None:
    try:
        return run.gallery.person(identity).uid
    except IdentityNotFoundError:
        return None


def _words(note: Note) -> str:
    # The text may name somebody else, who may be erased later.
    return note.text if note.logged is None else note.logged


def _counts(run: Run) -> dict[str, Any]:
    counts = {"people": 0, "added": 0, "enrolled_before": 0, "refused": 0, "without_photo": 0}
    for _, uid, value in run.store.items(run.gallery, run.job):
        counts["people"] += 1
        counts["added"] += value["added"]
        counts["enrolled_before"] += value["enrolled_before"]
        counts["refused"] += len(value["refused"])
        counts["without_photo"] += uid is None
    return counts
