"""What the switch will write of everybody, made ready while others go on changing the gallery.

Fusing and sealing take milliseconds a person, writing some tens of microseconds. So all of it is
done before the gallery is locked, and kept, sealed, in a file without a name; whoever changed
meanwhile, as the log of changes tells, is done again under the lock.
"""

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any

from vultus.core.progress import Progress
from vultus.gallery.description import Description, check_vault
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.readiness import Look, Looks, Readiness
from vultus.gallery.moving.status import MigrationStatus, Target
from vultus.gallery.people.faces import PhotoRule
from vultus.gallery.people.roster import Member, Roster
from vultus.gallery.people.summary import Summary
from vultus.gallery.stores.base import PAGE, NextRows

_AT_ONCE = 64
_IN_MEMORY = 1 << 24
"""Bytes of what is ready above which it lies on the disk."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """One person, made ready.

    Attributes:
        rows: What to write.
        digest: What the template adds up to.
        needless: Items to delete.
    """

    rows: NextRows
    digest: int
    needless: tuple[int, ...]

    def to_line(self) -> bytes:
        """One line of JSON."""
        rows = self.rows
        values = {
            "person": rows.person_id,
            "record": _text(rows.record),
            "faces": [[number, _text(body)] for number, body in rows.faces.items()],
            "gone": list(rows.gone),
            "template": None if rows.template is None else _text(rows.template),
            "before": _text(rows.before),
            "digest": self.digest,
            "needless": self.needless,
        }
        return json.dumps(values).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "_Ready":
        """What `to_line` gave."""
        values: dict[str, Any] = json.loads(line)
        template = values["template"]
        rows = NextRows(
            person_id=values["person"],
            record=base64.b64decode(values["record"]),
            faces={number: base64.b64decode(body) for number, body in values["faces"]},
            gone=values["gone"],
            template=None if template is None else base64.b64decode(template),
            before=base64.b64decode(values["before"]),
        )
        return cls(rows, values["digest"], tuple(values["needless"]))


class Preparation:
    """Everybody made ready for the next model, until the gallery is switched or this is left.

    Args:
        gallery: The gallery, of the model before.
        target: Where it is brought.
        description: What will be fixed.
    """

    def __init__(self, gallery: Gallery, target: Target, description: Description) -> None:
        opened = gallery.opened
        self._gallery, self._store, self._target = gallery, opened.store, target
        self._roster, self._looks = opened.roster, Looks(gallery, target)
        self._next = Roster(
            opened.store,
            opened.vault,
            dim=description.space.dim,
            generation=description.generation,
        )
        self._rule = PhotoRule(description.space, description.outlier_similarity)
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 -- closed at the exit
        self._begin()

    def __enter__(self) -> "Preparation":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _begin(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._again: dict[int, _Ready | None] = {}
        self._readiness = Readiness()
        self._position = self._store.position()

    def prepare(self, *, progress: Progress | None = None) -> None:
        """Make everybody ready, a few in each transaction."""
        after, total = 0, len(self._gallery)
        while True:
            with self._store.transaction():
                members = self._roster.page(after=after, limit=_AT_ONCE)
                for member in members:
                    self._file.write(self._made(member).to_line())
            if not members:
                return
            after = members[-1].id
            if progress is not None:
                done = len(self._readiness)
                progress("preparing the switch", done, max(done, total))

    def catch_up(self, embed: Callable[[Member], object] | None = None) -> None:
        """Make those ready who changed meanwhile; at last in the writing transaction of the switch.

        Args:
            embed: Lets the next model see the crops of somebody that it has not seen yet.
        """
        check_vault(self._store, self._roster.vault)
        position = self._store.position()
        changes = self._store.changes(self._position)
        if changes is None:  # so many that they are not known any more
            self._begin()
            self.prepare()
            return
        self._position = position
        for change in changes:
            member = self._roster.get(change.person_id)
            if member is not None and embed is not None:
                embed(member)
            self._make_again(change.person_id)

    def _make_again(self, person_id: int) -> None:
        self._readiness.forget(person_id)
        with self._store.transaction():
            member = self._roster.get(person_id)
            self._again[person_id] = None if member is None else self._made(member)

    def status(self) -> MigrationStatus:
        """How far everybody has come, as far as they were looked at."""
        return self._readiness.status(self._gallery, self._target)

    def write(self) -> Summary:
        """Write everybody, in the writing transaction of the switch; gives what all add up to."""
        counts, total = Counter[int](), 0
        ready = self._all()
        while some := list(islice(ready, PAGE)):
            self._store.take_over([each.rows for each in some])
            for each in some:
                for item in each.needless:
                    self._store.delete_item(item)
                counts[len(each.rows.faces)] += 1
                total += each.digest
        without = counts.pop(0, 0)
        return Summary(dict(counts), n_without=without).plus(total)

    def _all(self) -> Iterator[_Ready]:
        self._file.seek(0)
        for line in self._file:
            each = _Ready.from_line(line)
            if each.rows.person_id not in self._again:
                yield each
        yield from (each for each in self._again.values() if each is not None)

    def _made(self, member: Member) -> _Ready:
        look = self._looks.at(member)
        self._readiness.add(member, look)
        return self._ready(member, look)

    def _ready(self, member: Member, look: Look) -> _Ready:
        name, numbers = member.record.name, sorted(look.seen)
        faces = [look.seen[number].face for number in numbers]
        template = None
        if faces:
            # Nobody is lost because the next model finds two photos less alike than the one before.
            faces = self._rule.taken(name, faces)
            template = self._rule.fused(name, faces)
        rows, digest = self._next.next_rows(
            member, dict(zip(numbers, faces, strict=True)), template, source=self._roster
        )
        return _Ready(rows, digest, look.needless)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
