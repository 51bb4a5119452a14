"""Fit a trust head's two layers to damaged samples."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from vultus.data.damage import CLEAN, DAMAGES, KINDS
from vultus.data.damage.alignment import MISALIGNED, NO_FACE

Floats = npt.NDArray[np.float32]

_TAIL = 0.06
_OWN = 0.6
"""The rest of an attraction is the group's mean: one face's few nearest strangers are noisy."""

_CLEAN_STRANGERS = 300
_REACH = 8.0
_KNOWN = {CLEAN: CLEAN, MISALIGNED: MISALIGNED, NO_FACE: NO_FACE}


def attraction(vectors: Floats, samples: "Conditions") -> Floats:
    """How near the nearest strangers are whose photos were damaged in the same way.

    Of each face the mean of the highest 6 % of its similarities (at least three) to other people
    under the same damage of the same look, drawn to the mean of its group of one damage, look and
    strength.

    Args:
        vectors: (n, d) float32, rows of length 1.
        samples: Whose photos, and what was done to them.

    Returns:
        (n,) float32 in [-1, 1].
    """
    person, strength = samples.person, samples.strength
    found = np.zeros(len(vectors), np.float32)
    for name, look in sorted(set(zip(samples.damage.tolist(), samples.look.tolist(), strict=True))):
        alike = np.flatnonzero((samples.damage == name) & (samples.look == look))
        others = alike
        if name == CLEAN:  # they are many, and the tail is to be that of the other groups
            drawn = np.random.default_rng(0).permutation(alike)
            others = drawn[:_CLEAN_STRANGERS]
        for level in np.unique(strength[alike]):
            own = alike[strength[alike] == level]
            similarity = vectors[own] @ vectors[others].T
            similarity[person[own][:, None] == person[others]] = -1
            count = min(len(others), max(3, int(_TAIL * len(others))))
            tail = np.sort(similarity, axis=1)[:, -count:].mean(axis=1)
            found[own] = _OWN * tail + (1 - _OWN) * tail.mean()
    return found


class Conditions(Protocol):
    """Of n samples: who is shown, and what was done to the photo; as `TrustSamples` has it."""

    @property
    def person(self) -> npt.NDArray[np.int64]:
        """(n,) int64."""

    @property
    def damage(self) -> npt.NDArray[Any]:
        """(n,) text."""

    @property
    def strength(self) -> Floats:
        """(n,) float32."""

    @property
    def look(self) -> npt.NDArray[np.int64]:
        """(n,) int64."""


def damage_kinds(damage: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """(n,) int64: places in `vultus.data.damage.KINDS` of damages by name."""
    kinds = [KINDS.index(_KNOWN.get(name) or DAMAGES[name].kind) for name in damage.tolist()]
    return np.array(kinds, np.int64)


def log_stretch(damage: npt.NDArray[Any], strength: Floats) -> Floats:
    """(n,) float32: logarithm of width over height as it should be; 0 where not stretched."""
    logs = np.zeros(len(damage), np.float32)
    for name, sign in (("stretch-wide", 1), ("stretch-tall", -1)):
        rows = damage == name
        logs[rows] = sign * np.log(strength[rows])
    return logs


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How the head is fitted.

    Attributes:
        hidden: Width of the layer between.
        epochs: Passes over the samples.
        learning_rate: The highest of a single cycle.
        weight_decay: Of AdamW.
        dropout: Share of the hidden layer that is left out in a step.
        seed: Of weights and batches.
    """

    hidden: int = 64
    epochs: int = 40
    learning_rate: float = 2e-3
    weight_decay: float = 3e-2
    dropout: float = 0.3
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What the head is to say of n samples: see `vultus.quality.trust.TrustHead`.

    Attributes:
        attraction: (n,) float32.
        log_stretch: (n,) float32.
        kind: (n,) int64, places in `KINDS`.
    """

    attraction: Floats
    log_stretch: Floats
    kind: npt.NDArray[np.int64]


def fit_layers(features: Floats, targets: Targets, settings: FitSettings) -> dict[str, Floats]:
    """Fit the two layers.

    Args:
        features: (n, d) float32: pools and log norm.
        targets: Of the same samples.
        settings: How.

    Returns:
        The arrays of a `TrustHead` by name.
    """
    centre, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    inputs = torch.from_numpy(np.clip((features - centre) / scale, -_REACH, _REACH))
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(settings.seed)
        network = nn.Sequential(
            nn.Linear(inputs.shape[1], settings.hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, 2 + len(KINDS)),
        )
        _train(network, inputs, targets, settings)
    first, second = network[0], network[3]
    return {
        "centre": np.asarray(centre, np.float32),
        "scale": np.asarray(scale, np.float32),
        "first": _array(first.weight.T),
        "first_bias": _array(first.bias),
        "second": _array(second.weight.T),
        "second_bias": _array(second.bias),
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    """The matrices are small: more threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train(
    network: nn.Module, inputs: torch.Tensor, targets: Targets, settings: FitSettings
) -> None:
    wanted = [
        torch.from_numpy(array.copy())
        for array in (targets.attraction, targets.log_stretch, targets.kind)
    ]
    batch = min(128, len(inputs))
    steps = max(1, settings.epochs * (len(inputs) // batch))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=steps + 1
    )
    network.train()
    for _ in range(steps):
        rows = torch.randint(len(inputs), (batch,))
        loss = _loss(network(F.dropout(inputs[rows], 0.1)), [one[rows] for one in wanted])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    network.eval()


def _loss(outputs: torch.Tensor, wanted: list[torch.Tensor]) -> torch.Tensor:
    drawn, stretched, kind = wanted
    # The factors bring the three to one size: attractions differ by some 0.1, logs by some 0.3.
    return (
        60 * F.mse_loss(outputs[:, 0], drawn)
        + 10 * F.mse_loss(outputs[:, 1], stretched)
        + F.cross_entropy(outputs[:, 2:], kind, label_smoothing=0.05)
    )


def _array(tensor: Any) -> Floats:
    return np.ascontiguousarray(tensor.detach().numpy(), np.float32)
