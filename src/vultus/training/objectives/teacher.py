"""Finished networks that a student learns from: models of the store, ONNX files, run folders."""

import math
from collections.abc import Sequence
from dataclasses import replace
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
from vultus.embedding.embedder import Committee, Embedder
from vultus.embedding.preprocess import preprocessing_line
from vultus.embedding.source import find_model
from vultus.models.cards import ModelCard
from vultus.models.committee import committee_card, parse_committee
from vultus.models.digest import sha256_file
from vultus.models.names import is_committee
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

    def network(self) -> nn.Module:
        """The same as a torch module on the CPU: see `TeacherNetwork`.

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


class CommitteeNetwork(nn.Module):
    """Several teachers as one, as `vultus.embedding.embedder.Committee` joins embedders.

    Args:
        members: Who are asked.
        weights: Of each member, summing to 1.
        least_norms: Of each member's card; 0 where it states none.
    """

    def __init__(
        self,
        members: Sequence[TeacherNetwork],
        *,
        weights: Sequence[float],
        least_norms: Sequence[float],
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.weights, self.least_norms = tuple(weights), tuple(least_norms)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) RGB in [0, 255] of any dtype -> (b, dim) float32, not normalised."""
        vectors = [member(images) for member in self.members]
        units = [
            nn.functional.normalize(rows) * math.sqrt(weight)
            for rows, weight in zip(vectors, self.weights, strict=True)
        ]
        return torch.cat(units, dim=1) * self._norms([rows.norm(dim=1) for rows in vectors])

    def _norms(self, norms: Sequence[Tensor]) -> Tensor:
        """(b, 1): the least in units of the least norms; without any the weighted mean."""
        if not any(self.least_norms):
            pairs = zip(norms, self.weights, strict=True)
            return torch.stack([norm * weight for norm, weight in pairs]).sum(dim=0)[:, None]
        pairs = zip(norms, self.least_norms, strict=True)
        return torch.stack([norm / least for norm, least in pairs if least]).amin(dim=0)[:, None]


def open_teacher(config: DistillationConfig, *, template: str, device: torch.device) -> Teacher:
    """Find a teacher and read what it is; its weights are loaded when they are needed.

    Args:
        config: Its name or a committee's, and whether mirrored crops are added.
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
    elif is_committee(config.teacher) and not path.is_file():
        teacher = _CommitteeTeacher(config, device)
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
        self._path, self.card = find_model(config.teacher, store=ModelStore())
        if self.card.task != "embedding":
            raise ConfigError(
                f"distillation.teacher must be an embedding model, {config.teacher!r} is one of "
                f"{self.card.task}"
            )
        self._flip: Flip = "add" if config.flip else "none"
        self._batch_size = config.batch_size
        self._device = device
        self._embedder: Embedder | None = None
        self.template = self.card.template
        self.size_hw = crop_template(self.template).size_hw
        self.space = _space_of(self.card, self._flip)

    def embed(self, pixels: npt.NDArray[np.uint8]) -> Embeddings:
        return self.embedder().embed(_as_crops(pixels, self.template))

    def embedder(self) -> Embedder:
        """The teacher for crops, loaded at the first call."""
        if self._embedder is None:
            on_gpu = self._device.type == "cuda"
            on_gpu = on_gpu and "cuda" in available_providers().get("onnxruntime", ())
            session = open_session(self._path, provider="cuda" if on_gpu else "cpu")
            self._embedder = Embedder(
                session, self.card, flip=self._flip, batch_size=self._batch_size
            )
        return self._embedder

    def network(self) -> TeacherNetwork:
        card = self.card
        return TeacherNetwork(
            GraphNetwork(self._path),
            mean=card.mean,
            std=card.std,
            bgr=card.colour == "bgr",
            flip=self._flip == "add",
        )


class _CommitteeTeacher:
    """Several ONNX files, whose unit vectors are joined with weights."""

    def __init__(self, config: DistillationConfig, device: torch.device) -> None:
        self._names = parse_committee(config.teacher)
        self._members = [
            _ModelTeacher(replace(config, teacher=name.name), device) for name in self._names
        ]
        self._committee: Committee | None = None
        card = committee_card(self._names, [member.card for member in self._members])
        self.template, self.size_hw = card.template, self._members[0].size_hw
        self.space = EmbeddingSpace(
            model=card.name,
            weights_sha256=card.sha256,
            preprocessing=" + ".join(m.space.preprocessing for m in self._members),
            dim=sum(member.space.dim for member in self._members),
        )

    def embed(self, pixels: npt.NDArray[np.uint8]) -> Embeddings:
        if self._committee is None:
            members = [member.embedder() for member in self._members]
            self._committee = Committee(members, self._names)
        return self._committee.embed(_as_crops(pixels, self.template))

    def network(self) -> CommitteeNetwork:
        return CommitteeNetwork(
            [member.network() for member in self._members],
            weights=[name.weight for name in self._names],
            least_norms=[member.card.min_norm for member in self._members],
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


def _as_crops(pixels: npt.NDArray[np.uint8], template: str) -> AlignedCrops:
    nowhere = np.zeros((len(pixels), 2, 3), np.float32)  # where a crop came from is not asked
    return AlignedCrops(pixels, nowhere, template)
