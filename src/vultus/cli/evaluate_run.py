"""One model on one protocol, from options to figures: what `evaluate` and `report` share."""

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vultus import __version__
from vultus.cli.evaluate_photos import embed_with
from vultus.cli.options import DEFAULT_DETECTOR, DEFAULT_EMBEDDER, make_recognizer
from vultus.evaluation.protocols import PROTOCOLS
from vultus.evaluation.protocols.base import EmbeddedPhotos, PhotoFile, ProtocolResult
from vultus.evaluation.report.record import EvaluationRecord, record_evaluation
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.selection import Selection
from vultus.runtime.providers import Precision

__all__ = ["EvaluationRun", "RunSettings", "now", "run_evaluation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """The options of one evaluation.

    Attributes:
        protocol: Name of a protocol.
        root: Its photos.
        pairs: Its list of pairs; None finds it in the root.
        model: Name or ONNX file of the embedder.
        detector: Name of the detector.
        precision: Of the embedder.
        select: Which face of a photo is meant.
        aligned: The photos are aligned crops already.
        far: Rate of ``tar_at_far``; None takes the default of `ProtocolResult.to_dict`.
    """

    protocol: str
    root: Path
    pairs: Path | None = None
    model: str = DEFAULT_EMBEDDER
    detector: str = DEFAULT_DETECTOR
    precision: Precision = "f32"
    select: Selection = "central"
    aligned: bool = False
    far: float | None = None


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """What came out.

    Attributes:
        result: Of the protocol.
        figures: What ``--json`` prints.
        cost: ``seconds`` for reading, detecting and embedding; ``model_bytes`` where known.
    """

    result: ProtocolResult
    figures: dict[str, Any]
    cost: dict[str, float]

    def record(self, *, worst: int) -> EvaluationRecord:
        """For a report, naming so many of the worst pairs."""
        return record_evaluation(
            self.result,
            figures=self.figures,
            created=now(),
            software=_software(),
            cost=self.cost,
            worst=worst,
        )


def run_evaluation(settings: RunSettings) -> EvaluationRun:
    """Embed the photos of a protocol with a model, and measure.

    Raises:
        VultusError: Whatever opening the model or reading the protocol's files raises.
    """
    options: dict[str, Any] = {"root": settings.root, "aligned": settings.aligned}
    if settings.pairs is not None:
        options["pairs"] = settings.pairs
    protocol = PROTOCOLS.create(settings.protocol, **options)
    recognizer = make_recognizer(
        detector=settings.detector, model=settings.model, precision=settings.precision, gate=False
    )
    embed = _Timed(recognizer, settings.select)
    result = protocol.run(embed)
    figures = result.to_dict(far=settings.far)
    figures["detector"] = None if settings.aligned else settings.detector
    figures["select"] = None if settings.aligned else settings.select
    figures["runtime"] = recognizer.embedder.description
    cost = {"seconds": embed.seconds}
    if recognizer.embedder.card.size_bytes is not None:
        cost["model_bytes"] = float(recognizer.embedder.card.size_bytes)
    return EvaluationRun(result, figures, cost)


def now() -> str:
    """The time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Timed:
    """Embeds as `embed_with` does, and knows how long it took without the statistics."""

    def __init__(self, recognizer: Recognizer, select: Selection) -> None:
        self._embed = embed_with(recognizer, select=select)
        self.seconds = 0.0

    def __call__(self, photos: Sequence[PhotoFile], *, aligned: bool) -> EmbeddedPhotos:
        start = time.perf_counter()
        embedded = self._embed(photos, aligned=aligned)
        self.seconds += time.perf_counter() - start
        return embedded


def _software() -> dict[str, str]:
    return {
        "vultus": __version__,
        "Python": platform.python_version(),
        "NumPy": version("numpy"),
        "system": f"{platform.system()} {platform.machine()}",
    }
