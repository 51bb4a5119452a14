"""The people of a gallery: rows of a store, opened and sealed with the keys of its vault."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from vultus.core.errors import GalleryDamagedError
from vultus.gallery.description import check_generation, check_vault
from vultus.gallery.people.details import Record
from vultus.gallery.people.faces import StoredFace, read_vector, vector_bytes
from vultus.gallery.people.member import Member as Member
from vultus.gallery.people.summary import (
    Summary,
    digest_bytes,
    read_summary,
    template_digest,
    write_summary,
)
from vultus.gallery.people.tags import external_tag, tags_of
from vultus.gallery.security.crypto import PersonKey, Vault
from vultus.gallery.stores.base import (
    PAGE,
    FaceRow,
    GalleryStore,
    KeyRow,
    NextRows,
    PersonRow,
    TemplateRow,
)
from vultus.gallery.stores.glances import By, keyed_page, keyed_people

_RECORD, _TEMPLATE, _FACE = "record", "template", "face"


class Roster:
    """Who is in a gallery.

    What reads should be called in one `GalleryStore.transaction` where several answers must agree,
    what writes inside a writing one.

    Args:
        store: Where the rows are.
        vault: What seals them.
        dim: Length of a vector.
        generation: As in `vultus.gallery.description.Description`.

    Raises:
        GalleryDamagedError: From every method, when a row was changed or is gone.
        GallerySpaceError: From every method that reads or writes vectors, when the gallery was
            brought to another model meanwhile.
    """

    def __init__(self, store: GalleryStore, vault: Vault, *, dim: int, generation: int = 0) -> None:
        self.store = store
        self.vault = vault
        self.dim = dim
        self.generation = generation
        suffix = f" {generation}" if generation else ""
        self._face, self._template = _FACE + suffix, _TEMPLATE + suffix

    def check_current(self) -> None:
        """Refuse to go on when the gallery was brought to another model meanwhile.

        Raises:
            GallerySpaceError: If it was.
        """
        check_generation(self.store, self.vault, self.generation)

    def find(self, name: str) -> Member | None:
        """Somebody by name, in the spelling of `normalise_identity`."""
        return self.find_many([name]).get(name)

    def find_many(self, names: Sequence[str]) -> dict[str, Member]:
        """Those of some people who are there, by name."""
        found = self._keyed("name", [self.vault.tag(name) for name in names])
        if len(found) < len(names):  # is nobody only while tags are made as they were
            check_vault(self.store, self.vault)
        return {member.record.name: member for member in found}

    def find_external(self, external_id: str) -> Member | None:
        """Somebody by the id elsewhere."""
        found = self._keyed("external", [external_tag(self.vault, external_id)])
        if not found:
            check_vault(self.store, self.vault)
        return found[0] if found else None

    def find_uid(self, uid: bytes) -> Member | None:
        """Somebody by the 16 random bytes."""
        return next(iter(self._keyed("uid", [uid])), None)

    def get(self, person_id: int) -> Member | None:
        """Somebody by number."""
        return self.get_many([person_id]).get(person_id)

    def get_many(self, person_ids: Sequence[int]) -> dict[int, Member]:
        """Those of some people who are there, by number."""
        return {member.id: member for member in self._keyed("id", person_ids)}

    def _keyed(self, by: By, values: Sequence[int] | Sequence[bytes]) -> list[Member]:
        found = keyed_people(self.store, by, values)
        return [self._opened(row, key) for row, key in found]

    def members(self) -> Iterator[Member]:
        """Everybody in the order of enrolment; of one state only inside of a transaction.

        Outside of one, others go on changing the gallery meanwhile, and so may who iterates.

        Raises:
            GalleryDamagedError: At the end, if there were not as many as there must be.
        """
        start, found, after = self.store.position(), 0, 0
        while True:
            page = self.page(after=after, limit=PAGE)
            if not page:
                break
            yield from page
            found, after = found + len(page), page[-1].id
        with self.store.transaction():
            unchanged = self.store.position() == start
            due = self.summary().n_people
        if unchanged and found != due:
            raise self._damaged("people are missing, or there are more than were enrolled")

    def page(self, *, after: int, limit: int) -> list[Member]:
        """So many people at most, in the order of enrolment, behind one's number."""
        rows = keyed_page(self.store, after=after, limit=limit)
        return [self._opened(row, key) for row, key in rows]

    def summary(self) -> Summary:
        """What all people add up to."""
        return read_summary(self.store, self.vault)

    def faces(self, member: Member) -> dict[int, StoredFace]:
        """Number -> photo, in the order of enrolment."""
        rows = self.store.faces(member.id)
        if len(rows) != member.record.n_faces:
            raise self._damaged("photos of a person are missing")
        with self._told():
            return {
                row.number: StoredFace.from_bytes(
                    member.key.open(self._face, row.number, row.body), dim=self.dim
                )
                for row in rows
            }

    def template(self, row: TemplateRow) -> npt.NDArray[np.float32]:
        """(dim,) float32, the template that a row holds."""
        with self._told():
            key = self.vault.person_key(row.key, row.uid)
            return read_vector(key.open(self._template, 0, row.body), dim=self.dim)

    def add(self, record: Record) -> Member:
        """Add somebody without photos; photos and template are to follow in this transaction."""
        check_vault(self.store, self.vault)
        self.check_current()
        key, wrapped = self.vault.new_person_key()
        person_id = self.store.add_key(key.uid, wrapped)
        row = self._row(person_id, key, record)
        self.store.add_person(row)
        self._index_groups(person_id, (), record.groups)
        return Member(row, key, record)

    def rewrite(self, member: Member, record: Record) -> Member:
        """Keep another record of somebody."""
        row = self._row(member.id, member.key, record)
        self.store.update_person(row)
        self._index_groups(member.id, member.record.groups, record.groups)
        return Member(row, member.key, record)

    def add_faces(self, member: Member, faces: Sequence[StoredFace]) -> Member:
        """Add photos of somebody; the template is to be set anew."""
        first, before = member.record.next_face, member.record.n_faces
        n_faces = before + len(faces)
        summary = self.summary().counted(n_faces, before=before)
        if member.without_photos and faces:
            summary = dataclasses.replace(summary, n_without=summary.n_without - 1)
        self._write(summary)
        bodies = {
            number: member.key.seal(self._face, number, face.to_bytes())
            for number, face in enumerate(faces, first)
        }
        self.store.add_faces(member.id, bodies)
        next_face = first + len(faces)
        record = dataclasses.replace(member.record, n_faces=n_faces, next_face=next_face)
        return self.rewrite(member, record)

    def remove_faces(self, member: Member, numbers: Collection[int]) -> Member:
        """Remove photos of somebody who keeps others; the template is to be set anew.

        Their sealed bytes may stay in the file until the person's key is made anew (`renew_key`).
        """
        before = member.record.n_faces
        n_faces = before - len(numbers)
        self._write(self.summary().counted(n_faces, before=before))
        self.store.delete_faces(member.id, numbers)
        return self.rewrite(member, dataclasses.replace(member.record, n_faces=n_faces))

    def renew_key(self, member: Member) -> Member:
        """Seal all that is kept of somebody with a new key; what it was sealed with is gone."""
        key, wrapped = self.vault.new_person_key(member.row.uid)
        bodies = {
            number: key.seal(self._face, number, face.to_bytes())
            for number, face in self.faces(member).items()
        }
        for number, body in bodies.items():
            self.store.update_face(FaceRow(member.id, number, body))
        self._reseal_items(member, key)
        template = self.store.template(member.id)
        vector = None if template is None else self.template(template)
        self.store.set_key(member.id, wrapped)
        renewed = self.rewrite(Member(member.row, key, member.record), member.record)
        if vector is not None:
            digest = template_digest(self.vault, member.id, vector)
            body = key.seal(self._template, 0, vector_bytes(vector))
            self.store.set_template(member.id, body, before=digest_bytes(digest))
        return renewed

    def _reseal_items(self, member: Member, key: PersonKey) -> None:
        after = 0
        while rows := self.store.items(key_id=member.id, after=after):
            for row in rows:
                with self._told():
                    data = member.key.open(row.kind, row.id, row.body)
                body = key.seal(row.kind, row.id, data)
                self.store.update_item(dataclasses.replace(row, body=body))
            after = rows[-1].id

    def rewrite_face(self, member: Member, number: int, face: StoredFace) -> None:
        """Keep something else of one photo; if that is another vector, set the template anew."""
        body = member.key.seal(self._face, number, face.to_bytes())
        self.store.update_face(FaceRow(member.id, number, body))

    def set_template(self, member: Member, vector: npt.NDArray[np.float32]) -> None:
        """Keep somebody's template, (dim,) float32."""
        before = self._digest(member.id)
        after = template_digest(self.vault, member.id, vector)
        self._write(self.summary().plus(after - before))
        body = member.key.seal(self._template, 0, vector_bytes(vector))
        self.store.set_template(member.id, body, before=digest_bytes(before))

    def next_rows(
        self,
        member: Member,
        faces: Mapping[int, StoredFace],
        template: npt.NDArray[np.float32] | None,
        *,
        source: "Roster",
    ) -> tuple[NextRows, int]:
        """What is to stand for somebody by the vectors of this roster's model.

        Args:
            member: Who, as the roster of the model before gives them.
            faces: Number -> photo, all that the person is to have; may be empty.
            template: (dim,) float32, of these photos; None if there are none.
            source: The roster of the model before.

        Returns:
            The rows, sealed, for `GalleryStore.take_over`, and what the template adds up to. Who
            writes those of everybody writes the summary afterwards.
        """
        record = dataclasses.replace(member.record, n_faces=len(faces))
        known = {row.number for row in self.store.faces(member.id)}
        seal, digest = member.key.seal, 0
        if template is not None:
            digest = template_digest(self.vault, member.id, template)
        rows = NextRows(
            person_id=member.id,
            record=seal(_RECORD, 0, record.to_bytes()),
            faces={n: seal(self._face, n, face.to_bytes()) for n, face in faces.items()},
            gone=tuple(sorted(known - set(faces))),
            template=None if template is None else seal(self._template, 0, vector_bytes(template)),
            before=digest_bytes(source._digest(member.id)),
        )
        return rows, digest

    def take_tags(self, *, source: Vault) -> None:
        """Write anew what people are found by and templates add up to; whole keys are here already.

        Args:
            source: The vault before, of which the tags and sums are.
        """
        store, after = self.store, 0
        while rows := store.people(after=after):
            for row in rows:
                _, record = self._record(row, store.key(row.id))
                tagged = dataclasses.replace(row, **tags_of(source, record))
                if tagged != row:
                    raise self._damaged("a row of a person does not fit what is sealed in it")
                store.update_person(dataclasses.replace(row, **tags_of(self.vault, record)))
            after = rows[-1].id
        before = total = after = 0
        while page := store.templates(after=after):
            for each in page:
                vector = self.template(each)
                before += template_digest(source, each.person_id, vector)
                total += template_digest(self.vault, each.person_id, vector)
            after = page[-1].person_id
        summary = self.summary()
        if summary.plus(-before).sum:
            raise self._damaged("templates are missing or were put back to what they were")
        self._write(dataclasses.replace(summary, sum=0).plus(total))
        store.prune_changes(store.position())  # which tells the sums of before

    def erase(self, member: Member) -> dict[str, int]:
        """Destroy somebody's key and delete the rows; how many of each kind are gone."""
        before = self._digest(member.id)
        summary = self.summary().counted(0, before=member.record.n_faces)
        n_without = summary.n_without - member.without_photos
        self._write(dataclasses.replace(summary, n_without=n_without).plus(-before))
        return self.store.erase_person(member.id, before=digest_bytes(before))

    def _digest(self, person_id: int) -> int:
        """What somebody's template adds to the sum; 0 if there is none yet."""
        row = self.store.template(person_id)
        if row is None:
            return 0
        return template_digest(self.vault, person_id, self.template(row))

    def _write(self, summary: Summary) -> None:
        self.check_current()
        write_summary(self.store, self.vault, summary)

    def _row(
        self, person_id: int, key: PersonKey, record: Record, *, sealed: bytes | None = None
    ) -> PersonRow:
        return PersonRow(
            id=person_id,
            uid=key.uid,
            **tags_of(self.vault, record),
            n_faces=record.n_faces,
            enrolled_at=record.enrolled_at,
            expires_at=record.expires_at,
            record=key.seal(_RECORD, 0, record.to_bytes()) if sealed is None else sealed,
        )

    def _index_groups(self, person_id: int, old: Sequence[str], new: Sequence[str]) -> None:
        if tuple(old) != tuple(new):
            self.store.set_groups(person_id, new)

    def _record(self, row: PersonRow, stored: KeyRow | None) -> tuple[PersonKey, Record]:
        if stored is None or stored.uid != row.uid:
            raise self._damaged("the key of a person is missing")
        with self._told():
            key = self.vault.person_key(stored.wrapped, row.uid)
            return key, Record.from_bytes(key.open(_RECORD, 0, row.record))

    def _opened(self, row: PersonRow, stored: KeyRow | None) -> Member:
        key, record = self._record(row, stored)
        # What stands beside the sealed record is there to be looked up, and must say the same.
        if self._row(row.id, key, record, sealed=row.record) != row:
            raise self._damaged("a row of a person does not fit what is sealed in it")
        return Member(row, key, record)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of what is sealed say of which gallery it is."""
        try:
            yield
        except (GalleryDamagedError, ValueError) as error:
            check_vault(self.store, self.vault)  # not damage, if the keys are others by now,
            self.check_current()  # or the model
            raise self._damaged(str(error)) from error

    def _damaged(self, what: str) -> GalleryDamagedError:
        return GalleryDamagedError(f"{self.store.location} is damaged: {what}; restore a backup")
