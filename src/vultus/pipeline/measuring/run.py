"""One model on one protocol, from options to figures: what `evaluate` and `report` share."""

import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vultus import __version__
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_EMBEDDER, Flip, Precision, Selection
from vultus.core.errors import InputError
from vultus.core.files import check_target
from vultus.core.progress import Progress
from vultus.embedding.embedder import open_embedder
from vultus.evaluation.protocols import PROTOCOLS
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
from vultus.pipeline.measuring.settings import parse_settings
from vultus.pipeline.measuring.stored import RecordedEmbeddings, StoredEmbeddings
from vultus.pipeline.recognizer import Recognizer


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """The options of one evaluation.

    Attributes:
        protocol: Name of a protocol.
        root: Its photos.
        pairs: Its list of pairs; None finds it in the root.
        model: Name or ONNX file of the embedder; None takes the default, or the one of
            ``embeddings``.
        detector: Name of the detector.
        precision: Of the embedder.
        select: Which face of a photo is meant.
        aligned: The photos are aligned crops already.
        flip: What the embedder does with the mirrored view; None takes the model card's way.
        embeddings: File of embeddings to take instead of photos; their model is measured.
        save_embeddings: File to write the protocol's embeddings to.
        settings: Of the protocol, ``name=value`` each.
        far: Rate of ``tar_at_far``; None takes the default of `ProtocolResult.figures`.
    """

    protocol: str
    root: Path
    pairs: Path | None = None
    model: str | None = None
    detector: str = DEFAULT_DETECTOR
    precision: Precision = "f32"
    select: Selection = "central"
    aligned: bool = False
    flip: Flip | None = None
    embeddings: Path | None = None
    save_embeddings: Path | None = None
    settings: tuple[str, ...] = ()
    far: float | None = None


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


def run_evaluation(settings: RunSettings, *, progress: Progress | None = None) -> EvaluationRun:
    """Embed the photos of a protocol with a model, and measure.

    Args:
        settings: What to measure on what.
        progress: Told how many photos are done.

    Raises:
        VultusError: Whatever opening the model or reading the protocol's files raises.
    """
    options: dict[str, Any] = {"root": settings.root, "aligned": settings.aligned}
    if settings.pairs is not None:
        options["pairs"] = settings.pairs
    options |= parse_settings(PROTOCOLS.get(settings.protocol), settings.settings)
    if settings.save_embeddings is not None:
        check_target(settings.save_embeddings)
    protocol = PROTOCOLS.create(settings.protocol, **options)
    stored = _stored_file(settings)
    if stored is not None:
        return _run_stored(protocol, stored, settings)
    model = DEFAULT_EMBEDDER if settings.model is None else settings.model
    recognizer = Recognizer(
        detector=settings.detector,
        embedder=open_embedder(model, flip=settings.flip, precision=settings.precision),
        gate=None,
    )
    embed = _Timed(embed_with(recognizer, select=settings.select, progress=progress))
    recorded = RecordedEmbeddings(embed)
    result = protocol.run(embed if settings.save_embeddings is None else recorded)
    if settings.save_embeddings is not None:
        recorded.save(settings.save_embeddings)
    figures = RunFigures(
        detector=None if settings.aligned else settings.detector,
        select=None if settings.aligned else settings.select,
        runtime=recognizer.embedder.description,
        **vars(result.figures(far=settings.far)),
    )
    size = recognizer.embedder.card.size_bytes
    cost = RunCost(embed.seconds, None if size is None else float(size))
    return EvaluationRun(result, figures, cost)


def _stored_file(settings: RunSettings) -> Path | None:
    """The file of embeddings to take, if any; a root of embeddings is one."""
    if settings.embeddings is not None:
        return settings.embeddings
    return settings.root if settings.root.suffix == ".npz" else None


def _run_stored(protocol: EvaluationProtocol, path: Path, settings: RunSettings) -> EvaluationRun:
    if settings.save_embeddings is not None or settings.flip is not None:
        raise InputError(
            f"{path} holds embeddings already; leave --save-embeddings and --flip away"
        )
    embed = StoredEmbeddings(path, select=settings.select)
    space = embed.embeddings.space
    if settings.model is not None and settings.model != space.model:
        raise InputError(
            f"{path} must hold embeddings of model {settings.model!r}, it holds those of "
            f"{space.model!r}; leave --model away to measure that"
        )
    result = protocol.run(embed)
    figures = RunFigures(
        detector=None,
        select=settings.select,
        runtime=f"stored embeddings, {path.name}",
        embeddings=StoredFile(path.name, sha256_file(path)),
        **vars(result.figures(far=settings.far)),
    )
    return EvaluationRun(result, figures, RunCost())


def now() -> str:
    """The time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Timed:
    """Embeds as another callable does, and knows how long it took without the statistics."""

    def __init__(self, embed: EmbedPhotos) -> None:
        self._embed = embed
        self.seconds = 0.0

    def __call__(self, photos: Photos, *, aligned: bool) -> EmbeddedPhotos:
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
