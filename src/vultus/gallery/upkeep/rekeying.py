"""Changing what opens a gallery: its master key, its recovery key."""

from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vultus.core.errors import GalleryKeyError
from vultus.gallery.description import read_header, write_vault
from vultus.gallery.opening import OpenedGallery, open_gallery
from vultus.gallery.people.roster import Roster
from vultus.gallery.searching.templates import wipe_index
from vultus.gallery.security.audit import AuditEntry, AuditHead
from vultus.gallery.security.crypto import Vault
from vultus.gallery.security.master_key import MasterKey, ScryptCost
from vultus.gallery.stores.base import GalleryStore

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeying:
    """What was done to change what opens a gallery.

    Attributes:
        sealed: Whether a master key is needed now.
        recovery: Whether a recovery key opens it, too.
        keys: How many keys of people and items were wrapped anew; 0 where the gallery's own key
            stayed as it was.
        audit: Where that stands in the audit log.
        scrubbed: Whether no file of the gallery holds the old wraps any more. If not, a reader was
            in the way, and it is done at the next change, opening or closing.
    """

    sealed: bool
    recovery: bool
    keys: int
    audit: AuditHead
    scrubbed: bool

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {**asdict(self), "audit": self.audit.to_text()}


def rekey(
    path: str | Path,
    new_key: MasterKey | None,
    *,
    key: MasterKey | None = None,
    deep: bool = False,
    cost: ScryptCost | None = None,
    actor: str | None = None,
) -> Rekeying:
    """Give a gallery another master key, a first one, or none; whole, or not at all.

    Only what wraps is written anew, never what is sealed. Without ``deep`` that is one row, however
    many people there are. A gallery that had no master key gets a new key of its own in any case,
    and all people's keys are wrapped with it, since the old one stood readable in its file. Other
    processes that have the gallery open are told to open it again when they need to.

    Args:
        path: The gallery's file.
        new_key: The new master key; None takes the protection away.
        key: What opens it now: the master key or the recovery key; None for a gallery without.
        deep: Make a new key of the gallery's own in any case: against somebody who had the old
            master key and a copy of the file. A recovery key is void then. Tags by which people
            are found are made anew, too, which takes longer the more people there are; pseudonyms
            in the audit log stay.
        cost: Of a passphrase; None takes `ScryptCost`.
        actor: Who does it, for the audit log; None takes the name of the user.

    Raises:
        GalleryError: If it cannot be written, or a person's key was changed.
        GalleryKeyError: If ``key`` is wrong or missing.
        InputError: If ``new_key`` is a recovery key.
    """
    opened = open_gallery(path, None, master=key, actor=actor)
    with closing(opened.store):
        with opened.store.transaction(write=True):
            old = _current(opened)
            renew = deep or (not old.protected and new_key is not None)
            new = (old.renewed if renew else old.rewrapped)(new_key, cost=cost)
            keys = _wrap_anew(opened.store, old, new) if renew else 0
            if renew:
                _tag_anew(opened, new)
            head = _change(opened, new, "rekey", keys=keys)
        if new.protected or renew:  # of readable templates, or of sums that are others now
            wipe_index(opened.store.location)
        return _told(opened, new, head, keys=keys)


def new_recovery_key(
    path: str | Path, *, key: MasterKey, actor: str | None = None
) -> tuple[MasterKey, Rekeying]:
    """Make a recovery key, which opens a gallery when the master key is lost; an older one is void.

    Args:
        path: The gallery's file.
        key: What opens it now.
        actor: Who does it, for the audit log; None takes the name of the user.

    Returns:
        The key: show its `MasterKey.recovery_text` once, to be kept on paper; and what was done.

    Raises:
        GalleryError: If the gallery cannot be written.
        GalleryKeyError: If ``key`` is wrong, or the gallery has none.
    """
    opened = open_gallery(path, None, master=key, actor=actor)
    with closing(opened.store):
        with opened.store.transaction(write=True):
            new, recovery = _current(opened).with_recovery()
            head = _change(opened, new, "new recovery key", keys=0)
        return recovery, _told(opened, new, head, keys=0)


def _wrap_anew(store: GalleryStore, old: Vault, new: Vault) -> int:
    """Every key of a person or item, wrapped by another vault, where it stands."""
    done = after = 0
    while rows := store.keys(after=after, limit=_AT_ONCE):
        for row in rows:
            store.set_key(row.id, old.rewrapped_person_key(row.wrapped, row.uid, into=new))
        done, after = done + len(rows), rows[-1].id
    return done


def _tag_anew(opened: OpenedGallery, new: Vault) -> None:
    """What people are found by, made by another vault, by which their keys are wrapped already."""
    about = opened.description
    roster = Roster(opened.store, new, dim=about.space.dim, generation=about.generation)
    roster.take_tags(source=opened.vault)


def _current(opened: OpenedGallery) -> Vault:
    """The vault, if nobody changed what opens the gallery since it was opened."""
    if read_header(opened.store) != opened.vault.header.to_text():
        raise GalleryKeyError(
            f"another process changed the key of {opened.store.location}; open it again"
        )
    return opened.vault


def _change(opened: OpenedGallery, new: Vault, action: str, *, keys: int) -> AuditHead:
    write_vault(opened.store, new)
    old, now = ("sealed" if vault.protected else "open" for vault in (opened.vault, new))
    entry = AuditEntry(
        actor=opened.actor,
        action=action,
        decision=now if old == now else f"{old} to {now}",
        counts={"keys": keys},
    )
    return opened.audit.append(entry)


def _told(opened: OpenedGallery, new: Vault, head: AuditHead, *, keys: int) -> Rekeying:
    return Rekeying(
        sealed=new.protected,
        recovery=new.header.recovery is not None,
        keys=keys,
        audit=head,
        scrubbed=opened.store.scrub(),
    )
