"""Looking for damage: every row of a gallery read and opened."""

from collections.abc import Callable, Iterator

from vultus.core.errors import GalleryError
from vultus.gallery.events.sealed import SealedEvents
from vultus.gallery.opening import OpenedGallery
from vultus.gallery.searching.templates import Templates


def inspect(opened: OpenedGallery) -> list[str]:
    """What is wrong with a gallery; empty if nothing is.

    Args:
        opened: Its parts.
    """
    return [problem for problems in _looks(opened) for problem in problems]


def _looks(opened: OpenedGallery) -> Iterator[list[str]]:
    problems = _told(_store, opened)
    yield problems
    if problems:
        return  # what rows say that cannot be read well adds nothing
    for look in (_people, _templates, _items, _events, _log_of_erasures, _audit):
        yield _told(look, opened)


def _told(look: Callable[[OpenedGallery], list[str]], opened: OpenedGallery) -> list[str]:
    try:
        with opened.store.transaction():  # what belongs together is of one state
            return look(opened)
    except GalleryError as error:
        return [str(error)]


def _store(opened: OpenedGallery) -> list[str]:
    return opened.store.check()


def _audit(opened: OpenedGallery) -> list[str]:
    verdict = opened.audit.verify()
    return [] if verdict.sound else [f"the audit log: {verdict.message}"]


def _people(opened: OpenedGallery) -> list[str]:
    for member in opened.roster.members():
        opened.roster.faces(member)
        if opened.store.template(member.id) is None and not member.without_photos:
            return ["the template of a person is missing"]
    return []


def _templates(opened: OpenedGallery) -> list[str]:
    Templates(opened.roster).refresh()
    return []


def _items(opened: OpenedGallery) -> list[str]:
    after = 0
    while rows := opened.store.items(after=after):
        for row in rows:
            stored = opened.store.key(row.key_id)
            if stored is None:
                return ["the key of an item is missing"]
            key = opened.vault.person_key(stored.wrapped, stored.uid)
            key.open(row.kind, row.id, row.body)
        after = rows[-1].id
    return []


def _events(opened: OpenedGallery) -> list[str]:
    for _ in SealedEvents(opened).all():
        pass
    opened.store.event_position()
    return []


def _log_of_erasures(opened: OpenedGallery) -> list[str]:
    opened.erasures.erased()
    return []
