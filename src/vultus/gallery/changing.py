"""What changes a gallery: each change one transaction, with its entry in the audit log."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence

from vultus.core.embeddings import Embeddings
from vultus.core.errors import GalleryDamagedError, GalleryError, InputError
from vultus.gallery.enrolment import judge_photos
from vultus.gallery.erasure import ErasureReceipt
from vultus.gallery.opening import ERASURES, OpenedGallery, erase_again
from vultus.gallery.people.details import PersonDetails, Record, check_kept, now
from vultus.gallery.people.faces import (
    PhotoFile,
    PhotoRule,
    StoredFace,
    least_similarity,
    to_embeddings,
    to_faces,
)
from vultus.gallery.people.roster import Member
from vultus.gallery.security.audit import AuditEntry, AuditHead

logger = logging.getLogger(__name__)


class Changes:
    """Changes people of one gallery.

    Args:
        opened: The gallery's parts.
    """

    def __init__(self, opened: OpenedGallery) -> None:
        self._opened = opened
        self._store, self._roster = opened.store, opened.roster
        self._description = opened.description
        self._rule = PhotoRule(opened.description.space, opened.description.outlier_similarity)

    def enroll(
        self,
        name: str,
        photos: Embeddings,
        *,
        sources: Sequence[str | PhotoFile] | None,
        details: PersonDetails | None,
        refused: Sequence[tuple[str, ...]],
        force: bool,
    ) -> tuple[tuple[str, ...], ...]:
        """As `Gallery.enroll`; gives why each photo was left out.

        Args:
            name: As `normalise_identity` gives it.
            photos: At least one, of this gallery's space.
            sources: A label per photo, or None.
            details: What else to note, or None.
            refused: Why each photo is left out already; an empty tuple where it is not.
            force: Take photos that are unlike the others, too.
        """
        faces = to_faces(photos, sources, when=now(), by=self._opened.actor)
        with self._store.transaction(write=True):
            member = self._roster.find(name)
            known = [] if member is None else list(self._roster.faces(member).values())
            least = self._description.outlier_similarity
            try:
                reasons = judge_photos(
                    photos,
                    self._embeddings(known),
                    identity=name,
                    outlier_similarity=None if force else least_similarity(known, least),
                    refused=refused,
                )
                fit = [face for face, why in zip(faces, reasons, strict=True) if not why]
                if force:
                    fit = self._rule.taken(name, [*known, *fit])[len(known) :]
                template = self._rule.fused(name, [*known, *fit]) if fit else None
            except InputError as error:
                raise InputError(f"nothing was enrolled: {error}") from None
            member = self._noted(member, name, details)
            check_kept(member.record, name)  # by what is noted now; else all is taken back
            if template is not None:
                member = self._roster.add_faces(member, fit)
                self._roster.set_template(member, template)
            counts = {"photos": len(fit), "left out": len(faces) - len(fit)}
            self._log("enroll", member.row.uid, counts=counts)
            if self._opened.on_enrolled is not None:
                self._opened.on_enrolled(member.row.uid.hex(), len(fit))
        if len(fit) < len(faces):  # without names, which would outlive an erasure in a log
            logger.info("%d of %d photos of somebody left out", len(faces) - len(fit), len(faces))
        return reasons

    def erase(self, name: str) -> ErasureReceipt | None:
        """Erase somebody; None if there is nobody of that name."""
        with self._store.transaction(write=True):
            # Of whoever was killed before an erasure that they had noted: or this one's note would
            # tell that all before it are done.
            self._erase_again()
            member = self._roster.find(name)
            if member is None:
                return None
            uid, at = member.row.uid, now()
            head = self._log("erase", uid)
            # On disk before the change is: a copy without the change must not stand unnoticed.
            size = self._opened.erasures.append(uid, at=at, digest=head.digest)
            rows = self._roster.erase(member)
            self._store.set_meta(ERASURES, str(size).encode())
        return ErasureReceipt(
            identity=name,
            subject=self._opened.vault.pseudonym(uid),
            erased_at=at,
            rows=rows,
            audit_position=head.position,
            audit_digest=head.digest.hex(),
            scrubbed=self._store.scrub(),
        )

    def _erase_again(self) -> None:
        try:
            erase_again(self._opened)
        except GalleryError as error:
            raise type(error)(f"nobody was erased: {error}") from error

    def rename(self, name: str, new: str) -> bool:
        """Give somebody another name; False if there is nobody of the old one.

        Raises:
            InputError: If somebody else has the new name.
        """
        with self._store.transaction(write=True):
            member = self._roster.find(name)
            if member is None:
                return False
            if new != name:
                if self._roster.find(new) is not None:
                    raise InputError(
                        f"somebody named {new!r} is enrolled already; choose another name"
                    )
                self._roster.rewrite(member, dataclasses.replace(member.record, name=new))
                self._log("rename", member.row.uid)
        return True

    def note(self, name: str, details: PersonDetails) -> bool:
        """Note something of somebody; False if there is nobody of that name."""
        with self._store.transaction(write=True):
            member = self._roster.find(name)
            if member is None:
                return False
            if self._noted(member, name, details) is not member:  # else nothing is said anew
                self._log("note", member.row.uid)
        return True

    def _noted(self, member: Member | None, name: str, details: PersonDetails | None) -> Member:
        """Somebody, added if needed, with what else is to be noted."""
        record = Record(name=name, enrolled_at=now()) if member is None else member.record
        if details is not None:
            record = record.with_details(details)
            self._check_external_id(member, details.external_id)
        if member is None:
            return self._roster.add(record)
        return member if record == member.record else self._roster.rewrite(member, record)

    def _check_external_id(self, member: Member | None, external_id: str | None) -> None:
        other = self._roster.find_external(external_id) if external_id else None
        if other is not None and (member is None or other.id != member.id):
            raise InputError(
                f"external_id {external_id!r} belongs to {other.record.name!r}; rename that "
                "person, or give another id"
            )

    def _embeddings(self, faces: Sequence[StoredFace]) -> Embeddings:
        try:
            return to_embeddings(faces, self._description.space)
        except InputError as error:
            raise GalleryDamagedError(
                f"{self._store.location} is damaged ({error}); restore a backup"
            ) from error

    def _log(
        self, action: str, uid: bytes, *, counts: Mapping[str, int] | None = None
    ) -> AuditHead:
        entry = AuditEntry(
            actor=self._opened.actor,
            action=action,
            subject=self._opened.vault.pseudonym(uid),
            counts={} if counts is None else counts,
        )
        return self._opened.audit.append(entry)
