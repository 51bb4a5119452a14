"""Is a loss differentiable as it claims? Finite differences, and the inputs that break losses."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from vultus.core.errors import InputError
from vultus.losses.base import Loss

Batch = tuple[Tensor, Tensor]
"""Features (n, dim) and labels (n,)."""


def spread_batch(loss: Loss, *, rows: int, generator: torch.Generator) -> Batch:
    """Random float64 features with lengths from 0.5 to 60, and random labels.

    Every second row repeats the label of the row before it, so that pairs exist.
    """
    directions = torch.randn(rows, loss.dim, generator=generator, dtype=torch.float64)
    lengths = torch.logspace(math.log10(0.5), math.log10(60), rows, dtype=torch.float64)
    features = directions / directions.norm(dim=1, keepdim=True) * lengths[:, None]
    labels = torch.randint(loss.num_labels, (rows,), generator=generator)
    labels[1::2] = labels[: rows - 1 : 2] if rows % 2 else labels[::2]
    return features, labels


class _HeldConstants(TorchFunctionMode):
    """Makes ``detach`` answer what it answered in the first pass.

    What a loss detaches is a constant to its gradient, so it has to be one to the differences too:
    this way the documented derivative of a detached form is checked, not only exact ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Tensor] = []
        self.next = -1  # below 0: first pass

    def replay(self) -> None:
        self.next = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is not torch.Tensor.detach:
            return func(*args, **({} if kwargs is None else kwargs))
        if self.next < 0:
            self.values.append(args[0].detach().clone())
            return self.values[-1]
        self.next += 1
        return self.values[self.next - 1]


def gradient_error(loss: Loss, batch: Batch, *, step: float = 1e-6) -> float:
    """Largest disagreement of autograd with central differences, in float64.

    What the loss detaches is held constant in the differences.

    Args:
        loss: A loss in evaluation mode, so that it is one function; its parameters are converted to
            float64 and put back.
        batch: Features and labels.
        step: Of the differences.

    Returns:
        Largest ``|numeric - autograd|`` over features and parameters, relative to the largest
        gradient entry (to 1 where that is smaller).

    Raises:
        InputError: If the loss is in training mode.
    """
    if loss.training:
        raise InputError("gradient_error needs loss.eval(): in training mode its state moves")
    inputs = batch[0].detach().double().clone().requires_grad_()
    kept = {name: value.detach().clone() for name, value in loss.state_dict().items()}
    loss.double()
    try:
        wanted = [inputs, *(value for value in loss.parameters() if value.requires_grad)]
        constants = _HeldConstants()
        with constants:
            value = loss(inputs, batch[1]).loss
        exact = torch.autograd.grad(value, wanted, allow_unused=True, materialize_grads=True)

        def evaluate() -> float:
            constants.replay()
            with constants:
                return float(loss(inputs, batch[1]).loss)

        numeric = [_differences(evaluate, tensor, step) for tensor in wanted]
    finally:
        loss.float().load_state_dict(kept)
    size = max(1.0, *(float(gradient.abs().max()) for gradient in exact))
    pairs = zip(exact, numeric, strict=True)
    return max(float((left - right).abs().max()) for left, right in pairs) / size


@torch.no_grad()
def _differences(evaluate: Callable[[], float], tensor: Tensor, step: float) -> Tensor:
    out = torch.empty_like(tensor)
    flat, slopes = tensor.view(-1), out.view(-1)
    for index in range(len(flat)):
        middle = float(flat[index])
        flat[index] = middle + step
        above = evaluate()
        flat[index] = middle - step
        slopes[index] = (above - evaluate()) / (2 * step)
        flat[index] = middle
    return out


def survives(loss: Loss, batch: Batch) -> bool:
    """Whether value and gradients of features and parameters are finite, twice in a row.

    Args:
        loss: In either mode.
        batch: Features and labels; features are taken as float32.
    """
    features = batch[0].detach().float().clone().requires_grad_()
    loss.zero_grad(set_to_none=True)
    value = loss(features, batch[1]).loss
    value.backward(retain_graph=True)
    value.backward()
    gradients = [features.grad, *(parameter.grad for parameter in loss.parameters())]
    loss.zero_grad(set_to_none=True)
    tensors = [value, *(gradient for gradient in gradients if gradient is not None)]
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def _axis(loss: Loss) -> Tensor:
    """(C, d) unit directions of the classes: its centres, or any where it has none."""
    weight = getattr(loss, "weight", None)
    if weight is None:
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(loss.num_classes, loss.dim, generator=generator)
    rows: Tensor = weight.detach().float().reshape(loss.num_classes, -1, loss.dim)[:, 0]
    unit: Tensor = rows / rows.norm(dim=1, keepdim=True)
    return unit


def _at_angles(loss: Loss, angles_rad: list[float]) -> Batch:
    """Features of length 1 at these angles to the centre of class 0."""
    center = _axis(loss)[0]
    across = torch.zeros_like(center)
    across[int(center.abs().argmin())] = 1
    across = across - (across @ center) * center
    across = across / across.norm()
    rows = [math.cos(angle) * center + math.sin(angle) * across for angle in angles_rad]
    return torch.stack(rows), torch.zeros(len(rows), dtype=torch.long)


def _cosine_ends(loss: Loss) -> Batch:
    center = _axis(loss)[0]
    # Exactly parallel and opposite, not through sin and cos.
    features, labels = _at_angles(loss, [math.pi / 2] * 3)
    features = torch.stack([center, features[0], -center])
    return features, labels


def _multiples(loss: Loss) -> Batch:
    angles = [k * math.pi / m for m in (1, 2, 3, 4) for k in range(m + 1)]
    return _at_angles(loss, angles)


def _one_row(loss: Loss) -> Batch:
    return _axis(loss)[:1] * 3 + 0.1, torch.zeros(1, dtype=torch.long)


def _one_class(loss: Loss) -> Batch:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(4, loss.dim, generator=generator)
    return features, torch.full((4,), loss.num_classes - 1)


def _all_alike(loss: Loss) -> Batch:
    features = (_axis(loss)[:1] + 0.3).repeat(4, 1)
    return features, torch.tensor([0, 0, 1, 1])


def _zero(loss: Loss) -> Batch:
    features, labels = _all_alike(loss)
    return features * torch.tensor([[0.0], [1.0], [0.0], [1.0]]), labels


def _sizes(loss: Loss) -> Batch:
    features, labels = _one_class(loss)
    return features * torch.tensor([[1e-6], [1e-3], [1e3], [1e4]]), labels


EDGE_CASES: Mapping[str, Callable[[Loss], Batch]] = {
    "cosine -1, 0, 1": _cosine_ends,
    "angle k pi / m, m = 1 ... 4": _multiples,
    "batch of one": _one_row,
    "one class only, the others without a face": _one_class,
    "identical features, same and other labels": _all_alike,
    "features of length 0": _zero,
    "lengths 1e-6 ... 1e4": _sizes,
}
"""Batches at which a careless loss is NaN or infinite; every loss must survive them."""
