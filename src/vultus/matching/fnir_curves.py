"""How often somebody who is enrolled is missed, by the threshold and the photos per person.

Measured by `vultus.evaluation.calibration.fnir`: the price of a threshold, told beside its FPIR.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int, check_similarities
from vultus.core.errors import InputError
from vultus.core.rows import freeze_arrays
from vultus.core.settings_reader import Numbers


@dataclass(frozen=True, slots=True, eq=False)
class FnirLevel:
    """What was measured with templates of so many photos each.

    Attributes:
        photos_per_person: How many photos were fused into each template.
        n_people: How many people had one photo more than that.
        n_searches: With how many photos they were searched for.
        similarities: (k,) float64 thresholds, rising.
        fnirs: (k,) float64 in [0, 1], not falling.
        highs: (k,) float64, upper ends of their 95 % intervals, people drawn anew.
        photos_per_probe: How many photos were fused to search with.

    Raises:
        InputError: If shapes, dtypes, orders or ranges are others.
    """

    photos_per_person: int
    n_people: int
    n_searches: int
    similarities: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    fnirs: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    highs: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    photos_per_probe: int = 1

    def __post_init__(self) -> None:
        for name in ("photos_per_probe", "photos_per_person", "n_people", "n_searches"):
            check_positive_int(name, getattr(self, name))
        check_array("similarities", self.similarities, dtype=np.float64, shape=("k",))
        if not len(self.similarities) or not (np.diff(self.similarities) > 0).all():
            raise InputError("similarities must be rising, at least one, got others")
        check_similarities("similarities", self.similarities)
        for name in ("fnirs", "highs"):
            values: npt.NDArray[np.float64] = getattr(self, name)
            check_array(name, values, dtype=np.float64, shape=self.similarities.shape)
            if not ((values >= 0) & (values <= 1)).all() or not (np.diff(values) >= 0).all():
                raise InputError(f"{name} must be in [0, 1] and must not fall, got others")
        freeze_arrays(self)

    def at(self, similarity: float) -> tuple[float, float]:
        """FNIR and the upper end of its interval at a threshold, straight between those measured.

        Below the first it is the first's (too high), above the last it is 1.
        """
        if similarity > self.similarities[-1]:
            return 1.0, 1.0
        fnir = float(np.interp(similarity, self.similarities, self.fnirs))
        return fnir, float(np.interp(similarity, self.similarities, self.highs))


@dataclass(frozen=True, slots=True)
class FnirCurves:
    """FNIR by threshold and photos per person, of one kind of people.

    Attributes:
        levels: With one photo to search with, at rising numbers of photos per person, the first
            with one photo; then with more to search with, if that was measured.
        origin: Whose photos these are, in words.

    Raises:
        InputError: If the levels are others.
    """

    levels: tuple[FnirLevel, ...]
    origin: str

    def __post_init__(self) -> None:
        counts = [(level.photos_per_probe, level.photos_per_person) for level in self.levels]
        if counts[:1] != [(1, 1)] or counts != sorted(set(counts)):
            raise InputError(f"levels must be of rising photos per person from 1, got {counts}")

    def most_for(self, photos_per_probe: int) -> int:
        """How many photos to search with were measured, up to a number."""
        return max(
            level.photos_per_probe
            for level in self.levels
            if level.photos_per_probe <= photos_per_probe
        )

    def at(
        self,
        similarity: float,
        *,
        people_by_photos: Mapping[int, int] | None = None,
        photos_per_probe: int = 1,
    ) -> tuple[float, float]:
        """FNIR and the upper end of its interval in a gallery.

        Args:
            similarity: The threshold.
            people_by_photos: Photos per person -> how many people have so many; None or empty
                takes one photo each. A number between two measured ones counts as the lower.
            photos_per_probe: How many photos are fused to search with; likewise.

        Returns:
            The mean over people, who are looked for equally often.
        """
        counts = people_by_photos if people_by_photos else {1: 1}
        total = sum(counts.values())
        fnir = high = 0.0
        for photos, people in counts.items():
            level = [
                x
                for x in self.levels
                if x.photos_per_person <= photos and x.photos_per_probe <= photos_per_probe
            ][-1]
            rates = level.at(similarity)
            fnir += rates[0] * people / total
            high += rates[1] * people / total
        return min(fnir, 1.0), min(high, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "origin": self.origin,
            "levels": [
                # As in older files where one photo is searched with.
                (
                    {}
                    if level.photos_per_probe == 1
                    else {"photos_per_probe": level.photos_per_probe}
                )
                | {
                    "photos_per_person": level.photos_per_person,
                    "n_people": level.n_people,
                    "n_searches": level.n_searches,
                    "similarities": level.similarities.tolist(),
                    "fnirs": level.fnirs.tolist(),
                    "highs": level.highs.tolist(),
                }
                for level in self.levels
            ],
        }
