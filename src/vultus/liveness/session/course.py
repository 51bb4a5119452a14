"""From movement to movement: rest, be asked, move, come back."""

from dataclasses import dataclass, field

from vultus.core.faces import Image
from vultus.liveness.session.challenge import Challenge
from vultus.liveness.session.fades import view
from vultus.liveness.session.head_pose import HeadPose
from vultus.liveness.session.movements import Movement, MovementFinder
from vultus.liveness.session.reasons import SPOKEN, Reason
from vultus.liveness.session.rests import RestFinder
from vultus.liveness.session.steps import StepFinder

_BEGUN = 0.5
"""A movement is begun once so much of it is made."""
_LEAST_REACT_S = 0.15
"""Nobody begins sooner after being asked; who does knew it beforehand, or moves anyhow."""


@dataclass(slots=True)
class Course:
    """The movements of a challenge, one after the other.

    Attributes:
        challenge: What is asked.
        finder: Tells when a movement is made.
        since_s: When what goes on now began, in seconds.
        react_s: Where there are rests: within so many seconds a movement must begin.
        done: Movements made.
        part: How much of what is asked is made, in [0, 1].
        steps: Whether movements are seen under way.
        start: How the head was held at first: there it is looked at.
    """

    challenge: Challenge
    finder: MovementFinder
    since_s: float
    react_s: float
    done: int = 0
    part: float = 0.0
    steps: StepFinder = field(default_factory=StepFinder)
    start: HeadPose = field(init=False)
    _rest: RestFinder | None = None
    _is_back: bool = True
    _begun: bool = False

    def __post_init__(self) -> None:
        self.start = self.finder.neutral
        self._rest = self._next_rest()

    @property
    def is_done(self) -> bool:
        """Whether all movements were made."""
        return self.done == len(self.challenge.movements)

    @property
    def asked(self) -> Movement | None:
        """The movement that is asked for now; None where none is."""
        if self.is_done or self._rest is not None:
            return None
        return self.challenge.movements[self.done]

    def take(self, time_s: float, pose: HeadPose, image: Image) -> Reason | None:
        """Take in the next frame.

        Args:
            time_s: When, in seconds.
            pose: How the head is turned.
            image: (h, w, 3) uint8, RGB: the whole frame.

        Returns:
            Why the session is rejected; else None.
        """
        asked = self.asked
        made, other = self.finder.take(pose, asked)
        if self._rest is not None:
            return self._rested(self._rest, time_s, image)
        if asked is None:
            return None
        now = self.finder.now(asked)
        self.steps.take(now, view(image, self.start))
        self.part = min(1.0, max(0.0, now))
        if other is not None:
            text = f"{SPOKEN[asked]} was asked, {SPOKEN[other]} was made"
            return Reason("wrong-movement", text, asked, other)
        if not self._begun and now >= _BEGUN:
            self._begun = True
            if self.challenge.rests_s and time_s - self.since_s < _LEAST_REACT_S:
                return _unasked(asked)
        return self._made(time_s) if made else None

    def late(self, time_s: float) -> Reason | None:
        """Why the session is rejected where so much time went by; else None."""
        limit, passed = self.challenge.movement_s, time_s - self.since_s
        if self.is_done:
            return None
        if self._rest is not None:
            limit += self._rest.rest_s
            text = f"coming to rest straight ahead took more than {limit:g} s"
            return Reason("too-slow", text) if passed > limit else None
        asked = self.challenge.movements[self.done]
        if self.challenge.rests_s and not self._begun and passed > self.react_s:
            text = f"{SPOKEN[asked]} was not begun within {self.react_s:g} s of being asked"
            return Reason("too-slow", text, asked)
        text = f"{SPOKEN[asked]} took more than {limit:g} s"
        return Reason("too-slow", text, asked) if passed > limit else None

    def _rested(self, rest: RestFinder, time_s: float, image: Image) -> Reason | None:
        if not self._is_back:
            last = self.challenge.movements[self.done - 1]
            self.steps.take(self.finder.now(last), view(image, self.start))
        moved = rest.take(time_s, self.finder.current())
        if moved is not None:
            return _unasked(moved)
        if rest.has_begun and not self._is_back:
            self._is_back = True
            self.steps.end()
        if rest.is_over:
            self._rest, self.since_s = None, time_s
            # From where the head rests: nobody comes back to the degree.
            self.finder.begin_anew()
            self.steps.begin()
        return self.steps.lacking

    def _made(self, time_s: float) -> Reason | None:
        self.done, self.since_s, self.part = self.done + 1, time_s, 0.0
        self.steps.end()
        self._begun, self._rest = False, self._next_rest()
        if self._rest is None:
            self.steps.begin()
            self.finder.step()
        else:
            self._is_back = False
        return self.steps.lacking

    def _next_rest(self) -> RestFinder | None:
        rests = self.challenge.rests_s
        return RestFinder(rests[self.done]) if self.done < len(rests) else None


def _unasked(movement: Movement) -> Reason:
    return Reason("unasked", f"{SPOKEN[movement]} was made before it was asked", None, movement)
