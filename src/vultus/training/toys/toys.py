"""Two-dimensional experiments: train a tiny network to 2-D features, to see what a loss does."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vultus.core.checks import check_positive_int
from vultus.core.errors import MissingDependencyError
from vultus.losses import LOSSES, Loss
from vultus.losses.centres.classification import Softmax, UniFace
from vultus.losses.centres.euclidean import EuclideanCenters
from vultus.losses.margins.functional import class_cosines, unit_rows
from vultus.losses.margins.margin_softmax import MarginSoftmax
from vultus.losses.margins.schedules import MarginWarmup

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ToyData:
    """Points to separate.

    Attributes:
        name: For titles.
        inputs: (n, d) float32.
        labels: (n,) int64 in [0, num_classes).
        num_classes: Number of identities.
    """

    name: str
    inputs: Tensor
    labels: Tensor
    num_classes: int


@dataclass(frozen=True, eq=False)
class Toy:
    """A trained toy.

    Attributes:
        title: Loss and settings, for the picture.
        loss: The loss with its trained centres, in evaluation mode.
        features: (n, 2) float32.
        labels: (n,) int64.
        accuracy: Share of the training points that `class_scores` puts in their own class.
    """

    title: str
    loss: Loss
    features: Tensor
    labels: Tensor
    accuracy: float


def synthetic_identities(
    *,
    num_classes: int = 8,
    per_class: int = 100,
    dim: int = 16,
    spread: float = 0.45,
    seed: int = 0,
) -> ToyData:
    """Gaussian clusters around random directions: "photos" of some people.

    Args:
        num_classes: Number of people.
        per_class: Photos of each.
        dim: Length of an input.
        spread: Standard deviation around a person's direction (whose length is 1), per dimension.
        seed: Of the draw.
    """
    check_positive_int("num_classes", num_classes, minimum=2)
    generator = torch.Generator().manual_seed(seed)
    directions, _ = unit_rows(torch.randn(num_classes, dim, generator=generator))
    labels = torch.arange(num_classes).repeat_interleave(per_class)
    noise = torch.randn(len(labels), dim, generator=generator)
    return ToyData("identities", directions[labels] + spread * noise, labels, num_classes)


def digits() -> ToyData:
    """The 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn.

    Raises:
        MissingDependencyError: If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingDependencyError(
            "the digits come with scikit-learn; install it with: pip install scikit-learn"
        ) from error
    pixels, labels = load_digits(return_X_y=True)
    inputs = torch.as_tensor(pixels, dtype=torch.float32) / 16
    return ToyData("digits", inputs, torch.as_tensor(labels, dtype=torch.int64), 10)


def class_scores(loss: Loss, features: Tensor, trained: tuple[Tensor, Tensor]) -> Tensor:
    """How near features are to each class, without any margin: the larger, the nearer.

    Args:
        loss: A trained loss. Its own classifier decides; one without classes leaves it to the
            means of the training features, by cosine if the loss normalises, else by distance.
        features: (n, 2).
        trained: (m, 2) training features and their (m,) labels, for the means.

    Returns:
        (n, C).
    """
    if isinstance(loss, Softmax):
        return loss.logits(features)
    if isinstance(loss, MarginSoftmax):
        cos, _, norms = loss.cosines(features, torch.zeros(len(features), dtype=torch.int64))
        return loss.scale_for(cos, norms) * cos
    if isinstance(loss, EuclideanCenters):  # centres of equal length: nearest is most aligned
        return features @ unit_rows(loss.weight)[0].T
    if isinstance(loss, UniFace):
        return class_cosines(unit_rows(features)[0], unit_rows(loss.weight)[0])
    points, labels = trained
    by_angle = getattr(loss, "normalize", True)
    placed = unit_rows(points)[0] if by_angle else points
    means = torch.stack([placed[labels == j].mean(dim=0) for j in range(loss.num_classes)])
    if by_angle:
        return class_cosines(unit_rows(features)[0], unit_rows(means)[0])
    return -torch.cdist(features, means)


def train_toy(
    data: ToyData,
    loss_name: str,
    *,
    settings: Mapping[str, Any] | None = None,
    steps: int = 600,
    seed: int = 0,
) -> Toy:
    """Train a three-layer network to 2-D features with one loss.

    Margins come in over the first third of the steps, because two dimensions are tight.

    Args:
        data: What to separate.
        loss_name: A name in `LOSSES`.
        settings: Of the loss.
        steps: Adam steps with 128 points each.
        seed: Of weights and batches; the global generators are left as they were.

    Raises:
        RegistryError: If there is no such loss.
        InputError: If a setting is unknown or out of range.
    """
    chosen = {} if settings is None else dict(settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        loss = LOSSES.create(loss_name, num_classes=data.num_classes, dim=2, **chosen)
        if isinstance(loss, MarginSoftmax):
            loss.margin_schedule = MarginWarmup(steps=max(1, steps // 3))
        network = nn.Sequential(
            nn.Linear(data.inputs.shape[1], 64), nn.PReLU(), nn.Linear(64, 64), nn.PReLU(),
            nn.Linear(64, 2),
        )  # fmt: skip
        _fit(network, loss, data, steps=steps)
    loss.eval()
    with torch.no_grad():
        features = network(data.inputs)
        nearest = class_scores(loss, features, (features, data.labels)).argmax(dim=1)
    accuracy = float((nearest == data.labels).float().mean())
    logger.info("%s on %s: %.3f of the points in their class", loss_name, data.name, accuracy)
    title = "\n".join([loss_name, *(f"{name} = {value}" for name, value in chosen.items())])
    return Toy(title, loss, features, data.labels, accuracy)


def _fit(network: nn.Module, loss: Loss, data: ToyData, *, steps: int) -> None:
    parameters = [*network.parameters(), *loss.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * (1 + math.cos(math.pi * step / steps))
        rows = torch.randint(len(data.labels), (128,))
        optimizer.zero_grad()
        loss(network(data.inputs[rows]), data.labels[rows]).loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
