"""One model on one protocol: figures, and what a report keeps of them."""

import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from vultus import __version__
from vultus.core.checks import check_range
from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.errors import InputError
from vultus.core.files import check_target
from vultus.core.progress import Progress
from vultus.evaluation.protocols.base import (
    EmbeddedPhotos,
    EmbedPhotos,
    EvaluationProtocol,
)
from vultus.evaluation.protocols.figures import RunFigures, StoredFile
from vultus.evaluation.protocols.photos import Photos
from vultus.evaluation.protocols.result import ProtocolResult
from vultus.evaluation.report.record import EvaluationRecord, RunCost, record_evaluation
from vultus.models.digest import sha256_file
from vultus.pipeline.measuring.photos import embed_with
from vultus.pipeline.measuring.stored import RecordedEmbeddings, StoredEmbeddings
from vultus.pipeline.recognizer import Recognizer


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """What came out.

    Attributes:
        result: Of the protocol.
        figures: What ``--json`` prints.
        cost: What it took.
    """

    result: ProtocolResult
    figures: RunFigures
    cost: RunCost

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


def measure(
    protocol: EvaluationProtocol,
    recognizer: Recognizer,
    *,
    select: Selection = DEFAULT_SELECT,
    far: float | None = None,
    save_embeddings: Path | None = None,
    progress: Progress | None = None,
) -> EvaluationRun:
    """Embed the photos of a protocol with a model, and measure.

    The quality gate is not applied: what cannot be judged counts as it comes.

    Args:
        protocol: Of `PROTOCOLS`, e.g. ``PROTOCOLS.create("lfw", root=Path("lfw.zip"))``.
        recognizer: Detects, aligns and embeds.
        select: Which face of a photo is meant; by default as the protocol says, if it does.
        far: Rate of ``tar_at_far``; None takes the default of `ProtocolResult.figures`.
        save_embeddings: File to write the photos' embeddings to, for `measure_stored`.
        progress: Told how many photos are done.

    Raises:
        VultusError: Whatever opening the model or reading the protocol's files raises.
    """
    # Before hours of embedding, not after.
    _check_far(far)
    if save_embeddings is not None:
        check_target(save_embeddings)
    select = _rule(protocol, select)
    embed = _Timed(embed_with(recognizer, select=select, progress=progress))
    recorded = RecordedEmbeddings(embed)
    result = protocol.run(embed if save_embeddings is None else recorded)
    if save_embeddings is not None:
        recorded.save(save_embeddings)
    figures = RunFigures(
        detector=None if embed.aligned else recognizer.detector_name,
        select=None if embed.aligned else select,
        runtime=recognizer.embedder.description + _scored_by(protocol),
        **vars(result.figures(far=far)),
    )
    size = recognizer.embedder.card.size_bytes
    cost = RunCost(embed.seconds, None if size is None else float(size))
    return EvaluationRun(result, figures, cost)


def measure_stored(
    protocol: EvaluationProtocol,
    path: Path,
    *,
    select: Selection = DEFAULT_SELECT,
    far: float | None = None,
    model: str | None = None,
) -> EvaluationRun:
    """Measure with embeddings from a file instead of photos.

    Args:
        protocol: As `measure`.
        path: A file of `vultus embed` or of ``save_embeddings``.
        select: Which face is meant where the file holds several of a photo; as `measure`.
        far: As `measure`.
        model: Name of the model that must have made them; None takes any.

    Raises:
        InputError: If it is no such file, of another model, or lacks photos of the protocol.
    """
    _check_far(far)
    select = _rule(protocol, select)
    embed = StoredEmbeddings(path, select=select)
    space = embed.embeddings.space
    if model is not None and model != space.model:
        raise InputError(
            f"{path} must hold embeddings of model {model!r}, it holds those of "
            f"{space.model!r}; leave --model away to measure that"
        )
    result = protocol.run(embed)
    figures = RunFigures(
        detector=None,
        select=select,
        runtime=f"stored embeddings, {path.name}{_scored_by(protocol)}",
        embeddings=StoredFile(path.name, sha256_file(path)),
        **vars(result.figures(far=far)),
    )
    return EvaluationRun(result, figures, RunCost())


def _rule(protocol: EvaluationProtocol, select: Selection) -> Selection:
    """The rule that was asked for, else that of the data set."""
    own: Selection = getattr(protocol, "select", select)
    return own if select == DEFAULT_SELECT else select


def _check_far(far: float | None) -> None:
    if far is not None:
        check_range("far", far, low=0, high=1, low_open=True)


def _scored_by(protocol: EvaluationProtocol) -> str:
    """What scored the pairs, where that was not the cosine."""
    words = getattr(protocol, "scored_by", None)
    return "" if words is None else f"; pairs scored by {words}"


def now() -> str:
    """The time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Timed:
    """Embeds as another callable does, and knows what the statistics do not.

    Attributes:
        seconds: How long it took.
        aligned: All photos were aligned crops, so that nothing was detected.
    """

    def __init__(self, embed: EmbedPhotos) -> None:
        self._embed = embed
        self.seconds = 0.0
        self.aligned = True

    def __call__(self, photos: Photos, *, aligned: bool) -> EmbeddedPhotos:
        self.aligned &= aligned
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
