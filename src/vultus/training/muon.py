"""Muon: momentum whose directions are all made equally long, for the matrices of a network."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from vultus.core.errors import InputError

__all__ = ["Muon", "orthogonalised"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
_RMS = 0.2
"""Root mean square of an update's entries at a rate of 1, about that of AdamW."""


def orthogonalised(matrix: Tensor) -> Tensor:
    """The matrix with its singular values brought near to 1, between about 0.7 and 1.2.

    Five rounds of an odd polynomial (Newton-Schulz). They are run on the smaller of the two Gram
    matrices and applied once, which for a wide matrix takes a fraction of the multiplications.

    Args:
        matrix: (rows, columns) floating.

    Returns:
        Same shape and dtype. Singular values below a few thousandths of the matrix's norm are not
        lifted all the way; zeros stay zeros.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.T if tall else matrix
    wide = wide / wide.norm().clamp_min(torch.finfo(wide.dtype).tiny)
    a, b, c = _COEFFICIENTS
    gram = wide @ wide.T
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    product = eye
    for _ in range(_ROUNDS):
        polynomial = a * eye + b * gram + c * (gram @ gram)
        product = polynomial @ product
        gram = polynomial @ gram @ polynomial
    result: Tensor = product @ wide
    return result.T if tall else result


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
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum_buffer"]
        buffer.lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(buffer, group["momentum"])
        matrix = ahead.reshape(len(ahead), -1)
        update = orthogonalised(matrix) * (_RMS * max(matrix.shape) ** 0.5)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(update.reshape(ahead.shape), alpha=-group["lr"])
