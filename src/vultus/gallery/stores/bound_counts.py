"""How many items and events a store keeps, bound to the gallery's key.

A sealed row shows when it was changed; that one is missing only their number shows, which whoever
can write the file could put right. So it is kept with a digest that only who has the key can make.
"""

import hmac
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol, runtime_checkable

from vultus.core.errors import GalleryError

Digest = Callable[[bytes], bytes]
Kept = Literal["items", "events"]
KEPT: Mapping[Kept, str] = {"items": "kept_items", "events": "kept_events"}
"""Table -> fact under which it is kept how many rows it has, and the sum of their numbers."""


@runtime_checkable
class BoundStore(Protocol):
    """A store that binds how many items and events there are to the gallery's key."""

    def bind_counts(self, digest: Digest, *, bound: bool) -> None:
        """Keep the counts with a keyed digest from now on, which only who has the key can make.

        Args:
            digest: Makes it.
            bound: Whether they are kept so already; False binds what is counted now.

        Raises:
            GalleryError: If they were changed, or are not those that rows were counted by.
        """


class _Counting(Protocol):
    """What `BoundCounts` is mixed into."""

    _digest: Digest | None

    @property
    def location(self) -> str: ...
    def transaction(self, *, write: bool = False) -> AbstractContextManager[None]: ...
    def meta(self, key: str) -> bytes | None: ...
    def set_meta(self, key: str, value: bytes | None) -> None: ...
    def _counts_now(self, table: Kept) -> tuple[int, int]: ...
    def _wrong_when_opened(self) -> Iterator[str]: ...
    def _kept(self, table: Kept) -> tuple[int, int] | None: ...
    def _keep(self, table: Kept, counts: tuple[int, int]) -> None: ...


class BoundCounts:
    """How a store keeps its counts.

    It gives ``_counts_now``, how many rows there are and the sum of their numbers, and
    ``_wrong_when_opened``, what does not fit as far as it is told soon.
    """

    _digest: Digest | None = None

    def bind_counts(self: _Counting, digest: Digest, *, bound: bool) -> None:
        """See `BoundStore`."""
        if bound:
            self._digest = digest
            with self.transaction():
                problems = list(self._wrong_when_opened())
            if problems:
                raise GalleryError(
                    f"{self.location} is damaged: {'; '.join(problems)}; restore a backup"
                )
            return
        with self.transaction(write=True):
            known = {table: self._kept(table) for table in KEPT}
            self._digest = digest
            for table, counts in known.items():
                self._keep(table, counts or self._counts_now(table))

    def _count_kept(self: _Counting, table: Kept, n: int, total: int) -> None:
        """Count rows that came, or went where negative, after the tables were changed."""
        before = self._kept(table)
        if before is None:  # of a version that did not count
            self._keep(table, self._counts_now(table))
        else:
            self._keep(table, (n + before[0], total + before[1]))

    def _kept(self: _Counting, table: Kept) -> tuple[int, int] | None:
        kept = self.meta(KEPT[table])
        if kept is None and self._digest is None:
            return None
        return counted(kept or b"", table, self._digest)

    def _keep(self: _Counting, table: Kept, counts: tuple[int, int]) -> None:
        self.set_meta(KEPT[table], counts_bytes(table, *counts, self._digest))

    def _wrong_counts(self: _Counting) -> Iterator[str]:
        for table in KEPT:
            kept = self._kept(table)
            if kept is not None and kept != self._counts_now(table):
                yield ROWS_MISSING.format(table)


ROWS_MISSING = "{}: rows are missing, or there are more than were kept"


def counts_bytes(table: str, n: int, total: int, digest: Digest | None) -> bytes:
    """A number of rows and the sum of their numbers, as they are kept.

    Args:
        table: Of the rows.
        n: How many.
        total: The sum.
        digest: Binds them to the gallery's key; None leaves them open.
    """
    text = f"{n} {total}"
    return (f"{text} {_bound(table, text, digest)}" if digest else text).encode()


def counted(kept: bytes, table: str, digest: Digest | None) -> tuple[int, int]:
    """What `counts_bytes` was given.

    Raises:
        GalleryError: If it was changed.
    """
    words = kept.decode(errors="replace").split(" ")
    sound = 2 <= len(words) <= 3 and all(word.isascii() and word.isdigit() for word in words[:2])
    if sound and digest is not None:
        due = _bound(table, " ".join(words[:2]), digest)
        sound = len(words) == 3 and hmac.compare_digest(words[2].encode(), due.encode())
    if not sound:
        raise GalleryError("the gallery is damaged (a number of rows); restore a backup")
    return int(words[0]), int(words[1])


def _bound(table: str, text: str, digest: Digest) -> str:
    return digest(f"kept {table} {text}".encode()).hex()
