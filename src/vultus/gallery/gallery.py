"""`Gallery`: the people that a system knows, enrolled in one file."""

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import IdentityNotFoundError, InputError, NameTakenError
from vultus.core.text import did_you_mean
from vultus.core.thresholds import Threshold
from vultus.gallery.changing import Changes
from vultus.gallery.description import Description
from vultus.gallery.enrolment import (
    EnrolledPerson,
    Enrolment,
    Resemblance,
    refusals,
    resemblances,
)
from vultus.gallery.erasure import ErasureReceipt
from vultus.gallery.inspection import inspect
from vultus.gallery.opening import OnEnrolled, OpenedGallery, open_gallery
from vultus.gallery.people.details import Person, PersonDetails, check_kept
from vultus.gallery.people.faces import PhotoFile
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.searching.searched import SearchedGallery
from vultus.gallery.security.audit import AuditEntry, AuditLog
from vultus.gallery.security.master_key import MasterKey

_UID = re.compile("[0-9a-f]{32}")
_SUGGEST_AMONG = 5000
"""People among whom a name like a mistyped one is looked for; all of them have to be opened."""


class Gallery(SearchedGallery):
    """People enrolled in one file; made by `Gallery.open`.

    The file holds embeddings, never photos. It serves several threads and processes: one writes
    at a time, and what a method that changes something returned from is on disk. What others
    change is seen at the next call. Use it as a context manager or call `close`.

    Attributes:
        space: Of the embeddings.
        outlier_similarity: Two photos less alike than this are not of one person.
        audit: The log of who did what, `vultus.gallery.security.audit.AuditLog`.
    """

    def __init__(self, opened: OpenedGallery) -> None:
        super().__init__(opened)
        self._changes = Changes(opened)
        self._expected: tuple[str | None, ...] = ()
        self.outlier_similarity = opened.description.outlier_similarity
        self.audit: AuditLog = opened.audit

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        space: EmbeddingSpace | None = None,
        outlier_similarity: float | None = None,
        key: MasterKey | None = None,
        actor: str | None = None,
    ) -> "Gallery":
        """Open a gallery; make it when it does not exist and ``space`` is given.

        A file of an earlier format is brought to this one; whoever has it open must close it.

        Args:
            path: The file; its folder must exist. A file that is no gallery is never touched. Or
                ``postgresql://[USER@]HOST[:PORT]/DATABASE/NAME``, a gallery in a database.
            space: The space of the embeddings that will be enrolled. None opens only.
            outlier_similarity: In [-1, 1]; two photos less alike than this are not of one person
                (see `vultus.matching.fusion.fuse`). Fixed when the file is made; None takes
                `chance_similarity`, or what the file has. A threshold calibrated at FMR 1e-2 or
                so is better; -1 refuses nothing.
            key: The master key: of an existing gallery that has one, or to give a new one. Without
                it who can read the file can read everything in it.
            actor: Who acts, for the audit log; None takes the name of the user.

        Raises:
            GalleryError: If the file is missing, foreign, damaged, or cannot be made.
            GalleryKeyError: If a key is needed and missing or wrong, or given and not needed.
            GallerySpaceError: If the file holds another space than ``space``.
            InputError: If the file was made with another ``outlier_similarity``.
        """
        if outlier_similarity is not None:
            check_range("outlier_similarity", outlier_similarity, low=-1, high=1)
        new = None if space is None else Description.of(space, outlier_similarity)
        gallery = cls(open_gallery(path, new, master=key, actor=actor))
        try:
            if space is not None:
                gallery.check_space(space)
            if outlier_similarity not in (None, gallery.outlier_similarity):
                raise InputError(
                    f"{path} was made with outlier_similarity {gallery.outlier_similarity}, which "
                    f"is fixed; got {outlier_similarity}. Leave it out, or make a new gallery"
                )
        except Exception:
            gallery.close()
            raise
        return gallery

    @property
    def protected(self) -> bool:
        """Whether the gallery has a master key."""
        return self._opened.vault.protected

    @property
    def opened(self) -> OpenedGallery:
        """The gallery's parts, for what is built on it."""
        return self._opened

    def acting(self, actor: str, *, on_enrolled: OnEnrolled | None = None) -> "Gallery":
        """The same open gallery, in which what is done from now on is told to be somebody's.

        For a service, whose callers are not the user that it runs as. Close the gallery itself.

        Args:
            actor: Who acts, for the audit log.
            on_enrolled: See `vultus.gallery.opening.OnEnrolled`.
        """
        view = copy.copy(self)
        view._opened = replace(self._opened, actor=actor, on_enrolled=on_enrolled)
        view._changes = Changes(view._opened)
        return view

    def expecting(self, uid: str | None) -> "Gallery":
        """The same open gallery, in which `enroll` takes photos of one person alone.

        For who looked somebody up before: others may enrol, rename and erase meanwhile.

        Args:
            uid: `Person.uid` of who must have the name then; None: nobody may have it.
        """
        view = copy.copy(self)
        view._expected = (uid,)
        return view

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._searcher.close()
        self._store.close()

    def warm(self) -> None:
        """Open all templates and compile what searches many, so that no search has to wait.

        For a service that starts; what looks up one photo is done before that would pay.

        Raises:
            GalleryError: If the file cannot be read or is damaged.
        """
        self._searcher.warm()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Several changes, and searches in between, done whole or not at all."""
        # In the order in which a search takes them, so that threads do not wait for each other.
        with self._searcher.held(), self._store.transaction(write=True):
            yield

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._roster.summary().n_people

    def enroll(
        self,
        identity: str,
        embeddings: Embeddings,
        *,
        sources: Sequence[str | PhotoFile] | None = None,
        alike: Threshold | None = None,
        details: PersonDetails | None = None,
        force: bool = False,
    ) -> Enrolment:
        """Add photos of one person, new or enrolled before; all at once or not at all.

        Photos that differ from the majority of this person's photos are left out and reported,
        as are photos enrolled before, and photos of somebody who is enrolled under another name.
        Two photos that differ cannot say who is right: an error.

        Args:
            identity: The name; normalised (NFC, stripped), 1 to 200 characters.
            embeddings: One row per photo, at least one.
            sources: A label per photo, e.g. its path, or with the digest of the file; or None.
            alike: From which similarity on two faces are one person's: photos that are that much
                like somebody else's template are left out (`Enrolment.resemblances`), so that
                nobody is enrolled twice unnoticed. The more people, the higher it must be. None
                compares with nobody.
            details: What else to note of the person.
            force: Add photos that are unlike this person's others or like somebody else, too.

        Returns:
            What was done with each photo; when this returns, it is on disk.

        Raises:
            InputError: If the name, ``sources`` or ``details`` are not fit, there is no photo, the
                photos disagree, or none of them is like those enrolled before. Nothing is added.
            AlreadyEnrolledError, PersonExpiredError: If all photos are like somebody else; if the
                person's consent or time is over by what is noted now. Nothing is added.
            NameTakenError, IdentityNotFoundError: If it is not who `expecting` says.
            GallerySpaceError: If the embeddings are of another space.
            GalleryError: If the file cannot be written.
        """
        name = normalise_identity(identity)
        self.check_space(embeddings.space)
        if not len(embeddings):
            raise InputError(f"enrolling {name!r} needs at least one photo, got none")
        like: tuple[Resemblance, ...] = ()
        if alike is not None:
            like = resemblances(name, self.search(embeddings, rank=2), alike)
        refused = refusals(() if force else like, n_photos=len(embeddings))
        with self._store.transaction(write=True):
            self._check_expected(name)
            reasons = self._changes.enroll(
                name, embeddings, sources=sources, details=details, refused=refused, force=force
            )
        return Enrolment(name, reasons, like)

    def _check_expected(self, name: str) -> None:
        if not self._expected:
            return
        member, (uid,) = self._roster.find(name), self._expected
        if uid is None and member is not None:
            raise NameTakenError(f"somebody named {name!r} is enrolled in {self.location} already")
        if uid is not None and (member is None or member.person().uid != uid):
            raise self._nobody(name)

    def remove(self, identity: str) -> ErasureReceipt:
        """Erase a person: the key of all that is kept of them is destroyed, and the rows go.

        No byte of the key or a row that could be opened stays in a file of this gallery; copies
        and backups made before hold the person until they are opened in this gallery's place. What
        the disk itself keeps of overwritten blocks is beyond this library: encrypt the disk.

        Returns:
            What was done, for who asked for it.

        Raises:
            IdentityNotFoundError: If nobody of that name is enrolled; the message suggests names.
            GalleryError: If the file cannot be written.
        """
        name = normalise_identity(identity)
        receipt = self._changes.erase(name)
        if receipt is None:
            raise self._nobody(name)
        self._searcher.refresh(load=False)  # nor in memory, nor in the index
        return receipt

    def rename(self, identity: str, new: str) -> None:
        """Give a person another name.

        Raises:
            IdentityNotFoundError: If nobody of that name is enrolled.
            InputError: If somebody else has the new name.
        """
        old = normalise_identity(identity)
        if not self._changes.rename(old, normalise_identity(new)):
            raise self._nobody(old)

    def note(self, identity: str, details: PersonDetails) -> None:
        """Note something of a person: id elsewhere, metadata, groups, consent, retention.

        Where all of it is noted already, nothing is written, nor logged.

        Raises:
            IdentityNotFoundError: If nobody of that name is enrolled.
            InputError: If somebody else has that external id.
        """
        name = normalise_identity(identity)
        if not self._changes.note(name, details):
            raise self._nobody(name)

    def person(self, identity: str) -> Person:
        """All that is known of one person but the vectors.

        Raises:
            IdentityNotFoundError: If nobody of that name is enrolled.
        """
        name = normalise_identity(identity)
        member = self._roster.find(name)
        if member is None:
            raise self._nobody(name)
        return member.person()

    def person_by_external_id(self, external_id: str) -> Person | None:
        """The person with an id elsewhere; None if there is none."""
        member = self._roster.find_external(normalise_identity(external_id, what="external_id"))
        return None if member is None else member.person()

    def person_by_uid(self, uid: str) -> Person | None:
        """The person that `Person.uid` tells; None if there is none, or it is no such text."""
        if _UID.fullmatch(uid) is None:
            return None
        member = self._roster.find_uid(bytes.fromhex(uid))
        return None if member is None else member.person()

    def people_page(self, *, after: int = 0, limit: int = 100) -> tuple[list[Person], int | None]:
        """Some people in the order of enrolment, and from where the next are.

        Args:
            after: Where the page before ended; 0 begins.
            limit: How many at most, at least 1.

        Returns:
            The people, and ``after`` of the next page; None if this is the last.
        """
        check_positive_int("limit", limit)
        members = self._roster.page(after=after, limit=limit + 1)
        more = len(members) > limit
        people = [member.person() for member in members[:limit]]
        return people, members[limit - 1].id if more else None

    def photos(self, identity: str) -> list[dict[str, Any]]:
        """What is known of each photo of a person but the vector, and its number; fit for JSON.

        Raises:
            IdentityNotFoundError: If nobody of that name is enrolled.
        """
        with self._store.transaction():
            member = self._roster.find(normalise_identity(identity))
            if member is not None:
                faces = self._roster.faces(member)
                return [{"number": number, **face.facts()} for number, face in faces.items()]
        raise self._nobody(identity)

    def similarities(self, identity: str, probe: Embeddings) -> npt.NDArray[np.float32]:
        """(n,) float32 in [-1, 1], how like a person's template each probe face is.

        Raises:
            IdentityNotFoundError: If nobody of that name is enrolled.
            PersonExpiredError: If the person's consent, or time to be kept, is over.
            GallerySpaceError: If the probe is of another space.
        """
        self.check_space(probe.space)
        name = normalise_identity(identity)
        with self._store.transaction():
            member = self._roster.find(name)
            if member is None:
                raise self._nobody(name)
            check_kept(member.record, name)
            row = self._store.template(member.id)
            if row is None:
                raise InputError(
                    f"{name!r} has no photo of the model {self.space.model}; enrol one to compare "
                    "with it"
                )
            vector = self._roster.template(row)
        cosines = probe.vectors.astype(np.float64) @ vector.astype(np.float64)
        return np.clip(cosines, -1, 1).astype(np.float32)

    def people(self) -> Iterator[Person]:
        """Everybody in the order of enrolment, with all that is known."""
        return (member.person() for member in self._roster.members())

    def identities(self) -> list[EnrolledPerson]:
        """Who is enrolled, in the order of enrolment; each record is opened, in linear time.

        `people_page` gives some, `people` all without keeping them.
        """
        return [
            EnrolledPerson(person.identity, person.n_photos, person.enrolled_at)
            for person in self.people()
        ]

    def backup(self, path: str | Path) -> None:
        """Write a consistent copy to a new file for its owner only, while others go on writing.

        It is sealed as the gallery is. Opened in the gallery's place, people who were erased since
        are erased from it; anywhere else it holds them.

        Raises:
            OutputError: If the file exists or cannot be written.
        """
        if not self._store.read_only:
            with self._store.transaction(write=True):
                self.audit.append(AuditEntry(actor=self._opened.actor, action="backup"))
        self._store.backup(Path(path))

    def check(self) -> list[str]:
        """What is wrong with the gallery: every row is read and opened. Empty if nothing is."""
        return inspect(self._opened)

    def _nobody(self, name: str) -> IdentityNotFoundError:
        known = [person.identity for person in self.people()] if len(self) < _SUGGEST_AMONG else []
        hint = did_you_mean(name, known, most=3)
        return IdentityNotFoundError(f"nobody named {name!r} is enrolled in {self.location}{hint}")
