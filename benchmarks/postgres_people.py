"""Very many people of a gallery, made in bulk: the rows that enrolling makes, without its checks.

Each has one random embedding of 128 numbers in the space of the built-in model, so that a service
searches them. Another photo of a person is at about 0.8 to it. The audit log gets an entry a
thousand people.
"""

import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.gallery import Gallery
from vultus.gallery.opening import OpenedGallery
from vultus.gallery.people.details import Record
from vultus.gallery.people.faces import StoredFace, to_faces, vector_bytes
from vultus.gallery.people.summary import digest_bytes, template_digest, write_summary
from vultus.gallery.people.tags import tags_of
from vultus.gallery.security.audit import AuditEntry
from vultus.gallery.stores.base import PersonRow
from vultus.pipeline.recognizer import Recognizer

AT_ONCE = 1000


def photos(people: Iterable[int], number: int, *, space: EmbeddingSpace) -> Embeddings:
    """A photo of each of some people; two of one person are at about 0.8 to each other."""
    rows = []
    for person in people:
        centre = np.random.default_rng([person]).standard_normal(space.dim)
        noise = np.random.default_rng([person, number]).standard_normal(space.dim)
        rows.append(centre + 0.5 * noise)
    return Embeddings.from_raw(np.array(rows), space)


def name(person: int) -> str:
    """What somebody is called."""
    return f"person {person}"


def fill(file: Path, people: int) -> None:
    """Make a gallery without a key in a file, or go on with one."""
    with Gallery.open(file, space=Recognizer().embedder.space) as gallery:
        for first in range(len(gallery), people, AT_ONCE):
            with gallery.opened.store.transaction(write=True):
                _add(gallery.opened, range(first, min(first + AT_ONCE, people)))


def _add(opened: OpenedGallery, people: range) -> None:
    when = datetime.now(UTC).isoformat(timespec="seconds")
    summary, total = opened.roster.summary(), 0
    embeddings = photos(people, 0, space=opened.description.space)
    faces = to_faces(embeddings, None, when=when, by=None)
    for person, face in zip(people, faces, strict=True):
        total += _add_one(opened, name(person), face)
    known = summary.people_by_faces.get(1, 0) + len(people)
    new = dataclasses.replace(summary, people_by_faces={1: known}).plus(total)
    write_summary(opened.store, opened.vault, new)
    counts = {"people": len(people)}
    opened.audit.append(AuditEntry(actor="benchmark", action="import", counts=counts))


def _add_one(opened: OpenedGallery, called: str, face: StoredFace) -> int:
    store, vault = opened.store, opened.vault
    key, wrapped = vault.new_person_key()
    number = store.add_key(key.uid, wrapped)
    record = Record(name=called, enrolled_at=face.enrolled_at, n_faces=1, next_face=1)
    store.add_person(
        PersonRow(
            id=number,
            uid=key.uid,
            **tags_of(vault, record),
            n_faces=0,
            enrolled_at=face.enrolled_at,
            expires_at=None,
            record=key.seal("record", 0, record.to_bytes()),
        )
    )
    store.add_faces(number, {0: key.seal("face", 0, face.to_bytes())})
    template = key.seal("template", 0, vector_bytes(face.vector))
    store.set_template(number, template, before=digest_bytes(0))
    return template_digest(vault, number, face.vector)
