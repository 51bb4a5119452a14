"""Finished networks that a student learns from: models of the store, ONNX files, run folders."""

from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from vultus.alignment.crop_templates import crop_template
from vultus.core.choices import Flip
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import ConfigError
from vultus.embedding.embedder import Embedder
from vultus.embedding.preprocess import preprocessing_line
from vultus.embedding.source import find_model
from vultus.models.cards import ModelCard
from vultus.models.digest import sha256_file
from vultus.models.store import ModelStore
from vultus.runtime.providers import available_providers
from vultus.runtime.session import open_session
from vultus.training.objectives.graph_network import GraphNetwork
from vultus.training.recipe.config import EvaluationConfig
from vultus.training.recipe.recipe_file import load_recipe
from vultus.training.recipe.stage_config import DistillationConfig
from vultus.training.run.result import build_backbone, load_backbone, weights_file
from vultus.training.run.run_folder import RunFolder
from vultus.training.validation import CropEmbedder


class Teacher(Protocol):
    """A finished network.

    Attributes:
        space: What its embeddings are, with the digest of its weights.
        template: Alignment template of the crops that it knows.
        size_hw: Height and width of those crops.
    """

    space: EmbeddingSpace
    template: str
    size_hw: tuple[int, int]

    def embed(self, pixels: npt.NDArray[np.uint8]) -> Embeddings:
        """Embed clean crops.

        Args:
            pixels: (n, h, w, 3) RGB of ``size_hw``.
        """
        ...

    def network(self) -> "TeacherNetwork":
        """The same as a torch module on the CPU.

        Raises:
            ModelError: If torch cannot compute it.
        """
        ...


class TeacherNetwork(nn.Module):
    """A teacher that takes batches of tensors on any device; it never trains.

    Args:
        inner: Normalised images to (b, dim).
        mean: ``(pixels - mean) / std`` goes into it.
        std: As ``mean``.
        bgr: Whether it takes the colours in that order.
        flip: Add the feature of the mirrored image.
    """

    def __init__(
        self, inner: nn.Module, *, mean: float, std: float, bgr: bool = False, flip: bool = True
    ) -> None:
        super().__init__()
        self.inner = inner
        self.mean, self.std, self.bgr, self.flip = mean, std, bgr, flip
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) RGB in [0, 255] of any dtype -> (b, dim) float32, not normalised."""
        floats = (images.to(torch.float32) - self.mean) / self.std
        if self.bgr:
            floats = floats.flip(1)
        if self.flip:
            floats = torch.cat([floats, floats.flip(3)])
        vectors: Tensor = self.inner(floats.contiguous(memory_format=torch.channels_last)).float()
        return vectors[: len(images)] + vectors[len(images) :] if self.flip else vectors


def open_teacher(config: DistillationConfig, *, template: str, device: torch.device) -> Teacher:
    """Find a teacher and read what it is; its weights are loaded when they are needed.

    Args:
        config: Its name, and whether mirrored crops are added.
        template: Alignment template of the training crops.
        device: Where it is to run. An ONNX file runs on the CPU unless the device is a GPU and
            ONNX Runtime for it is installed.

    Raises:
        VultusError: If there is no such teacher, or it is no embedder.
        ConfigError: If it was trained on crops of another template.
    """
    path = Path(config.teacher).expanduser()
    teacher: Teacher
    if path.is_dir() and config.teacher not in ModelStore().names():
        teacher = _RunTeacher(path, config, device)
    else:
        teacher = _ModelTeacher(config, device)
    if teacher.template != template:
        raise ConfigError(
            f"distillation.teacher {config.teacher!r} knows crops of template "
            f"{teacher.template!r}, and input.template is {template!r}; they must be the same"
        )
    return teacher


class _ModelTeacher:
    """An ONNX file with its card."""

    def __init__(self, config: DistillationConfig, device: torch.device) -> None:
        self._path, self._card = find_model(config.teacher, store=ModelStore())
        if self._card.task != "embedding":
            raise ConfigError(
                f"distillation.teacher must be an embedding model, {config.teacher!r} is one of "
                f"{self._card.task}"
            )
        self._flip: Flip = "add" if config.flip else "none"
        self._batch_size = config.batch_size
        self._device = device
        self._embedder: Embedder | None = None
        self.template = self._card.template
        self.size_hw = crop_template(self.template).size_hw
        self.space = _space_of(self._card, self._flip)

    def embed(self, pixels: npt.NDArray[np.uint8]) -> Embeddings:
        if self._embedder is None:
            on_gpu = self._device.type == "cuda"
            on_gpu = on_gpu and "cuda" in available_providers().get("onnxruntime", ())
            session = open_session(self._path, provider="cuda" if on_gpu else "cpu")
            self._embedder = Embedder(
                session, self._card, flip=self._flip, batch_size=self._batch_size
            )
        nowhere = np.zeros((len(pixels), 2, 3), np.float32)  # where a crop came from is not asked
        return self._embedder.embed(AlignedCrops(pixels, nowhere, self.template))

    def network(self) -> TeacherNetwork:
        card = self._card
        return TeacherNetwork(
            GraphNetwork(self._path),
            mean=card.mean,
            std=card.std,
            bgr=card.colour == "bgr",
            flip=self._flip == "add",
        )


class _RunTeacher:
    """A network that `vultus train` made."""

    def __init__(self, path: Path, config: DistillationConfig, device: torch.device) -> None:
        folder = RunFolder(path)
        if not folder.config.is_file():
            raise ConfigError(f"distillation.teacher {path} is no run folder and no model")
        recipe = load_recipe(str(folder.config))
        with torch.random.fork_rng(devices=[]):
            dim = build_backbone(recipe).dim
        self._path = path
        self._input = recipe.input
        self._evaluation = EvaluationConfig(batch_size=config.batch_size, flip=config.flip)
        self._device = device
        self._embedder: CropEmbedder | None = None
        self.template = recipe.input.template
        self.size_hw = recipe.input.size_hw
        self.space = EmbeddingSpace(
            model=f"run {path.resolve().name}",
            weights_sha256=sha256_file(weights_file(folder, "auto")),
            preprocessing=preprocessing_line(
                template=self.template,
                colour="rgb",
                mean=recipe.input.mean,
                std=recipe.input.std,
                flip="add" if config.flip else "none",
            ),
            dim=dim,
        )

    def embed(self, pixels: npt.NDArray[np.uint8]) -> Embeddings:
        if self._embedder is None:
            with torch.random.fork_rng(devices=[]):
                backbone = load_backbone(self._path).to(self._device)
            self._embedder = CropEmbedder(
                backbone, input=self._input, config=self._evaluation, device=self._device
            )
        return self._embedder.embed(pixels).embeddings

    def network(self) -> TeacherNetwork:
        with torch.random.fork_rng(devices=[]):
            backbone = load_backbone(self._path)
        return TeacherNetwork(
            backbone,
            mean=self._input.mean,
            std=self._input.std,
            flip=self._evaluation.flip,
        )


def _space_of(card: ModelCard, flip: Flip) -> EmbeddingSpace:
    return EmbeddingSpace(
        model=card.name,
        weights_sha256=card.sha256,
        preprocessing=preprocessing_line(
            template=card.template, colour=card.colour, mean=card.mean, std=card.std, flip=flip
        ),
        dim=card.embedding_dim,
    )
