"""Whether movements are seen under way: photos shown in turn change at once, or fade."""

import itertools
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vultus.liveness.session.fades import is_fade
from vultus.liveness.session.reasons import Reason

_AT_ONCE = 0.75
"""A change of which one step between two frames is so much was not seen under way."""
_LEAST = 2
_SHARE = 0.5
"""One hasty movement, or lost frames, are no slide show; more than this part of all changes is."""
_MOST_VIEWS = 90
"""Of a long change the last frames are looked at: it is made at its end."""

_View = npt.NDArray[np.uint8]


@dataclass(slots=True)
class StepFinder:
    """Looks at each change of the head, to a movement and back from it.

    Attributes:
        n_changes: Changes that were looked at.
        n_at_once: Those of which hardly anything lay between two frames.
        n_faded: Others, of which all that lay between was a mix of before and after.
    """

    n_changes: int = 0
    n_at_once: int = 0
    n_faded: int = 0
    _values: list[float] = field(default_factory=list)
    _views: deque[_View] = field(default_factory=lambda: deque(maxlen=_MOST_VIEWS))

    def begin(self) -> None:
        """A change begins with the next frame, whatever went before."""
        self._values = []
        self._views.clear()

    def take(self, part: float, view: _View | None = None) -> None:
        """Take in the next frame.

        Args:
            part: How much of the movement it shows.
            view: `vultus.liveness.session.fades.view` of it; None looks for no fade.
        """
        self._values.append(part)
        if view is not None:
            self._views.append(view)

    def end(self) -> None:
        """The change is done; one that follows begins where it ended."""
        values, self._values = self._values, self._values[-1:]
        views = list(self._views)
        for _ in views[:-1]:
            self._views.popleft()
        if len(values) < 2:
            return
        way = max(values) - min(values)
        most = max(abs(b - a) for a, b in itertools.pairwise(values))
        self.n_changes += 1
        if way > 0 and most >= _AT_ONCE * way:
            self.n_at_once += 1
        elif is_fade(views):
            self.n_faded += 1

    @property
    def lacking(self) -> Reason | None:
        """What is wrong; None where nothing is."""
        unseen = self.n_at_once + self.n_faded
        if unseen < _LEAST or unseen <= _SHARE * self.n_changes:
            return None
        if self.n_faded > self.n_at_once:
            return Reason(
                "faded",
                f"{self.n_faded} of {self.n_changes} changes of the head were one picture faded "
                "into another; a head that turns is seen at places between",
            )
        return Reason(
            "at-once",
            f"{unseen} of {self.n_changes} changes of the head happened from one frame to the "
            "next; a head that turns is seen under way",
        )
