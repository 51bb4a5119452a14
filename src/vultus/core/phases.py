"""The parts of a piece of work, told to whoever asked as they begin and end."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import Literal

Phase = Literal["decode", "detect", "embed", "search", "store"]
"""A photo's bytes to pixels; pixels to faces; faces to vectors, with alignment and quality; vectors
to people of a gallery; what is written to a gallery, with the wait for who writes just then."""

PhaseObserver = Callable[[Phase, Mapping[str, int]], AbstractContextManager[object]]
"""Given a phase and counts of what it is about; entered when it begins, left when it ends."""

_OBSERVERS: ContextVar[tuple[PhaseObserver, ...]] = ContextVar("phase_observers", default=())


@contextmanager
def observing_phases(*observers: PhaseObserver) -> Iterator[None]:
    """Tell these, and nobody else, of the phases of what is done in here.

    They are told by this thread, or task, and by those that are given its context; what work hands
    to threads of its own, such as photos that are read ahead, is not told.

    Example:
        >>> from contextlib import nullcontext
        >>> told = []
        >>> with observing_phases(lambda name, counts: nullcontext(told.append((name, counts)))):
        ...     with phase("embed", faces=2):
        ...         pass
        >>> told
        [('embed', {'faces': 2})]
    """
    token = _OBSERVERS.set(observers)
    try:
        yield
    finally:
        _OBSERVERS.reset(token)


@contextmanager
def phase(name: Phase, **counts: int) -> Iterator[None]:
    """A part of the work; costs nothing much where nobody asked.

    Args:
        name: Which.
        counts: Of what it is about: ``photos``, ``faces``, ``people``. No names, no values.
    """
    observers = _OBSERVERS.get()
    if not observers:
        yield
        return
    with ExitStack() as stack:
        for observer in observers:
            stack.enter_context(observer(name, counts))
        yield
