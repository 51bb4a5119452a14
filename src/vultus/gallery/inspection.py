"""Looking for damage: every row of a gallery read and opened."""

import hmac
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from vultus.core.errors import GalleryError, IndexFileError
from vultus.gallery.events.sealed import SealedEvents
from vultus.gallery.opening import OpenedGallery, erasures_done
from vultus.gallery.review.items import item_value
from vultus.gallery.searching.templates import Templates, index_path
from vultus.search.index import VectorIndex
from vultus.search.index_file import IndexFile

_AT_ONCE = 500
_TAG_BYTES = 32
_SETTINGS = {
    "crops": b"crops are kept",
    "events": b"events ",
    "migration": b"migration ",
    "review": b"review ",
}
"""Key of a setting -> what its digest begins with."""
_ACTION = re.compile(rb'"action":"([a-z -]+)"')
_SWITCHES = {
    b"allow crops": ("crops", True),
    b"forbid crops": ("crops", False),
    b"keep events": ("events", True),
    b"begin migration": ("migration", True),
    b"finish migration": ("migration", False),
    b"cancel migration": ("migration", False),
    b"allow review": ("review", True),
    b"forbid review": ("review", False),
}
"""Action in the audit log -> the setting that it makes or takes away."""


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
    looks = (_people, _templates, _items, _events, _log_of_erasures, _settings, _audit)
    for look in looks:
        yield _told(look, opened)


def _told(look: Callable[[OpenedGallery], list[str]], opened: OpenedGallery) -> list[str]:
    try:
        with opened.store.transaction():  # what belongs together is of one state
            return look(opened)
    except GalleryError as error:
        return [str(error)]


def _store(opened: OpenedGallery) -> list[str]:
    return opened.store.check()


def _people(opened: OpenedGallery) -> list[str]:
    store, roster = opened.store, opened.roster
    members = roster.members()
    while some := list(islice(members, _AT_ONCE)):
        in_groups = store.groups([member.id for member in some])
        for member in some:
            roster.faces(member)
            if store.template(member.id) is None and not member.without_photos:
                return ["the template of a person is missing"]
            if in_groups.get(member.id, ()) != tuple(sorted(set(member.record.groups))):
                return ["the groups of a person are not those that are noted"]
    return []


def _templates(opened: OpenedGallery) -> list[str]:
    """All templates read, and compared with those of the file of the index."""
    path = index_path(opened.store.location)
    if not path.exists():
        for _ in Templates(opened.roster).read():
            pass
        return []
    if opened.vault.protected:
        return [f"{path} holds templates that can be read, remove it"]
    try:
        return _compared(opened, path)
    except IndexFileError as error:
        return [f"{error}; it is made again when somebody is searched"]


def _compared(opened: OpenedGallery, path: Path) -> list[str]:
    with IndexFile(path, owner=opened.vault.gallery_id) as file:
        index, since = VectorIndex.open(file), file.stamp.position
        changes = opened.store.changes(since) if since <= opened.store.position() else None
        if file.dim != opened.roster.dim or changes is None:
            return [f"{path} is of another state of the gallery; it is made again"]
        changed = np.array([change.person_id for change in changes], np.int64)
        n_same, differs = 0, False
        for ids, vectors in Templates(opened.roster).read():
            numbers = np.array(ids, np.int64)
            same = ~np.isin(numbers, changed)
            n_same += int(same.sum())
            there = bool(index.has(numbers[same]).all())
            differs |= (
                not there or index.vectors(numbers[same]).tobytes() != vectors[same].tobytes()
            )
        if differs or n_same != int((~np.isin(index.ids, changed)).sum()):
            return [f"{path} does not hold the templates of the gallery; it is made again"]
    return []


def _items(opened: OpenedGallery) -> list[str]:
    after = 0
    while rows := opened.store.items(after=after):
        for row in rows:
            stored = opened.store.key(row.key_id)
            if stored is None:
                return ["the key of an item is missing"]
            key = opened.vault.person_key(stored.wrapped, stored.uid)
            item_value(row, key.open(row.kind, row.id, row.body))
        after = rows[-1].id
    return []


def _events(opened: OpenedGallery) -> list[str]:
    for _ in SealedEvents(opened).all():
        pass
    opened.store.event_position()
    return []


def _log_of_erasures(opened: OpenedGallery) -> list[str]:
    log, done = opened.erasures, erasures_done(opened.store)
    # Another process notes an erasure before it is done: only what is done is looked at.
    uids, size = log.erased(within=done)
    back = sum(opened.store.person_by_uid(uid) is not None for uid in uids)
    problems = [f"{back} people are there who were erased"] if back else []
    # A copy elsewhere has none; what was cut off is noted again by nobody.
    if 0 < size < done:
        problems.append(
            f"{log.place} was {done} {log.unit} long and has {size}: backups could bring back "
            "who was erased; put the whole log back"
        )
    return problems


def _unnoted(opened: OpenedGallery, erased: Sequence[bytes]) -> list[str]:
    """Erasures that the audit log tells of and the log of erasures does not: it was cut.

    Its length does not say so any more, once somebody else was erased.
    """
    log = opened.erasures
    if not log.size():  # a copy elsewhere has none
        return []
    missing = len(set(erased) - log.digests())
    if not missing:
        return []
    return [
        f"{log.place} lacks {missing} of {len(erased)} erasures that the audit log tells of; it "
        "was cut, or this gallery is a copy: backups could bring back who was erased, put the "
        "whole log back"
    ]


def _settings(opened: OpenedGallery) -> list[str]:
    """What the gallery may keep, and where it is brought, is as was last logged."""
    problems = []
    for key, purpose in _SETTINGS.items():
        kept = opened.store.meta(key)
        if kept is None:
            continue
        tag, data = kept[:_TAG_BYTES], kept[_TAG_BYTES:]
        if not hmac.compare_digest(tag, opened.vault.audit_digest(purpose + data)):
            problems.append(f"the setting {key!r} was changed")
    return problems


def _audit(opened: OpenedGallery) -> list[str]:
    verdict = opened.audit.verify()
    if not verdict.sound:
        return [f"the audit log: {verdict.message}"]
    last: dict[str, bool] = {}
    erased: list[bytes] = []
    after = 0
    while rows := opened.store.audit(after=after):
        # Not parsed: there may be millions, and these words stand in no other place of an entry.
        for row in rows:
            for word in _ACTION.findall(row.entry):
                last.update([_SWITCHES[word]] if word in _SWITCHES else ())
                if word == b"restore":
                    erased.clear()  # in a place where perhaps nothing was noted before
                elif word == b"erase":
                    erased.append(row.digest)
        after = rows[-1].position
    return _unnoted(opened, erased) + [
        f"the setting {key!r} is {'missing' if on else 'there'}, the audit log tells otherwise"
        for key, on in last.items()
        if (opened.store.meta(key) is not None) is not on
    ]
