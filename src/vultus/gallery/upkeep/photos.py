"""Single photos of a person, taken out of a gallery again."""

from collections.abc import Collection

from vultus.core.errors import InputError
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.next_faces import forget
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.review.merging import forget_photos, set_template
from vultus.gallery.security.audit import AuditEntry


def remove_photos(gallery: Gallery, identity: str, numbers: Collection[int]) -> int:
    """Erase some photos of a person who keeps others; all of them or none.

    Vector, facts and crop are gone: the person gets a new key, with which what stays is sealed
    anew, so that no byte of them can be opened, wherever it is left.

    Args:
        gallery: The gallery.
        identity: Whose.
        numbers: Of the photos, as `Gallery.photos` tells them.

    Returns:
        How many photos the person has now.

    Raises:
        IdentityNotFoundError: If nobody of that name is enrolled.
        InputError: If the person has no such photo, or would have none left.
        GalleryError: If the gallery is damaged or cannot be written.
    """
    opened, roster, wanted = gallery.opened, gallery.opened.roster, set(numbers)
    with gallery.changing():
        gallery.person(identity)  # says who is near, where nobody is
        member = roster.find(normalise_identity(identity))
        assert member is not None  # noqa: S101 - within the transaction
        faces = roster.faces(member)
        if missing := sorted(wanted - set(faces)):
            raise InputError(f"there is no photo {missing[0]} of this person; list them")
        if not wanted:
            return len(faces)
        if len(wanted) == len(faces):
            raise InputError("the last photo of a person stays; erase the person instead")
        forget(opened, member, wanted)
        forget_photos(gallery, member, wanted)
        member = roster.renew_key(roster.remove_faces(member, wanted))
        set_template(gallery, member)
        opened.audit.append(
            AuditEntry(
                actor=opened.actor,
                action="remove photos",
                subject=opened.vault.pseudonym(member.row.uid),
                counts={"photos": len(wanted)},
            )
        )
    opened.store.scrub()
    return len(faces) - len(wanted)
