"""Evaluation while a network trains: accuracy on pairs of people that it has never seen."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import ConfigError, ImageError, TrainingError
from vultus.core.faces import Image
from vultus.data import DATASETS, FaceDataset, open_dataset
from vultus.data.decode import decode_image
from vultus.data.loading.sizing import resized
from vultus.evaluation.measures.accuracy import FoldAccuracy, fold_accuracy
from vultus.evaluation.measures.face_pairs import draw_pairs
from vultus.evaluation.protocols import PROTOCOLS
from vultus.evaluation.protocols.base import EmbeddedPhotos
from vultus.evaluation.protocols.photos import PhotoFile
from vultus.evaluation.protocols.scoring import pair_scores
from vultus.training.process.images import normalise
from vultus.training.recipe.config import EvaluationConfig, EvaluationSet, InputConfig

_PAIR_FILES = ("pairs.txt", "pairs.tsv")


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation during training says.

    Attributes:
        name: Of the set.
        accuracy: Over folds, with its interval.
        spread: Mean distance of an embedding from the mean of all, in [0, 1]; near 0 the network
            gives the same for every face.
    """

    name: str
    accuracy: FoldAccuracy
    spread: float

    def to_dict(self) -> dict[str, Any]:
        """Numbers for the log."""
        interval = self.accuracy.interval
        return {
            "set": self.name,
            "accuracy": self.accuracy.mean,
            "accuracy_low": interval.low,
            "accuracy_high": interval.high,
            "n_pairs": self.accuracy.n_pairs,
            "n_failures": self.accuracy.n_failures,
            "spread": self.spread,
        }


class EvaluationStoppedError(TrainingError):
    """An evaluation was stopped by a signal before its end."""


class CropEmbedder:
    """Makes embeddings of aligned crops with a torch network, in evaluation mode.

    Args:
        backbone: The network; its mode is put back afterwards.
        input: Size and normalisation.
        config: Batch size and flip.
        device: Where the network is.
        should_stop: Asked before each batch.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        input: InputConfig,  # noqa: A002 - the section's name
        config: EvaluationConfig,
        device: torch.device,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.backbone = backbone
        self.input = input
        self.config = config
        self.device = device
        self.should_stop = should_stop
        self.spread = 0.0

    def __call__(self, photos: Sequence[PhotoFile], *, aligned: bool) -> EmbeddedPhotos:
        """Embed the crops of a protocol.

        Raises:
            ConfigError: If they are not aligned crops.
        """
        if not aligned:
            raise ConfigError(
                "evaluation during training needs aligned crops: set aligned = true for a set that "
                "holds them, or evaluate the exported model with: vultus evaluate"
            )
        return self.embed(_decoded(photo) for photo in photos)

    def embed(self, images: Iterable[Image | None]) -> EmbeddedPhotos:
        """Embed crops; None stands for one that could not be read.

        Raises:
            EvaluationStoppedError: If it was asked to stop.
        """
        features: list[npt.NDArray[np.float32]] = []
        failed: list[bool] = []
        waiting: list[Image] = []
        was_training = self.backbone.training
        self.backbone.eval()
        for image in images:
            failed.append(image is None)
            if image is not None:
                waiting.append(self._sized(image))
            if len(waiting) == self.config.batch_size:
                features.append(self._features(waiting))
                waiting = []
        if waiting:
            features.append(self._features(waiting))
        self.backbone.train(was_training)
        dim = int(getattr(self.backbone, "dim", 0))
        rows = np.concatenate(features) if features else np.zeros((0, dim), np.float32)
        space = EmbeddingSpace("in training", "0" * 64, self.input.template, rows.shape[1])
        embeddings = Embeddings.from_raw(rows, space)
        self.spread = float(1 - np.linalg.norm(embeddings.vectors.mean(axis=0))) if len(rows) else 0
        return EmbeddedPhotos(embeddings, np.array(failed, np.bool_))

    @torch.inference_mode()
    def _features(self, images: Sequence[Image]) -> npt.NDArray[np.float32]:
        if self.should_stop():
            raise EvaluationStoppedError("the evaluation was stopped; it gave no result")
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).to(self.device)
        floats = normalise(pixels, self.input)
        features: Tensor = self.backbone(floats)
        if self.config.flip:
            features = features + self.backbone(floats.flip(3))
        return features.float().cpu().numpy()

    def _sized(self, image: Image) -> Image:
        (height, width), wanted = image.shape[:2], self.input.size_hw
        if height * wanted[1] != width * wanted[0]:
            raise ConfigError(
                f"evaluation crops must be of size_hw {wanted}, or larger or smaller in the same "
                f"proportion, got {(height, width)}"
            )
        return resized(image, wanted)


class Validation(Protocol):
    """Something to evaluate on."""

    @property
    def name(self) -> str:
        """For the log."""
        ...

    def run(self, embedder: CropEmbedder) -> EvaluationResult:
        """Embed and measure."""
        ...


@dataclass(frozen=True, eq=False)
class PairValidation:
    """Pairs drawn from a data set with identities.

    Attributes:
        name: For the log.
        dataset: The faces, of people who are not in the training data.
        pairs: How many are drawn.
    """

    name: str
    dataset: FaceDataset
    pairs: int = 6000

    def run(self, embedder: CropEmbedder) -> EvaluationResult:
        """Embed every image that is in a pair, and measure."""
        generator = np.random.default_rng(0)  # the same pairs in every evaluation of a run
        drawn = draw_pairs(self.dataset.labels, pairs=self.pairs, generator=generator)
        used, places = np.unique([drawn.first, drawn.second], return_inverse=True)
        first, second = places.reshape(2, -1)
        embedded = embedder.embed(_image_of(self.dataset, int(index)) for index in used)
        scores = pair_scores(embedded, first, second)
        accuracy = fold_accuracy(scores, drawn.genuine, folds=drawn.folds)
        return EvaluationResult(self.name, accuracy, embedder.spread)


@dataclass(frozen=True, eq=False)
class ProtocolValidation:
    """One of the protocols of `vultus.evaluation`, on aligned crops.

    Attributes:
        name: For the log.
        kind: Name of the protocol.
        settings: Its settings.
    """

    name: str
    kind: str
    settings: dict[str, Any] = field(default_factory=dict)

    def run(self, embedder: CropEmbedder) -> EvaluationResult:
        """Embed and measure.

        Raises:
            ConfigError: If the protocol gives no accuracy.
        """
        result = PROTOCOLS.create(self.kind, **self.settings).run(embedder)
        if result.accuracy is None:
            raise ConfigError(f"evaluation set {self.name!r} is too small for folds")
        return EvaluationResult(self.name, result.accuracy, embedder.spread)


def open_validations(sets: Sequence[EvaluationSet]) -> list[Validation]:
    """The sets of a recipe; files are looked for at once, so that a run does not fail later.

    Raises:
        ConfigError: If a kind is unknown or two sets have one name.
        InputError: If a file is missing.
    """
    opened = [_open(entry) for entry in sets]
    names = [validation.name for validation in opened]
    if len(set(names)) != len(names):
        raise ConfigError(f"evaluation sets must have different names, got {', '.join(names)}")
    return opened


def _open(entry: EvaluationSet) -> Validation:
    if entry.root is None and entry.kind == "auto":
        raise ConfigError(
            "evaluation.sets: a set needs a root (a folder of one sub-folder a person, a .bin) "
            "or a kind, such as 'synthetic'"
        )
    path = None if entry.root is None else Path(entry.root).expanduser()
    kind = _kind(path) if entry.kind == "auto" else entry.kind
    name = entry.name
    if name is None:
        name = kind if path is None else path.stem
    settings = dict(entry.settings)
    if kind == "auto" or kind in DATASETS:
        pairs = {"pairs": settings.pop("pairs")} if "pairs" in settings else {}
        return PairValidation(name, open_dataset(path, kind, **settings), **pairs)
    if kind not in PROTOCOLS:
        known = ", ".join(sorted([*DATASETS, *PROTOCOLS]))
        raise ConfigError(f"evaluation set {name!r}: no kind {kind!r} (there are: {known})")
    settings = {"root": path, "aligned": True, **settings}
    PROTOCOLS.create(kind, **settings)
    return ProtocolValidation(name, kind, settings)


def _kind(path: Path | None) -> str:
    if path is not None and path.suffix == ".bin":
        return "pairs"
    if path is not None and any((path / name).is_file() for name in _PAIR_FILES):
        return "pairs"
    return "auto"


def _decoded(photo: PhotoFile) -> Image | None:
    data = photo.read_bytes() if isinstance(photo, Path) else photo
    try:
        return decode_image(data, str(photo) if isinstance(photo, Path) else "image")
    except ImageError:
        return None


def _image_of(dataset: FaceDataset, index: int) -> Image | None:
    try:
        return dataset.image(index)
    except ImageError:
        return None
