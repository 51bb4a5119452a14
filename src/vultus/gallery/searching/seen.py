"""What a search knows of a gallery before it answers: one state of it, asked at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from vultus.gallery.people.details import now
from vultus.gallery.people.roster import Roster
from vultus.gallery.people.summary import SUMMARY, summary_seen
from vultus.gallery.stores.glances import glance


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One state of a gallery.

    Attributes:
        position: Of the last change.
        sum: Of all templates, as `Summary.sum`.
        over: Numbers of the people whose consent or time is over: they wait to be erased, and are
            not to be found.
        members: Numbers of the people of the groups that are searched; None where all are.
        people_by_photos: Number of photos -> how many of those who can be found have so many.
    """

    position: int
    sum: int
    over: frozenset[int]
    members: frozenset[int] | None
    people_by_photos: Mapping[int, int]


def look(roster: Roster, groups: Collection[str] | None) -> Seen:
    """The state of a gallery now.

    Args:
        roster: Its people.
        groups: Only people of these are searched; None for everybody.

    Raises:
        GalleryDamagedError: If the summary was changed, or people are missing.
    """
    store = roster.store
    seen = glance(store, SUMMARY, when=now(), groups=None if groups is None else list(groups))
    summary = summary_seen(seen, roster.vault, location=store.location)
    counts = seen.members_by_faces
    among = None if counts is None else {n: people for n, people in counts.items() if n}
    return Seen(
        position=seen.position,
        sum=summary.sum,
        over=seen.expired,
        members=seen.members,
        people_by_photos=summary.people_by_faces if among is None else among,
    )
