"""The models that photos go through, opened when they are first needed."""

from functools import cached_property
from pathlib import Path
from typing import Any, Self

from vultus.core.choices import Precision, Runtime
from vultus.detection.base import Detector, open_detector
from vultus.embedding.embedder import Embedder, open_embedder
from vultus.models.cards import ModelCard
from vultus.pipeline.trust_head import find_trust_head
from vultus.quality.committee_trust import CommitteeHead
from vultus.quality.trust import TrustHead

_OPENED = ("detector", "embedder", "_passive_liveness")


class OpenedModels:
    """Detector, embedder and trust head; what `Analyser` stands on.

    Args:
        detector: As `vultus.pipeline.analyser.Analyser`; all others likewise.
        embedder: What makes the vectors.
        runtime: For models opened here.
        precision: For the embedder opened here.
        threads: Threads per model.
    """

    def __init__(
        self,
        detector: str | Detector,
        embedder: str | Path | ModelCard | Embedder,
        *,
        runtime: Runtime,
        precision: Precision,
        threads: int | None,
    ) -> None:
        self._detector = detector
        self._embedder = embedder
        self._runtime: Runtime = runtime
        self._precision: Precision = precision
        self.threads = threads

    @property
    def detector_name(self) -> str:
        """As it was asked for, with its model where one was named: ``yunet:yunet-n-dynamic``."""
        return self._detector if isinstance(self._detector, str) else self._detector.name

    def __getstate__(self) -> dict[str, Any]:
        """For pickling, as other processes get it: models opened by name are opened there anew."""
        return {k: v for k, v in self.__dict__.items() if k not in _OPENED}

    def __copy__(self) -> Self:
        """With the same open models, unlike what is pickled."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    @cached_property
    def detector(self) -> Detector:
        """The detector, opened on first use."""
        if isinstance(self._detector, str):
            return open_detector(self._detector, runtime=self._runtime, threads=self.threads)
        return self._detector

    @cached_property
    def embedder(self) -> Embedder:
        """The embedder, opened on first use.

        Raises:
            ModelNotFoundError: If its file is not on this machine; the message says how to get it.
        """
        if isinstance(self._embedder, Embedder):
            return self._embedder
        head = self.trust_head
        return open_embedder(
            self._embedder,
            runtime=self._runtime,
            precision=self._precision,
            threads=self.threads,
            taps=() if head is None else head.taps,
        )

    @cached_property
    def trust_head(self) -> TrustHead | CommitteeHead | None:
        """What judges how far the embedder's vectors can be trusted; None without one.

        An `Embedder` that was opened elsewhere brings none: its maps are not pooled.

        Raises:
            ModelNotFoundError, ModelError: If there must be one and it cannot be read.
        """
        if isinstance(self._embedder, Embedder):
            return None
        return find_trust_head(self._embedder)
