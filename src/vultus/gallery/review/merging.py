"""Two people of a gallery who are one, made one; and apart again where that was wrong."""

import dataclasses
import itertools
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vultus.core.errors import IdentityNotFoundError, InputError
from vultus.gallery.events.streams import Streams
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.next_faces import carry, extra_numbers
from vultus.gallery.people.details import Record
from vultus.gallery.people.faces import PhotoRule, StoredFace
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.people.roster import Member
from vultus.gallery.review.items import Items
from vultus.gallery.security.audit import AuditEntry

_KIND = "merge"
_SINGLE = ("external_id", "consent", "retain_until")
"""What of a record comes from whoever is merged only where it is lacking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A merge that can be undone.

    Attributes:
        number: What it is undone by.
        merged_at: ISO 8601, UTC.
        identity: Who was merged into somebody else.
        into: Into whom, by the present name.
        n_photos: How many photos came with it.
    """

    number: int
    merged_at: str
    identity: str
    into: str
    n_photos: int

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return dataclasses.asdict(self)


def merge(gallery: Gallery, identity: str, into: str) -> int:
    """Make one person of two: all photos and events of one go to the other, and the one is gone.

    Who remains keeps what is noted of them. What they lack comes from the other: id elsewhere,
    consent, retention, metadata by name; groups are put together. Photos that are unlike the
    others are taken as whoever merges says, and are kept as if they had been forced in.

    Args:
        gallery: The gallery.
        identity: Who is to be gone.
        into: Who remains.

    Returns:
        The number by which `unmerge` undoes it, until who remains is erased.

    Raises:
        IdentityNotFoundError: If one of them is not enrolled.
        InputError: If both are the same.
        GalleryError: If the gallery is damaged or cannot be written.
    """
    if normalise_identity(identity) == normalise_identity(into):
        raise InputError(f"two different people can be merged, got {identity!r} twice")
    opened, roster = gallery.opened, gallery.opened.roster
    with opened.store.transaction(write=True):
        gone, stays = _member(gallery, identity), _member(gallery, into)
        faces = roster.faces(gone)
        extra = extra_numbers(opened, gone)
        numbers = dict(zip([*faces, *extra], itertools.count(stays.record.next_face)))
        value = {
            "record": gone.record.to_bytes().decode(),
            "before": stays.record.to_bytes().decode(),
            "forced": [face.forced for face in faces.values()],
            "numbers": [numbers[n] for n in faces],
            "extra": [numbers[n] for n in extra],
            "unforced": [n for n, face in roster.faces(stays).items() if not face.forced],
        }
        _carry(gallery, gone, stays, numbers)
        carry(opened, gone, stays, numbers)
        value["streams"] = Streams(opened).hand_over(gone, stays)
        roster.erase(gone)
        stays = roster.rewrite(stays, _together(stays.record, gone.record))
        stays = roster.add_faces(stays, list(faces.values()))
        stays = _reserved(gallery, stays, len(extra))
        number = Items(opened, _KIND).add(value, owner=stays, expires_at=None)
        set_template(gallery, stays)
        _log(gallery, "merge", stays, photos=len(faces))
    opened.store.scrub()
    return number


def unmerge(gallery: Gallery, number: int, *, name: str | None = None) -> str:
    """Undo a merge: the photos that came with it are a person of their own again, with the events.

    Photos that were added since stay where they are, and so does what was noted or happened since.

    Args:
        gallery: The gallery.
        number: As `merge` gave it, and `merges` lists it.
        name: What to call the person, where the old name is taken by now; None for that name.

    Returns:
        The name of the person who is back.

    Raises:
        InputError: If there is no such merge (any more), or somebody has that name or external id.
        GalleryError: If the gallery is damaged or cannot be written.
    """
    opened, roster = gallery.opened, gallery.opened.roster
    with opened.store.transaction(write=True):
        items = Items(opened, _KIND)
        value, row = items.read(number), opened.store.item(number)
        stays = None if row is None else roster.get(row.key_id)
        if stays is None:
            raise InputError(f"{gallery.location} has no merge {number} to undo")
        items.delete(number)
        kept = roster.faces(stays)
        extra, unseen = value.get("extra", []), extra_numbers(opened, stays)
        numbers = [n for n in [*value["numbers"], *extra] if n in kept]
        forced = dict(zip(value["numbers"], value["forced"], strict=True))
        faces = [
            dataclasses.replace(kept[n], forced=forced.get(n, kept[n].forced)) for n in numbers
        ]
        if not faces or len(faces) == len(kept):
            raise InputError(
                f"merge {number} of {gallery.location} cannot be undone: one of the two "
                "would have no photo left"
            )
        record = Record.from_bytes(value["record"].encode())
        stays = roster.remove_faces(stays, numbers)
        stays = _as_before(gallery, stays, Record.from_bytes(value["before"].encode()), record)
        back = _back(gallery, record, faces, name=name)
        unseen = [n for n in extra if n in unseen]
        back = _reserved(gallery, back, len(unseen))
        moved = dict(zip([*numbers, *unseen], itertools.count()))
        _carry(gallery, stays, back, moved)
        carry(opened, stays, back, moved)
        Streams(opened).hand_back(value.get("streams", ()), stays, back)
        _forget_streams(gallery, stays)
        stays = roster.renew_key(stays)  # so that no photo of the other can be opened with it
        _unforce(gallery, stays, value.get("unforced", ()))
        for member in (stays, back):
            set_template(gallery, member)
        _log(gallery, "unmerge", back, photos=len(faces))
    opened.store.scrub()
    return back.record.name


def merges(gallery: Gallery) -> list[Merge]:
    """The merges that can be undone, oldest first."""
    opened, found = gallery.opened, []
    with opened.store.transaction():
        for row, value in Items(opened, _KIND).all():
            stays = opened.roster.get(row.key_id)
            if stays is not None:
                found.append(
                    Merge(
                        number=row.id,
                        merged_at=row.created_at,
                        identity=Record.from_bytes(value["record"].encode()).name,
                        into=stays.record.name,
                        n_photos=len(value["numbers"]),
                    )
                )
    return found


def _carry(gallery: Gallery, one: Member, other: Member, numbers: Mapping[int, int]) -> None:
    """Let earlier merges follow the photos that they brought, under their new numbers."""
    items = Items(gallery.opened, _KIND)
    for row, value in list(items.all(owner=one)):
        if set(value["numbers"]) <= set(numbers):
            for told in ("numbers", "extra", "unforced"):
                known = value.get(told, ())
                value[told] = [numbers[number] for number in known if number in numbers]
            items.move(row.id, value, owner=other)


def _reserved(gallery: Gallery, member: Member, n_extra: int) -> Member:
    """Somebody, with numbers for photos of which only the next model has a vector."""
    if not n_extra:
        return member
    next_face = member.record.next_face + n_extra
    record = dataclasses.replace(member.record, next_face=next_face)
    return gallery.opened.roster.rewrite(member, record)


def _forget_streams(gallery: Gallery, member: Member) -> None:
    """Let other merges not give away later what somebody no longer has."""
    items, there = Items(gallery.opened, _KIND), Streams(gallery.opened).of(member)
    for row, value in list(items.all(owner=member)):
        kept = [told for told in value.get("streams", ()) if told["number"] in there]
        if len(kept) < len(value.get("streams", ())):
            items.rewrite(row.id, {**value, "streams": kept})


def forget_photos(gallery: Gallery, member: Member, numbers: Collection[int]) -> None:
    """Let merges not give back photos that are gone, in a writing transaction.

    Args:
        gallery: The gallery.
        member: Whose photos.
        numbers: Of the photos.
    """
    items = Items(gallery.opened, _KIND)
    for row, value in list(items.all(owner=member)):
        kept = [
            (number, forced)
            for number, forced in zip(value["numbers"], value["forced"], strict=True)
            if number not in numbers
        ]
        if len(kept) < len(value["numbers"]):
            left = {"numbers": [n for n, _ in kept], "forced": [forced for _, forced in kept]}
            items.rewrite(row.id, {**value, **left})


def _together(stays: Record, gone: Record) -> Record:
    """What is noted of who remains, with what only the other has."""
    return dataclasses.replace(
        stays,
        external_id=gone.external_id if stays.external_id is None else stays.external_id,
        metadata={**gone.metadata, **stays.metadata},
        groups=tuple(sorted({*stays.groups, *gone.groups})),
        consent=gone.consent if stays.consent is None else stays.consent,
        retain_until=gone.retain_until if stays.retain_until is None else stays.retain_until,
    )


def _as_before(gallery: Gallery, stays: Member, before: Record, gone: Record) -> Member:
    """Who remains, without what came from the other; what others bring as well stays."""
    roster, items = gallery.opened.roster, Items(gallery.opened, _KIND)
    record = _without(stays.record, before, gone)
    for row, value in list(items.all(owner=stays)):
        other, known = (Record.from_bytes(value[told].encode()) for told in ("record", "before"))
        brought = _only(other, removed=(stays.record, record))
        if brought.external_id is not None and roster.find_external(brought.external_id):
            brought = dataclasses.replace(brought, external_id=None)  # it is somebody's by now
        record = _together(record, brought)
        value["before"] = _without(known, before, gone).to_bytes().decode()
        items.rewrite(row.id, value)
    return roster.rewrite(stays, record)


def _without(record: Record, before: Record, gone: Record) -> Record:
    """A record without what only somebody had who was merged into it."""
    came = {key: value for key, value in gone.metadata.items() if key not in before.metadata}
    groups = set(gone.groups) - set(before.groups)
    lacking: dict[str, Any] = {
        name: None
        for name in _SINGLE
        if getattr(before, name) is None and getattr(record, name) == getattr(gone, name)
    }
    return dataclasses.replace(
        record,
        metadata={k: v for k, v in record.metadata.items() if k not in came or v != came[k]},
        groups=tuple(group for group in record.groups if group not in groups),
        **lacking,
    )


def _only(record: Record, *, removed: tuple[Record, Record]) -> Record:
    """Of a record, what was taken away of another: as that was before, and is now."""
    before, now = removed
    kept: dict[str, Any] = {
        name: getattr(record, name) if getattr(before, name) != getattr(now, name) else None
        for name in _SINGLE
    }
    return dataclasses.replace(
        record,
        metadata={k: v for k, v in record.metadata.items() if k in before.metadata},
        groups=tuple(group for group in record.groups if group in before.groups),
        **kept,
    )


def _back(gallery: Gallery, record: Record, faces: list[StoredFace], *, name: str | None) -> Member:
    roster = gallery.opened.roster
    called = record.name if name is None else normalise_identity(name)
    if roster.find(called) is not None:
        raise InputError(f"somebody named {called!r} is enrolled by now; give another name")
    external_id = record.external_id
    if external_id is not None and roster.find_external(external_id) is not None:
        raise InputError(
            f"external_id {external_id!r} belongs to somebody else by now; change that first"
        )
    back = roster.add(dataclasses.replace(record, name=called, n_faces=0, next_face=0))
    return roster.add_faces(back, faces)


def _unforce(gallery: Gallery, member: Member, numbers: Collection[int]) -> None:
    """Let photos be compared again that were taken as they are only because of a merge."""
    roster, items = gallery.opened.roster, Items(gallery.opened, _KIND)
    kept = roster.faces(member)
    freed = [number for number in numbers if number in kept]
    for number in freed:
        roster.rewrite_face(member, number, dataclasses.replace(kept[number], forced=False))
    for row, value in list(items.all(owner=member)):  # nor do merges made since say otherwise
        came = zip(value["numbers"], value["forced"], strict=True)
        value["forced"] = [forced and number not in freed for number, forced in came]
        own = {*value.get("unforced", ()), *freed} - set(value["numbers"])
        items.rewrite(row.id, {**value, "unforced": sorted(own)})


def set_template(gallery: Gallery, member: Member) -> None:
    """Fuse the photos that somebody has now.

    Whoever merged knows better than what is alike. Who is nobody but themselves again is fused as
    before: a photo that differs from the others does not count.
    """
    roster, rule = gallery.opened.roster, PhotoRule(gallery.space, gallery.outlier_similarity)
    faces, name = roster.faces(member), member.record.name
    if not faces:
        return  # of the model before, all of them
    if not list(Items(gallery.opened, _KIND).all(owner=member)):
        with suppress(InputError):
            roster.set_template(member, rule.fused(name, list(faces.values())))
            return
    taken = rule.taken(name, list(faces.values()))
    for number, before, face in zip(faces, faces.values(), taken, strict=True):
        if face.forced != before.forced:
            roster.rewrite_face(member, number, face)
    roster.set_template(member, rule.fused(name, taken))


def _member(gallery: Gallery, identity: str) -> Member:
    """Somebody by name.

    Raises:
        IdentityNotFoundError: If nobody of that name is enrolled.
    """
    member = gallery.opened.roster.find(normalise_identity(identity))
    if member is None:
        gallery.person(identity)  # which says who is near
        raise IdentityNotFoundError(f"nobody named {identity!r} is enrolled in {gallery.location}")
    return member


def _log(gallery: Gallery, action: str, member: Member, *, photos: int) -> None:
    opened = gallery.opened
    opened.audit.append(
        AuditEntry(
            actor=opened.actor,
            action=action,
            subject=opened.vault.pseudonym(member.row.uid),
            counts={"photos": photos},
        )
    )
