"""How far long work has come, told to whoever asked."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""Told ``(what is being done, how many items are done, how many there are)``.

Called with 0 before the first item and once after each; what it raises ends the work.
"""


def tracked(items: Iterable[T], what: str, *, total: int, progress: Progress | None) -> Iterator[T]:
    """Hand the items on, and tell ``progress`` (None: nobody) how many were worked through.

    Example:
        >>> told = []
        >>> note = lambda what, done, total: told.append((what, done, total))
        >>> list(tracked("ab", "reading", total=2, progress=note))
        ['a', 'b']
        >>> told
        [('reading', 0, 2), ('reading', 1, 2), ('reading', 2, 2)]
    """
    if progress is None:
        yield from items
        return
    progress(what, 0, total)
    for done, item in enumerate(items, 1):
        yield item
        progress(what, done, total)
