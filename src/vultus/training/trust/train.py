"""Make the trust head of an embedder: damage crops, fit, choose the limit."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.choices import Precision
from vultus.core.errors import ConfigError
from vultus.core.plain_values import parse_assignment
from vultus.core.progress import Progress
from vultus.core.settings_reader import read
from vultus.data.base import FaceDataset
from vultus.data.damage import CLEAN, KINDS
from vultus.detection.base import open_detector
from vultus.embedding.embedder import Embedder, open_embedder
from vultus.embedding.source import find_model
from vultus.models.store import ModelStore
from vultus.quality.trust import TrustHead, save_trust_head
from vultus.runtime.pools import usual_taps
from vultus.training.data_selection import open_faces
from vultus.training.recipe.config import DataConfig
from vultus.training.trust.features import TEMPLATE, crop_features
from vultus.training.trust.fit import (
    FitSettings,
    Targets,
    attraction,
    damage_kinds,
    fit_layers,
    log_stretch,
)
from vultus.training.trust.samples import SampleCounts, damaged_samples

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TrustSettings:
    """What a trust head is made of.

    Attributes:
        data: Aligned crops to damage and fit on.
        limits: Aligned crops of other people, on which the limit is chosen.
        damaged: How many samples are made of each damage, all its strengths together.
        clean: How many undamaged samples are made, for the fit and for the limit each.
        cost: Share of undamaged faces of the limits' people that may be refused, in (0, 0.5].
        width: Over how much attraction the score falls, in (0, 1]: from 0.73 to 0.27 over twice
            this. With less fewer undamaged faces are doubtful, and fewer damaged ones, too.
        detector: What finds the faces again.
        precision: Of the embedder while samples are embedded.
        kept: Folder in which samples and what the embedder finds in them are kept as they are
            made: a run that was stopped goes on, another embedder's head is made of the same
            samples, and a fit with other settings costs the fit alone; None keeps nothing.
        fit: How the two layers are fitted.
        seed: Of every random number before the fit.
    """

    data: DataConfig = field(default_factory=DataConfig)
    limits: DataConfig = field(default_factory=DataConfig)
    damaged: int = 160
    clean: int = 1200
    cost: float = 0.005
    width: float = 0.06
    detector: str = "mtcnn:min_face_px=30"
    precision: Precision = "f32"
    kept: Path | None = None
    fit: FitSettings = field(default_factory=FitSettings)
    seed: int = 0

    def __post_init__(self) -> None:
        check_positive_int("damaged", self.damaged, minimum=8)
        check_positive_int("clean", self.clean, minimum=50)
        check_range("cost", self.cost, low=0, high=0.5, low_open=True)
        check_range("width", self.width, low=0, high=1, low_open=True)


def trust_settings(assignments: Sequence[str]) -> TrustSettings:
    """Settings from words such as ``data.root=crops`` and ``cost=0.02``.

    Raises:
        ConfigError: If a word is none, a key is unknown, or a value cannot be.
    """
    values: dict[str, Any] = {}
    for word in assignments:
        key_path, value = parse_assignment(word)
        keys, place = key_path.split("."), values
        for key in keys[:-1]:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{word}: {key} must be a group of settings, and has a value")
        place[keys[-1]] = value
    return read(TrustSettings, values, source="train-trust")


@dataclass(frozen=True, slots=True, eq=False)
class TrainedTrust:
    """A head, and what it costs.

    Attributes:
        head: With its limit.
        n_samples: How many damaged and clean samples it was fitted on.
        n_clean: How many undamaged faces the limit was chosen on.
        refused_clean: Share of them that it refuses.
    """

    head: TrustHead
    n_samples: int
    n_clean: int
    refused_clean: float

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "model_sha256": self.head.model_sha256,
            "min_trust": self.head.min_trust,
            "n_samples": self.n_samples,
            "n_clean": self.n_clean,
            "refused_clean": self.refused_clean,
        }


def train_trust(
    model: str | Path,
    settings: TrustSettings,
    *,
    store: ModelStore | None = None,
    progress: Progress | None = None,
) -> TrainedTrust:
    """Make a model's trust head.

    Args:
        model: A name in the store, or a file with its card; its template must be arcface-112.
        settings: What of.
        store: Where the model is; None takes the default store.
        progress: Told how far it is.

    Raises:
        ConfigError: If no data is named, or the model's crops are of another template.
        ModelError: If the graph has no inner maps that can be pooled.
        InputError: If there are too few faces.
    """
    embedder, taps = _open(model, settings, ModelStore() if store is None else store)
    limits = open_faces(settings.limits)  # refused before any work
    samples = damaged_samples(
        open_faces(settings.data),
        open_detector(settings.detector),
        counts=SampleCounts(settings.damaged, settings.clean),
        seed=settings.seed,
        kept=settings.kept,
        progress=progress,
    )
    features, vectors = crop_features(
        embedder, samples.pixels, kept=settings.kept, progress=progress
    )
    targets = Targets(
        attraction(vectors, samples),
        log_stretch(samples.damage, samples.strength),
        damage_kinds(samples.damage),
    )
    layers = fit_layers(features, targets, settings.fit)
    norms = np.exp(features[samples.damage == CLEAN, -1])
    head = _unlimited(embedder, taps, layers, norms)
    trained = _limited(head, embedder, limits, settings, progress=progress)
    ways = len(set(samples.damage.tolist()) - {CLEAN})
    notes = f"fitted on {len(samples):,} crops, {ways} ways of damage; {trained.head.notes}"
    return replace(trained, n_samples=len(samples), head=replace(trained.head, notes=notes))


def _unlimited(
    embedder: Embedder, taps: tuple[Any, ...], layers: dict[str, Floats], norms: Floats
) -> TrustHead:
    """A head whose score has no scale yet; the norms are of clean faces."""
    return TrustHead(
        taps=taps,
        kinds=KINDS,
        model_sha256=embedder.card.sha256,
        preprocessing=embedder.space.preprocessing,
        min_trust=0.5,
        doubt=_DOUBT,
        midpoint=0.0,
        width=1.0,
        norm_midpoint=float(np.quantile(norms, 0.1)),
        norm_width=float(norms.std() / 2),
        notes="",
        **layers,
    )


_DOUBT = 0.1
"""Chosen on damaged development faces: at the same cost it lets fewer strangers pass than none."""

_LEAST = 0.2
"""The score at the limit: heads of different models read alike, and most clean faces have 0.9."""


def _open(
    model: str | Path, settings: TrustSettings, store: ModelStore
) -> tuple[Embedder, tuple[Any, ...]]:
    path, card = find_model(model, store=store)
    if card.template != TEMPLATE:
        raise ConfigError(
            f"a trust head is made of crops of {TEMPLATE}, model {card.name!r} takes "
            f"{card.template!r}"
        )
    taps = usual_taps(path)
    embedder = open_embedder(model, store=store, precision=settings.precision, taps=taps)
    return embedder, taps


def _limited(
    head: TrustHead,
    embedder: Embedder,
    faces: FaceDataset,
    settings: TrustSettings,
    *,
    progress: Progress | None,
) -> TrainedTrust:
    """The head with the limit that refuses the stated share of other people's clean faces."""
    clean = damaged_samples(
        faces,
        open_detector(settings.detector),
        counts=SampleCounts(0, settings.clean),
        seed=settings.seed + 1,
        kept=settings.kept,
        progress=progress,
    )
    features, _ = crop_features(embedder, clean.pixels, kept=settings.kept, progress=progress)
    drawn = head.drawn(head.outputs(features[:, :-1], np.exp(features[:, -1])))
    limit = float(np.quantile(drawn, 1 - settings.cost))
    refused = float((drawn > limit).mean())
    notes = f"the limit refuses {refused:.1%} of {len(drawn):,} undamaged faces of other people"
    midpoint = limit - settings.width * float(np.log(1 / _LEAST - 1))
    head = replace(head, width=settings.width, midpoint=midpoint, min_trust=_LEAST, notes=notes)
    return TrainedTrust(head, 0, len(drawn), refused)


def save_site_head(model: str, trained: TrainedTrust, *, store: ModelStore | None = None) -> Path:
    """Put a head where every `Recognizer` of this site finds it; gives its path.

    Raises:
        OutputError: If it cannot be written.
    """
    store = ModelStore() if store is None else store
    path = store.trust_path(store.card(model).name)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_trust_head(path, trained.head)
    return path
