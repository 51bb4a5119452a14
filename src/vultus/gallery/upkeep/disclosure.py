"""Everything that a gallery holds about one person, as a zip for whoever asks for it."""

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.files import check_target, writing
from vultus.gallery.events.sealed import SealedEvents
from vultus.gallery.events.streams import PERSON_STREAM
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import CROP, export_crop
from vultus.gallery.opening import OpenedGallery
from vultus.gallery.people.details import now
from vultus.gallery.people.roster import Member
from vultus.gallery.review.items import item_value
from vultus.gallery.security.audit import AuditEntry

_ABOUT = """\
Everything that a face-recognition gallery holds about one person.

person.json    what was noted: name, ids, groups, consent, until when it is kept
photos.json    one entry per photo that was taken in: when, from where, by whom
vectors.npy    (photos, numbers) float32: what the recogniser computed of each face, in that order
template.npy   (numbers,) float32: the vector that the person is compared by
events.json    what happened to the person: when, where, how like the template the face was
events/        what was seen then, by the events' positions, where a picture is kept
audit.json     who did and decided what about the person, and when
crops/         the aligned faces of photos by number, where the gallery keeps them
items/         whatever else is kept: kind and times in items.json, the content beside it
"""


def export_person(gallery: Gallery, identity: str, path: str | Path) -> list[str]:
    """Write everything that a gallery holds about somebody to a new zip, for its owner only.

    That it was done stands in the audit log, and so in the zip.

    Args:
        gallery: The gallery.
        identity: The name.
        path: The zip to make; nothing is replaced.

    Returns:
        The names of the files in it.

    Raises:
        IdentityNotFoundError: If nobody of that name is enrolled.
        OutputError: If ``path`` exists or cannot be written.
        GalleryError: If the gallery is damaged or cannot be written.
    """
    target = Path(path)
    check_target(target, replace=False)
    names, data = _zipped(gallery, identity)
    with writing(target, replace=False, private=True) as stream:
        stream.write(data)
    return names


def person_zip(gallery: Gallery, identity: str) -> bytes:
    """The zip of `export_person`, which is written nowhere.

    Raises:
        IdentityNotFoundError: If nobody of that name is enrolled.
        GalleryError: If the gallery is damaged or cannot be written.
    """
    return _zipped(gallery, identity)[1]


def _zipped(gallery: Gallery, identity: str) -> tuple[list[str], bytes]:
    opened, stream = gallery.opened, BytesIO()
    with opened.store.transaction(write=True):
        person = gallery.person(identity)
        subject, uid = opened.subject(person), bytes.fromhex(person.uid)
        opened.audit.append(AuditEntry(actor=opened.actor, action="export", subject=subject))
        files = dict(_files(opened, uid))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return list(files), stream.getvalue()


def _files(opened: OpenedGallery, uid: bytes) -> Iterator[tuple[str, bytes]]:
    roster, subject = opened.roster, opened.vault.pseudonym(uid)
    member = roster.find_uid(uid)
    if member is None:
        return
    faces = roster.faces(member)
    about = {"space": opened.description.space.to_dict(), "exported_at": now(), "subject": subject}
    yield "README.txt", _ABOUT.encode()
    yield "person.json", _json({**member.person().to_dict(), **about})
    yield "photos.json", _json([{"number": n, **face.facts()} for n, face in faces.items()])
    vectors = np.array([face.vector for face in faces.values()], np.float32)
    yield "vectors.npy", _npy(vectors.reshape(-1, roster.dim))
    template = opened.store.template(member.id)
    if template is not None:
        yield "template.npy", _npy(roster.template(template))
    yield "audit.json", _json([e.to_dict() for e in opened.audit.entries(subject=subject)])
    events = SealedEvents(opened)
    happened = []
    for event in events.all(events.of(member)):
        happened.append(event.to_dict())
        if event.picture is not None:
            yield f"events/{event.position}.jpg", event.picture
    if happened:
        yield "events.json", _json(happened)
    yield from _items(opened, member)


def _items(opened: OpenedGallery, member: Member) -> Iterator[tuple[str, bytes]]:
    told, after = [], 0
    while rows := opened.store.items(key_id=member.id, after=after):
        for row in rows:
            if row.kind == PERSON_STREAM:
                continue  # what events.json was read with
            if row.kind == CROP:
                number, png = export_crop(member.key.open(row.kind, row.id, row.body))
                yield f"crops/{number}.png", png
                continue
            name = f"items/{row.id}-{row.kind}.json"
            yield name, _json(item_value(row, member.key.open(row.kind, row.id, row.body)))
            told.append({"file": name, "created_at": row.created_at, "expires_at": row.expires_at})
        after = rows[-1].id
    if told:
        yield "items/items.json", _json(told)


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


def _npy(array: npt.NDArray[np.float32]) -> bytes:
    stream = BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
