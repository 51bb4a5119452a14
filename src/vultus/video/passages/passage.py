"""A passage: one face in view, from when it came until it went."""

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from vultus.core.embeddings import Embeddings
from vultus.core.faces import Faces
from vultus.core.results import Identification
from vultus.video.passages.shots import Shot, ShotBudget, looks

_AS_GOOD = 0.5
"""What contradicts must be so many times as good as what it contradicts: a covered face differs."""
_AGREEING = 2
"""So many shots of somebody else end a passage; one may be a slip."""


@dataclass(slots=True, eq=False)
class Passage:
    """One face in view.

    Attributes:
        number: Of its track.
        start_s: When it was first seen.
        seen_s: When it was last seen.
        alike: Shots less alike than this, cosine in [-1, 1], are of two people.
        budget: How many shots are embedded.
        best: The shots that are kept, by time; all can be judged.
        suspects: Good shots that differ from those, since the last that did not.
        refusals: How often which reasons made a shot unfit.
        n_embedded: How many shots were embedded.
        n_good: How many of them could be judged and agreed.
        n_faces: How many of them the model's trust head took for a face.
        answer: The last decision that counts.
    """

    number: int
    start_s: float
    seen_s: float
    alike: float
    budget: ShotBudget
    best: list[Shot] = field(default_factory=list)
    suspects: list[Shot] = field(default_factory=list)
    refusals: Counter[tuple[str, ...]] = field(default_factory=Counter)
    n_embedded: int = 0
    n_good: int = 0
    n_faces: int = 0
    answer: Identification | None = None
    _embedded_s: float = -math.inf

    def wants(self, faces: Faces, time_s: float, *, doubtful: bool) -> bool:
        """Whether this view is worth embedding.

        Args:
            faces: The one face as it is seen now.
            time_s: When.
            doubtful: Whether the tracker may have taken it for another.
        """
        budget, waited = self.budget, time_s - self._embedded_s + 1e-6
        if doubtful or self.suspects:
            return waited >= budget.doubt_gap_s
        if waited >= budget.check_s:
            return True
        if waited < budget.gap_s:
            return False
        if len(self.best) < budget.n_best:
            return True
        return looks(faces) > budget.better * min(shot.look for shot in self.best)

    def take(self, shot: Shot) -> "Passage | None":
        """Take in a shot.

        Returns:
            None; or, if it is somebody else by now, the passage of that person, with the shots
            that showed it. This one then ends where it was last sure.
        """
        self._embedded_s, self.n_embedded = shot.time_s, self.n_embedded + 1
        self.n_faces += shot.is_face
        if shot.refusal:
            self.refusals[shot.refusal] += 1
            return None
        if not self._differs(shot):
            self.suspects.clear()
            self._keep(shot)
            return None
        if shot.quality < _AS_GOOD * float(np.median([one.quality for one in self.best])):
            return None
        self.suspects = [s for s in self.suspects if _similarity(s, shot) >= self.alike]
        self.suspects.append(shot)
        return self._split() if len(self.suspects) >= _AGREEING else None

    @property
    def shots(self) -> Embeddings:
        """(k,) the kept shots; there must be one."""
        return Embeddings.concatenate([shot.embedding for shot in self.best])

    @property
    def sure_s(self) -> float:
        """When it was last surely this person."""
        return max((shot.time_s for shot in self.best), default=self.start_s)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it could not be judged: the most frequent reasons of its shots."""
        return self.refusals.most_common(1)[0][0] if self.refusals else ()

    def _differs(self, shot: Shot) -> bool:
        if not self.best:
            return False
        return float(np.mean([_similarity(one, shot) for one in self.best])) < self.alike

    def _keep(self, shot: Shot) -> None:
        self.n_good += 1
        self.best.append(shot)
        if len(self.best) > self.budget.n_best:
            self.best.remove(min(self.best, key=lambda one: one.quality))

    def _split(self) -> "Passage":
        first = self.suspects[0]
        other = Passage(self.number, first.time_s, self.seen_s, self.alike, self.budget)
        for shot in self.suspects:
            other.take(shot)
        self.n_embedded -= len(self.suspects)
        self.n_faces -= sum(shot.is_face for shot in self.suspects)
        self.suspects = []
        self.seen_s = self.sure_s
        return other


def _similarity(a: Shot, b: Shot) -> float:
    return float(a.embedding.vectors[0] @ b.embedding.vectors[0])
