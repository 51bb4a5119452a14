"""Centre and whiten what a network gives: a matrix behind it, from crops without names.

Features of a network have a common mean, and spread more in some directions than in others; both
make strangers look alike. Neither says anything of a person.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from vultus.backbones.base import Backbone
from vultus.core.errors import ImageError, InputError
from vultus.core.faces import Image
from vultus.data import FaceDataset, open_dataset
from vultus.training.recipe.config import EvaluationConfig, InputConfig
from vultus.training.validation import CropEmbedder

logger = logging.getLogger(__name__)

MOST = 20_000
"""So many crops are looked at, evenly spread over the data set."""

_LEAST = 8
"""Crops a dimension."""

_NOTE_S = 15.0

_SOFTNESS = 1.0
"""Added to every variance, as a share of the mean one: large leaves all directions as they are."""


class Whitened(Backbone):
    """A network, and a shift and a matrix behind it.

    Args:
        backbone: The network.
        mean: (dim,) what is subtracted from its features.
        matrix: (dim, dim) what the rest is multiplied with, from the right.
    """

    def __init__(
        self, backbone: Backbone, *, mean: npt.NDArray[np.float64], matrix: npt.NDArray[np.float64]
    ) -> None:
        super().__init__(dim=backbone.dim, input_hw=backbone.input_hw)
        self.backbone = backbone
        self.after = nn.Linear(backbone.dim, backbone.dim)
        with torch.no_grad():
            self.after.weight.copy_(torch.from_numpy(matrix.T))
            self.after.bias.copy_(torch.from_numpy(-mean @ matrix))

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        features: Tensor = self.after(self.backbone(images))
        return features


def fit_whitening(
    vectors: npt.NDArray[np.floating[Any]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What `Whitened` takes, from features of many people.

    With the covariance's eigenvalues e and their mean t, directions are scaled by
    1 / sqrt(e + t): those of much spread are held back by half at most, and none that is only
    noise is blown up. The mean square length stays as it is.

    Args:
        vectors: (n, dim) as the network gives them, not normalised.

    Returns:
        (dim,) mean and (dim, dim) matrix, symmetric.

    Raises:
        InputError: If there are fewer than 8 dim vectors, or all are equal.
    """
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or len(rows) < _LEAST * rows.shape[1]:
        raise InputError(
            f"whitening needs (n, dim) features with n at least {_LEAST} times dim, got shape "
            f"{rows.shape}; give it more crops"
        )
    mean = rows.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(rows.T))
    spread = float(values.mean())
    if not spread > 0:
        raise InputError("whitening needs features that differ, these are all equal")
    scales = 1 / np.sqrt(values.clip(0) + _SOFTNESS * spread)
    scales *= np.sqrt(values.sum() / (scales**2 * values).sum())
    return mean, (axes * scales) @ axes.T


def whitened(backbone: Backbone, crops: Path, settings: InputConfig, *, flip: bool) -> Whitened:
    """The network with a whitening fitted on crops.

    Args:
        backbone: On the CPU, in evaluation mode.
        crops: A data set of aligned crops, as `vultus.data.open_dataset` takes it; names are not
            used. At most 20,000 are read.
        settings: How crops become its input.
        flip: Whether the mirrored view will be added; then both views together are whitened.

    Raises:
        InputError: If there is no such data set, or it has too few images that can be read.
    """
    dataset = open_dataset(crops)
    embedder = CropEmbedder(
        backbone,
        input=replace(settings, size_hw=backbone.input_hw),
        config=EvaluationConfig(flip=flip),
        device=torch.device("cpu"),
    )
    embedded = embedder.embed(_images(dataset))
    raw = embedded.embeddings.vectors * embedded.embeddings.norms[:, None]
    mean, matrix = fit_whitening(raw / 2 if flip else raw)
    return Whitened(backbone, mean=mean, matrix=matrix).eval()


def _images(dataset: FaceDataset) -> Iterator[Image | None]:
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(MOST, len(dataset))).astype(int))
    said = time.monotonic()
    for done, index in enumerate(chosen):
        if time.monotonic() - said > _NOTE_S:
            said = time.monotonic()
            logger.info("whitening: %d of %d crops", done, len(chosen))
        try:
            yield dataset.image(int(index))
        except ImageError:
            yield None
