"""Muon: momentum whose directions are all made equally long, for the matrices of a network."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vultus.core.errors import InputError

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
_RMS = 0.2
"""Root mean square of an update's entries at a rate of 1, about that of AdamW."""


def orthogonalised(matrix: Tensor) -> Tensor:
    """The matrix with its singular values brought near to 1, between about 0.7 and 1.2.

    Five rounds of an odd polynomial (Newton-Schulz). They are run on the smaller of the two Gram
    matrices and applied once, which for a wide matrix takes a fraction of the multiplications.

    Args:
        matrix: (..., rows, columns) floating; each matrix is taken by itself.

    Returns:
        Same shape and dtype. Singular values below a few thousandths of the matrix's norm are not
        lifted all the way; zeros stay zeros.
    """
    tall = matrix.shape[-2] > matrix.shape[-1]
    wide = matrix.mT if tall else matrix
    length = torch.linalg.vector_norm(wide, dim=(-2, -1), keepdim=True)
    wide = wide / length.clamp_min(torch.finfo(wide.dtype).tiny)
    a, b, c = _COEFFICIENTS
    gram = wide @ wide.mT
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    product = eye
    for _ in range(_ROUNDS):
        polynomial = a * eye + b * gram + c * (gram @ gram)
        product = polynomial @ product
        gram = polynomial @ gram @ polynomial
    result: Tensor = product @ wide
    return result.mT if tall else result


class Muon(Optimizer):
    """Nesterov momentum, orthogonalised; decoupled weight decay.

    A convolution is taken as the matrix (out channels, in channels * height * width). The update
    is scaled so that its entries have about the size of AdamW's: rates and decays of AdamW serve.

    Args:
        groups: Parameters of at least two axes.
        lr: Learning rate.
        momentum: In [0, 1).
        weight_decay: At least 0.

    Raises:
        InputError: If a parameter has fewer than two axes.

    Source:
        Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the scaling
        is that of Liu et al., "Muon is Scalable for LLM Training", arXiv 2502.16982, equation 4.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim < 2:
                    raise InputError(f"Muon needs matrices, got shape {tuple(parameter.shape)}")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        if closure is not None:
            raise InputError("Muon takes no closure")
        for group in self.param_groups:
            moving = [parameter for parameter in group["params"] if parameter.grad is not None]
            ahead = [self._ahead(p, p.grad, group["momentum"]) for p in moving]
            for parameter, update in zip(moving, _updates(ahead), strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"])

    def _ahead(self, parameter: nn.Parameter, gradient: Tensor, momentum: float) -> Tensor:
        """The gradient, carried on by its momentum."""
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum_buffer"]
        buffer.lerp_(gradient, 1 - momentum)
        ahead: Tensor = gradient.lerp(buffer, momentum)
        return ahead


def _updates(ahead: Sequence[Tensor]) -> list[Tensor]:
    """One of each tensor's shape; those of one shape together, in a few launches on a GPU."""
    places: dict[torch.Size, list[int]] = {}
    for place, tensor in enumerate(ahead):
        places.setdefault(tensor.shape, []).append(place)
    updates: list[Tensor] = [*ahead]
    for shape, alike in places.items():
        matrices = torch.stack([ahead[place].reshape(shape[0], -1) for place in alike])
        scaled = orthogonalised(matrices) * (_RMS * max(matrices.shape[1:]) ** 0.5)
        for place, update in zip(alike, scaled, strict=True):
            updates[place] = update.reshape(shape)
    return updates
