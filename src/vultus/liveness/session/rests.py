"""Whether a head rests until the next movement is asked: a film does not know when that will be."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from vultus.liveness.session.movements import Movement

_SETTLED_S = 0.3
_SETTLED = 0.5
"""A head has come to rest once no movement changed by more than this part for so long."""
_NEAR = 1.0
"""It rests straight ahead: less than a movement away from where it was at first."""
_STIRRED = 0.6
"""Whoever stirs by so much of a movement begins the rest anew."""
_MOVED = 1.0
"""And by so much makes a movement that nobody asked for."""


@dataclass(slots=True)
class RestFinder:
    """One rest.

    Attributes:
        rest_s: How long it must be, in seconds.
        is_over: Whether it was.
    """

    rest_s: float
    is_over: bool = False
    _recent: deque[tuple[float, Mapping[Movement, float]]] = field(default_factory=deque)
    _since: float | None = None
    _at: Mapping[Movement, float] = field(default_factory=dict)

    @property
    def has_begun(self) -> bool:
        """Whether the head rests now."""
        return self._since is not None

    def take(self, time_s: float, parts: Mapping[Movement, float]) -> Movement | None:
        """Take in the next pose.

        Args:
            time_s: When, in seconds.
            parts: How much of each movement it is, `MovementFinder.parts`.

        Returns:
            The movement that was made though none was asked; else None.
        """
        away = {name: part - self._at.get(name, part) for name, part in parts.items()}
        most = max(away, key=lambda name: away[name])
        if away[most] >= _MOVED:
            return most
        if self._since is None and self._is_settled(time_s, parts):
            self._since, self._at = time_s, parts
        elif away[most] >= _STIRRED:
            self._since = None
            self._recent.clear()
        self.is_over = self._since is not None and time_s - self._since >= self.rest_s
        return None

    def _is_settled(self, time_s: float, parts: Mapping[Movement, float]) -> bool:
        self._recent.append((time_s, parts))
        while len(self._recent) > 1 and time_s - self._recent[1][0] >= _SETTLED_S:
            self._recent.popleft()
        if time_s - self._recent[0][0] < _SETTLED_S or max(parts.values()) > _NEAR:
            return False
        return all(
            max(one[name] for _, one in self._recent) - min(one[name] for _, one in self._recent)
            <= _SETTLED
            for name in parts
        )
