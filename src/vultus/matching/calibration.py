"""What was measured on labelled faces of one's own: thresholds, FPIR, match probability."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from vultus.core.checks import check_positive_int
from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import ConfigError, SpaceMismatchError
from vultus.core.plain_values import parse_json, read_text
from vultus.core.settings_reader import read
from vultus.core.text import json_text
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.matching.fnir_curves import FnirCurves
from vultus.matching.fpir_curves import FpirCurves
from vultus.matching.match_probability import MatchProbability


@dataclass(frozen=True, slots=True)
class CalibrationData:
    """The faces that a calibration stands on.

    Attributes:
        name: What the user calls them: a folder's or a file's name.
        sha256: Digest of the photos and their people, or of the file of embeddings.
        n_people: People who set the thresholds.
        n_photos: Their photos with a face.
        n_people_held_out: Other people, who checked them.
        n_photos_held_out: Their photos with a face.
        failures: Photos of either without a face, or not readable.
        detector: What found and aligned the faces; None for crops or embeddings.
        seed: Of the split and of the choice of photos.
    """

    name: str
    sha256: str
    n_people: int
    n_photos: int
    n_people_held_out: int
    n_photos_held_out: int
    failures: int
    detector: str | None
    seed: int

    def __post_init__(self) -> None:
        for name in ("n_people", "n_photos", "n_people_held_out", "n_photos_held_out", "failures"):
            check_positive_int(name, getattr(self, name), minimum=0)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A model's error rates on the people of one site.

    Attributes:
        space: The embedding space; a calibration of another space says nothing.
        created: When, ISO 8601, UTC.
        data: What it stands on.
        thresholds: At several false match rates, for `verify`.
        fpir_curves: FPIR by gallery size and photos per person, for `identify`; None for too few
            people.
        match_probability: Similarity to log-likelihood ratio; None where nobody has two photos.
        checks: The same rates on the people held out, and how good the probabilities are there;
            plain values.
        fnir_curves: How often people held out are missed, by threshold and photos per person; None
            where too few have two photos, and in older files.
    """

    space: EmbeddingSpace
    created: str
    data: CalibrationData
    thresholds: ThresholdTable
    fpir_curves: FpirCurves | None = None
    match_probability: MatchProbability | None = None
    checks: Mapping[str, Any] = field(default_factory=dict)
    fnir_curves: FnirCurves | None = None

    def check_space(self, space: EmbeddingSpace) -> None:
        """Refuse to judge embeddings of another space.

        Raises:
            SpaceMismatchError: If it is another; the message names the fields that differ.
        """
        if self.space == space:
            return
        mine, theirs = self.space.to_dict(), space.to_dict()
        fields = ", ".join(key for key, value in mine.items() if value != theirs[key])
        raise SpaceMismatchError(
            f"the calibration of {self.created} is for {self.space}, the embeddings are of {space} "
            f"(different {fields}); run `vultus calibrate` for this model, or remove that file"
        )

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON; `from_dict` reads it back."""
        return {
            "format": "vultus-calibration-1",
            "space": self.space.to_dict(),
            "created": self.created,
            "data": asdict(self.data),
            "thresholds": [point.to_dict() for point in self.thresholds.points],
            "gallery_rates": None if self.fpir_curves is None else self.fpir_curves.to_dict(),
            "evidence": None
            if self.match_probability is None
            else self.match_probability.to_dict(),
            "checks": dict(self.checks),
            "misses": None if self.fnir_curves is None else self.fnir_curves.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Any, *, source: str = "a calibration") -> "Calibration":
        """Read what `to_dict` gave.

        Args:
            values: The tables.
            source: What messages call them.

        Raises:
            ConfigError: If a value is missing, unknown or wrong.
        """
        file = read(_File, values, source=source)
        return cls(
            file.space,
            file.created,
            file.data,
            ThresholdTable(file.thresholds),
            file.gallery_rates,
            file.evidence,
            file.checks,
            file.misses,
        )

    def to_json(self) -> str:
        """The file's text; `load_calibration` reads it."""
        return json_text(self.to_dict(), indent=1, allow_nan=False) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What a calibration's file holds, by the names that the format began with."""

    format: Literal["vultus-calibration-1"]
    space: EmbeddingSpace
    created: str
    data: CalibrationData
    thresholds: tuple[Threshold, ...]
    gallery_rates: FpirCurves | None
    evidence: MatchProbability | None
    checks: Mapping[str, Any]
    misses: FnirCurves | None = None

    def __post_init__(self) -> None:
        ThresholdTable(self.thresholds)  # refuses points that do not go together


def load_calibration(path: str | Path) -> Calibration:
    """Read a calibration file.

    Raises:
        ConfigError: If there is no such file, or it is no calibration.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"there is no calibration {path}; `vultus calibrate` makes one")
    return Calibration.from_dict(parse_json(read_text(path), source=str(path)), source=str(path))
