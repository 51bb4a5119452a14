"""A site's own limit of trust: where it lies, what it was measured on, and which head it is for."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import CalibrationError, ConfigError
from vultus.core.files import write_text
from vultus.core.plain_values import parse_json, read_text
from vultus.core.settings_reader import read
from vultus.core.text import json_text

FORMAT = "vultus-trust-limit-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustLimit:
    """The least trust of a face that this site compares.

    Attributes:
        model: Name of the embedder or committee.
        head_sha256: Digest of the trust head whose scores these are, with the limit it came with.
        min_trust: The limit, in [0, 1].
        usual_min_trust: What the head came with.
        cost: Share of good faces that the limit was to refuse at most, in (0, 0.5].
        n_faces: Good faces that it was chosen on.
        n_refused: How many of them it refuses.
        n_refused_by_usual: How many the limit that came with the head refuses.
        detector: What found the faces.
        created: When, ISO 8601, UTC.

    Raises:
        InputError: If a number is out of its range.
    """

    model: str
    head_sha256: str
    min_trust: float
    usual_min_trust: float
    cost: float
    n_faces: int
    n_refused: int
    n_refused_by_usual: int
    detector: str
    created: str

    def __post_init__(self) -> None:
        for name in ("min_trust", "usual_min_trust"):
            check_range(name, getattr(self, name), low=0, high=1)
        check_range("cost", self.cost, low=0, high=0.5, low_open=True)
        check_positive_int("n_faces", self.n_faces)
        for name in ("n_refused", "n_refused_by_usual"):
            check_positive_int(name, getattr(self, name), minimum=0)

    def check_head(self, head_sha256: str, *, source: str) -> None:
        """Refuse to limit another head's scores.

        Raises:
            ConfigError: If it was measured on another.
        """
        if head_sha256 != self.head_sha256:
            raise ConfigError(
                f"{source} must be for the trust head of {self.model} in use "
                f"({head_sha256[:12]}), and was measured {self.created} on another "
                f"({self.head_sha256[:12]}); measure it anew with vultus calibrate-trust, or "
                "delete it"
            )

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {"format": FORMAT, **dataclasses.asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _File(TrustLimit):
    format: Literal["vultus-trust-limit-1"]


def choose_limit(trust: npt.NDArray[np.float32], *, cost: float) -> float:
    """The highest limit that refuses at most a share of good faces.

    Args:
        trust: (n,) float32 in [0, 1]: their scores.
        cost: The share, in (0, 0.5].

    Raises:
        InputError: If the cost is out of range.
        CalibrationError: If the faces are too few for that share: one of them must be refused.
    """
    check_range("cost", cost, low=0, high=0.5, low_open=True)
    refused = int(cost * len(trust) + 1e-9)
    if refused < 1:
        raise CalibrationError(
            f"a limit that refuses {cost:.2%} of good faces must be measured on at least "
            f"{int(np.ceil(1 / cost - 1e-9)):,}, got {len(trust):,}; give more photos, or a "
            "higher cost"
        )
    return float(np.sort(trust)[refused])


def save_trust_limit(path: str | Path, limit: TrustLimit) -> None:
    """Write a limit into a file of its own; makes the folder when needed.

    Raises:
        OutputError: If it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json_text(limit.to_dict(), indent=1, allow_nan=False) + "\n", private=True)


def load_trust_limit(path: str | Path) -> TrustLimit:
    """Read what `save_trust_limit` wrote.

    Raises:
        ConfigError: If there is no such file, or it is no limit.
    """
    values = parse_json(read_text(Path(path)), source=str(path))
    if isinstance(values, Mapping) and "format" not in values:
        raise ConfigError(f"{path} must be a trust limit of format {FORMAT}, and names none")
    found = read(_File, values, source=str(path))
    fields = {f.name: getattr(found, f.name) for f in dataclasses.fields(TrustLimit)}
    return TrustLimit(**fields)
