"""`Migration`: bringing a gallery to another model while the present one goes on answering."""

import dataclasses
import hmac
import json
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import (
    GalleryDamagedError,
    GallerySpaceError,
    IdentityNotFoundError,
    InputError,
)
from vultus.core.progress import Progress
from vultus.gallery.description import Description, check_vault
from vultus.gallery.enrolment import Enrolment, judge_photos
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrop, KeptCrops
from vultus.gallery.moving.next_faces import NextFaces
from vultus.gallery.moving.preparation import Preparation
from vultus.gallery.moving.readiness import Looks, Readiness
from vultus.gallery.moving.status import MigrationStatus, Target, check_ready
from vultus.gallery.moving.switching import Switch, switch
from vultus.gallery.people.details import check_kept, now
from vultus.gallery.people.faces import StoredFace, least_similarity, to_embeddings, to_faces
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.people.roster import Member
from vultus.gallery.security.audit import AuditEntry

_STATE = "migration"
_TAG_BYTES = 32
_AT_ONCE = 64
Embed = Callable[[AlignedCrops], Embeddings]


class Migration:
    """The way of one gallery to another model.

    The gallery goes on with the model that it has until `finish`. What was done stays done when a
    process is killed; whoever calls `embed_crops` again goes on.

    Args:
        gallery: The gallery.

    Raises:
        GalleryError: From every method, if the gallery is damaged or cannot be written.

    Example::

        migration = Migration(gallery)
        migration.begin(embedder.space, template="arcface-112")
        migration.embed_crops(embedder.embed)
        print([person.identity for person in migration.status().missing])
        migration.finish()
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery, self._opened = gallery, gallery.opened
        self._store, self._roster = gallery.opened.store, gallery.opened.roster
        self._crops = KeptCrops(gallery)

    def target(self) -> Target | None:
        """Where to; None if no migration is under way.

        Raises:
            GalleryDamagedError: If what the gallery says of it was changed.
        """
        kept = self._store.meta(_STATE)
        if kept is None:
            return None
        tag, data = kept[:_TAG_BYTES], kept[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._opened.vault.audit_digest(b"migration " + data)):
            raise GalleryDamagedError(
                f"{self._store.location} is damaged: where it is brought was changed; restore a "
                "backup"
            )
        values = json.loads(data)
        return Target(**{**values, "space": EmbeddingSpace(**values["space"])})

    def begin(
        self, space: EmbeddingSpace, *, template: str, outlier_similarity: float | None = None
    ) -> Target:
        """Begin to bring the gallery to another space, or go on if that is under way.

        Args:
            space: Of the next model.
            template: Of the alignment of the crops that it takes.
            outlier_similarity: As `Gallery.open`, for that space.

        Raises:
            InputError: If it is the gallery's space, or a migration to another is under way.
        """
        with self._store.transaction(write=True):
            self._roster.check_current()
            known = self.target()
            if known is not None and known.space == space:
                return known
            if known is not None:
                raise InputError(
                    f"{self._store.location} is being brought to {known.space.model}; finish or "
                    "cancel that first"
                )
            if space == self._gallery.space:
                raise InputError(
                    f"{self._store.location} is of the model {space.model} already; choose another"
                )
            fixed = Description.of(space, outlier_similarity)
            target = Target(
                space=space,
                outlier_similarity=fixed.outlier_similarity,
                template=template,
                began_at=now(),
            )
            data = json.dumps({**dataclasses.asdict(target), "space": space.to_dict()}).encode()
            tag = self._opened.vault.audit_digest(b"migration " + data)
            self._store.set_meta(_STATE, tag + data)
            self._log("begin migration", target)
        return target

    def embed_crops(self, embed: Embed, *, progress: Progress | None = None) -> int:
        """Embed the kept crops that the next model has no vector of yet; how many it were.

        Each handful is on disk before the next is begun.

        Args:
            embed: Of the next model: crops -> one row each.
            progress: Told how many people are done.

        Raises:
            InputError: If no migration is under way, or it ends meanwhile.
            GallerySpaceError: If ``embed`` gives vectors of another space.
        """
        target = self._under_way()
        done = people = 0
        total = len(self._gallery)
        if progress is not None:
            progress("embedding kept crops", 0, total)
        for some in self._pages():
            done += self._embed_some(embed, target, some)
            people += len(some)
            if progress is not None:
                progress("embedding kept crops", people, max(total, people))
        return done

    def enroll(
        self,
        identity: str,
        photos: Embeddings,
        *,
        sources: Sequence[str] | None = None,
        crops: AlignedCrops | None = None,
        force: bool = False,
    ) -> Enrolment:
        """Add photos of somebody enrolled for the next model, who was photographed again.

        Args:
            identity: The name.
            photos: At least one, of the next model's space.
            sources: A label per photo, or None.
            crops: One per photo, kept if the gallery allows it; or None.
            force: Take photos unlike each other or those that are there.

        Raises:
            IdentityNotFoundError: If nobody of that name is enrolled.
            PersonExpiredError: If the person's consent, or time to be kept, is over.
            InputError: If no migration is under way, there is no photo, or photos contradict each
                other or those that the next model has of the person. Nothing is added.
            GallerySpaceError: If they are of another space.
        """
        name = normalise_identity(identity)
        if not len(photos):
            raise InputError(f"enrolling {name!r} needs at least one photo, got none")
        with self._store.transaction(write=True):
            target = self._under_way()
            _check_space(self._gallery, target, photos)
            member = self._roster.find(name)
            if member is None:
                self._gallery.person(name)
                raise IdentityNotFoundError(f"nobody named {name!r} is enrolled")
            check_kept(member.record, name)
            faces = to_faces(photos, sources, when=now(), by=self._opened.actor)
            reasons = self._judged(member, target, photos, force=force)
            fit = [place for place, why in enumerate(reasons) if not why]
            self._add_extra(member, target, {place: faces[place] for place in fit}, crops)
            self._log("enroll again", target, member=member, photos=len(fit))
        return Enrolment(name, reasons)

    def status(self) -> MigrationStatus | None:
        """How far it has come; None if none is under way. Everybody is looked at."""
        with self._store.transaction():
            self._roster.check_current()
            target = self.target()
            return None if target is None else self._counted(target)

    def finish(
        self,
        *,
        without_missing: bool = False,
        embed: Embed | None = None,
        progress: Progress | None = None,
    ) -> Switch:
        """Switch to the next model, in one step: everybody is found by its vectors from then on.

        What is to be written is made ready first, while others go on; they wait while it is
        written.

        This gallery must be opened again afterwards, with that model, by every process; until then
        it says so. Thresholds and the site's calibration are those of the new model.

        Args:
            without_missing: Switch although somebody is missing or faces wait for review. Who is
                missing stays enrolled with all that is noted, cannot be found, and has no photo
                until photographed again (`Gallery.enroll`); faces that wait are deleted.
            embed: As of `embed_crops`: crops that are still to be embedded are, also of whom is
                enrolled meanwhile; None refuses then.
            progress: Told how many people are ready.

        Raises:
            InputError: If no migration is under way or it ends meanwhile, crops are still to be
                embedded, or somebody is missing and that was not allowed. Nothing is changed.
        """
        self._roster.check_current()
        target = self._under_way()
        description = dataclasses.replace(
            self._opened.description,
            space=target.space,
            outlier_similarity=target.outlier_similarity,
            generation=self._opened.description.generation + 1,
        )
        one_by_one = None if embed is None else lambda one: self._embed_some(embed, target, [one])
        with Preparation(self._gallery, target, description) as ready:
            if embed is not None:
                self.embed_crops(embed)  # who comes after the preparation began, below
            ready.prepare(progress=progress)
            ready.catch_up(one_by_one)  # most of it while others still go on
            with self._store.transaction(write=True):
                self._roster.check_current()
                self._check_target(target)
                ready.catch_up(one_by_one)
                check_ready(ready.status(), without_missing=without_missing)
                done = switch(self._gallery, description, ready)
                self._store.set_meta(_STATE, None)
                without = len(done.without)
                self._log("finish migration", target, people=done.people, without=without)
        done.clean(self._store)
        return done

    def cancel(self) -> int:
        """Give up: what the next model saw is deleted; how many faces that were.

        Raises:
            InputError: If no migration is under way.
        """
        with self._store.transaction(write=True):
            target = self._under_way()
            faces = NextFaces(self._opened, dim=target.space.dim)
            for some in self._pages():
                for member in some:
                    extra = {n for n, kept in faces.of(member).items() if kept.extra}
                    if extra:
                        self._crops.forget(member, extra)
            deleted = faces.delete_all()
            self._store.set_meta(_STATE, None)
            self._log("cancel migration", target, faces=deleted)
        self._store.scrub()
        return deleted

    def _under_way(self) -> Target:
        target = self.target()
        if target is None:
            raise InputError(
                f"{self._store.location} is not being brought to another model; begin that first"
            )
        return target

    def _check_target(self, target: Target) -> None:
        if self.target() != target:
            raise InputError(
                f"the migration of {self._store.location} was finished or cancelled meanwhile"
            )

    def _pages(self) -> Iterator[list[Member]]:
        after = 0
        while True:
            with self._store.transaction():
                members = self._roster.page(after=after, limit=_AT_ONCE)
            if not members:
                return
            yield members
            after = members[-1].id

    def _waiting(self, target: Target, member: Member) -> set[int]:
        """Numbers of the photos whose crop is to be embedded."""
        known = NextFaces(self._opened, dim=target.space.dim).of(member)
        return self._crops.numbers(member, target.template) - set(known)

    def _embed_some(self, embed: Embed, target: Target, some: Sequence[Member]) -> int:
        todo: list[tuple[int, int, KeptCrop]] = []
        with self._store.transaction():
            for known in some:
                member = self._roster.get(known.id)
                if member is None or not (waiting := self._waiting(target, member)):
                    continue
                kept = self._crops.of(member)
                todo += [(member.id, number, kept[number]) for number in sorted(waiting)]
        if not todo:
            return 0
        pixels = np.stack([crop.pixels for _, _, crop in todo])
        maps = np.zeros((len(todo), 2, 3), np.float32)
        found = embed(AlignedCrops(pixels, maps, target.template))
        _check_space(self._gallery, target, found)
        with self._store.transaction(write=True):
            check_vault(self._store, self._opened.vault)
            self._check_target(target)
            places = [(person, number) for person, number, _ in todo]
            return sum(
                self._add(target, person, number, found[place : place + 1])
                for place, (person, number) in enumerate(places)
            )

    def _add(self, target: Target, person: int, number: int, found: Embeddings) -> bool:
        """Keep what the next model saw on a crop, if it is still wanted."""
        member = self._roster.get(person)
        if member is None or number not in self._waiting(target, member):
            return False  # erased, merged, or embedded by another process
        face = self._roster.faces(member).get(number)
        if face is None:
            return False
        seen = dataclasses.replace(face, vector=found.vectors[0], norm=float(found.norms[0]))
        NextFaces(self._opened, dim=target.space.dim).add(member, number, seen)
        return True

    def _judged(
        self, member: Member, target: Target, photos: Embeddings, *, force: bool
    ) -> tuple[tuple[str, ...], ...]:
        kept = NextFaces(self._opened, dim=target.space.dim).of(member).values()
        known = [seen.face for seen in kept]
        least = None if force else least_similarity(known, target.outlier_similarity)
        try:
            return judge_photos(
                photos,
                to_embeddings(known, target.space),
                identity=member.record.name,
                outlier_similarity=least,
            )
        except InputError as error:
            raise InputError(f"nothing was enrolled: {error}") from None

    def _add_extra(
        self,
        member: Member,
        target: Target,
        faces: dict[int, StoredFace],
        crops: AlignedCrops | None,
    ) -> None:
        first, keeps = member.record.next_face, crops is not None and self._crops.allowed
        if faces:
            record = dataclasses.replace(member.record, next_face=first + len(faces))
            member = self._roster.rewrite(member, record)
        kept = NextFaces(self._opened, dim=target.space.dim)
        for number, (place, face) in enumerate(faces.items(), first):
            kept.add(member, number, face, extra=True)
            if crops is not None and keeps:
                self._crops.add(member, number, KeptCrop(crops.pixels[place], crops.template))

    def _counted(self, target: Target) -> MigrationStatus:
        looks, found = Looks(self._gallery, target), Readiness()
        for member in (member for some in self._pages() for member in some):
            found.add(member, looks.at(member))
        return found.status(self._gallery, target)

    def _log(
        self, action: str, target: Target, *, member: Member | None = None, **counts: int
    ) -> None:
        subject = None if member is None else self._opened.vault.pseudonym(member.row.uid)
        actor, model = self._opened.actor, target.space.model
        self._opened.audit.append(
            AuditEntry(actor=actor, action=action, subject=subject, model=model, counts=counts)
        )


def _check_space(gallery: Gallery, target: Target, photos: Embeddings) -> None:
    if photos.space != target.space:
        raise GallerySpaceError(
            f"{gallery.location} is being brought to {target.space}, got {photos.space}; use "
            "that model"
        )
