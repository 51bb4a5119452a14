"""Work by parts, some item of which may kill whatever process works on it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vultus.bulk.hanging import watched
from vultus.bulk.workers import Outcome, Task, Workers
from vultus.core.errors import ProviderError

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class PartWork:
    """What is done with parts of a list.

    Attributes:
        places: Of a part's items in the list.
        function: Called in another process; says by `vultus.bulk.hanging.got_further` that it does.
        arguments: Gives the function's for some items, with those to leave out.
        done: Told what the function gave for a part, as soon as it is there.
        items: What the items are called in messages.
    """

    places: Callable[[int], range]
    function: Callable[..., Any]
    arguments: Callable[[range, frozenset[int]], Sequence[Any]]
    done: Callable[[int, Any], None]
    items: str = "photos"


def run_parts(work: PartWork, parts: Iterable[int], workers: Workers) -> list[int]:
    """Do all parts; items that kill processes, or on which they hang, are found and left out.

    A part's result is always of all its items but the killers, in one piece: it does not depend on
    how they were found.

    Args:
        work: What is done.
        parts: Which.
        workers: Who does it.

    Returns:
        The places of the killers, ascending.

    Raises:
        ProviderError: If the cluster is gone, or a part's processes die for none of its items.
        Exception: What the function raised.
    """
    run = _Run(work)
    tasks = (run.task(part, work.places(part)) for part in parts)
    workers.run(tasks, partial(watched, workers.hangs_after_s, work.function), after=run)
    return sorted(place for suspect in run.suspects.values() for place in suspect.killers)


@dataclass(slots=True)
class _Suspect:
    """A part whose processes died: which items were found to kill, and what is still to try."""

    ranges: list[range] = field(default_factory=list)
    killers: set[int] = field(default_factory=set)
    attempts: int = 0


class _Run:
    """What is known of the parts whose processes died."""

    def __init__(self, work: PartWork) -> None:
        self.work = work
        self.suspects: dict[int, _Suspect] = {}

    def task(self, part: int, places: range) -> Task:
        killers = self.suspects[part].killers if part in self.suspects else set()
        return (part, places), self.work.arguments(places, frozenset(killers))

    def __call__(self, outcome: Outcome) -> Sequence[Task]:
        part, places = outcome.key
        if outcome.killed:
            return self._killed(part, places)
        if places != self.work.places(part):
            return self._next(part)  # these are innocent
        self.work.done(part, outcome.value)
        return ()

    def _killed(self, part: int, places: range) -> Sequence[Task]:
        suspect = self.suspects.setdefault(part, _Suspect())
        if places == self.work.places(part):
            suspect.attempts += 1
            if suspect.attempts > _ATTEMPTS:
                raise ProviderError(
                    f"every process that worked on {self.work.items} {places.start + 1} to "
                    f"{places.stop} was killed, though none is by each alone: too little memory, "
                    "perhaps, or too slow for the time after which it hangs; take fewer processes, "
                    "a longer time, or smaller parts in a new folder"
                )
        if len(places) == 1:
            suspect.killers.add(places.start)
        else:
            middle = (places.start + places.stop) // 2
            halves = range(middle, places.stop), range(places.start, middle)
            suspect.ranges += [half for half in halves if not suspect.killers.issuperset(half)]
        return self._next(part)

    def _next(self, part: int) -> Sequence[Task]:
        """What is still to try of a part whose processes died; in the end all but the killers."""
        ranges = self.suspects[part].ranges
        return [self.task(part, ranges.pop() if ranges else self.work.places(part))]
