"""Are the synthetic faces of use? Raw pixels against small networks, on people never seen.

``python -m benchmarks.synthetic_faces``: pixels, then a network of four convolutions trained with
each loss, compared on pairs of unseen people. One run each, about a minute a loss on a CPU core.
"""

import argparse
import time
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn

from vultus.data.synthetic import SyntheticFaces
from vultus.evaluation.measures.accuracy import fold_accuracy
from vultus.evaluation.measures.rates import operating_point, roc_curve
from vultus.losses import LOSSES

DIM, BATCH = 128, 64
SETTINGS = {
    "softmax": {},
    "cosface": {"scale": 24.0, "margin_cos": 0.3},
    "arcface": {"scale": 24.0},
}


def main() -> None:
    """Print one line a method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--difficulty", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    start = time.perf_counter()
    train = SyntheticFaces(difficulty=options.difficulty)
    unseen = SyntheticFaces(identities=100, images=10, split="test", difficulty=options.difficulty)
    train_x, unseen_x = _tensor(train), _tensor(unseen)
    seconds = time.perf_counter() - start
    print(
        f"{len(train) + len(unseen)} images at {(len(train) + len(unseen)) / seconds:.0f} a second"
    )
    labels = torch.from_numpy(train.labels.copy())
    pairs, genuine = _pairs(unseen.labels)
    pixels = unseen_x.flatten(1)
    _report("pixels", pixels, pairs, genuine)
    _report("pixels less their mean", pixels - train_x.flatten(1).mean(0), pairs, genuine)
    for loss in SETTINGS:
        net = _trained(loss, train_x, labels, epochs=options.epochs, seed=options.seed)
        _report(loss, _embedded(net, unseen_x), pairs, genuine)


def _tensor(faces: SyntheticFaces) -> Tensor:
    """(n, 3, 56, 56) float32 in [-1, 1]."""
    images = np.stack([faces.image(index) for index in range(len(faces))])
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    return (F.avg_pool2d(pixels, 2) - 127.5) / 128


def _pairs(
    labels: npt.NDArray[np.int64], count: int = 3000
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """(2 count, 2) pairs, alternately of one person and of two, and which are which."""
    generator = np.random.default_rng(0)
    images = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    rows = []
    for _ in range(count):
        a, b = generator.choice(len(images), 2, replace=False)
        rows.append(generator.choice(images[a], 2, replace=False))
        rows.append(np.array([generator.choice(images[a]), generator.choice(images[b])]))
    return np.array(rows), np.tile([True, False], count)


def _trained(loss: str, images: Tensor, labels: Tensor, *, epochs: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    net = _network()
    head = LOSSES.create(loss, num_classes=int(labels.max()) + 1, dim=DIM, **SETTINGS[loss])
    parameters = [*net.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    steps = len(labels) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=epochs * steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        order = torch.randperm(len(labels), generator=generator)
        for rows in order[: steps * BATCH].view(steps, BATCH):
            flip = torch.rand(BATCH, generator=generator) < 0.5
            batch = torch.where(flip[:, None, None, None], images[rows].flip(3), images[rows])
            optimizer.zero_grad()
            head(net(batch), labels[rows]).loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def _network() -> nn.Module:
    widths = (3, 24, 48, 96, 128)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after)]
        layers.append(nn.PReLU(after))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, DIM), nn.BatchNorm1d(DIM))


@torch.no_grad()
def _embedded(net: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([net(part) + net(part.flip(3)) for part in torch.split(images, 256)])


def _report(
    name: str, features: Tensor, pairs: npt.NDArray[np.int64], genuine: npt.NDArray[np.bool_]
) -> None:
    unit = F.normalize(features).numpy()
    scores = (unit[pairs[:, 0]] * unit[pairs[:, 1]]).sum(axis=1).astype(np.float64)
    folds = np.arange(len(scores)) // 2 % 10
    accuracy = fold_accuracy(scores, genuine, folds=folds)
    point = operating_point(roc_curve(scores[genuine], scores[~genuine]), fmr=0.01)
    print(f"{name:24s} accuracy {accuracy.mean:6.1%}   TMR at FMR 1 % {1 - point.fnmr:6.1%}")


if __name__ == "__main__":
    main()
