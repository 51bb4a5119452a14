"""Bringing a gallery of an earlier format to this one, when it is first opened."""

import os
from contextlib import closing
from itertools import islice
from pathlib import Path

from vultus.core.errors import GalleryError
from vultus.gallery.description import Description, found
from vultus.gallery.people.details import Record, utc_time
from vultus.gallery.people.faces import StoredFace, read_vector, to_embeddings
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.people.roster import Roster
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.stores.base import PAGE, GalleryStore
from vultus.gallery.stores.sqlite import SqliteStore
from vultus.gallery.stores.sqlite_migrations import OldGallery, OldPerson, replacing
from vultus.gallery.stores.sqlite_schema import SCHEMA_VERSION, file_version
from vultus.matching.fusion import fuse


def migrate(path: Path, *, master: MasterKey | None, actor: str) -> bool:
    """Replace a gallery file of format 1 by one of this format; whole, or not at all.

    Args:
        path: The file; if it is missing or of another format, nothing is done.
        master: What will open the new gallery; None protects nobody from who can read the file.
        actor: Who is told to do it, for the audit log.

    Returns:
        Whether the file was replaced.

    Raises:
        GalleryError: If the file is foreign, damaged, in use, or cannot be replaced. It is as it
            was then.
    """
    if file_version(path) != 1:
        return False
    real = Path(os.path.realpath(path))
    if not (os.access(real, os.W_OK) and os.access(real.parent, os.W_OK)):
        raise GalleryError(
            f"{path} has gallery format 1, must be brought to format {SCHEMA_VERSION}, and it or "
            "its folder cannot be written; copy it to where it can, or open it with the version of "
            "Vultus that made it"
        )
    with replacing(path) as taken:
        if taken is None:
            return False
        old, part = taken
        with closing(SqliteStore(part, create=True)) as new:
            try:
                _fill(new, old, master, actor)
            except ValueError as error:
                raise GalleryError(f"{path} is damaged ({error}); restore a backup") from error
    return True


def _fill(new: GalleryStore, old: OldGallery, master: MasterKey | None, actor: str) -> None:
    description = Description(old.space, old.outlier_similarity)
    with new.transaction(write=True):
        vault = found(new, description, master=master, actor=actor)
    roster = Roster(new, vault, dim=old.space.dim)
    people = old.people()
    # Nobody sees the new file before it is whole.
    while some := list(islice(people, PAGE)):
        with new.transaction(write=True):
            for person in some:
                _take_over(roster, person, description)


def _take_over(roster: Roster, person: OldPerson, description: Description) -> None:
    faces = [
        StoredFace(
            read_vector(photo.vector, dim=roster.dim),
            photo.norm,
            photo.quality,
            photo.source,
            utc_time("the time of a photo", photo.enrolled_at),
        )
        for photo in person.photos
    ]
    name = normalise_identity(person.identity)
    enrolled_at = utc_time("the time of a person", person.enrolled_at)
    fusion = fuse(
        to_embeddings(faces, description.space),
        identity=name,
        outlier_similarity=description.outlier_similarity,
    )
    member = roster.add_faces(roster.add(Record(name=name, enrolled_at=enrolled_at)), faces)
    roster.set_template(member, fusion.template.vector)
