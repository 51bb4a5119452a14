"""SGD with momentum that touches the rows that have a gradient, and no other."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from vultus.core.checks import check_range
from vultus.core.errors import InputError


class RowSparseSGD(Optimizer):
    """Momentum SGD for matrices with row-sparse gradients (`PartialFC`).

    For a row i with gradient g: v_i <- momentum v_i + g + weight_decay w_i; w_i <- w_i - lr v_i.
    A row without a gradient is left as it is, its momentum too. That differs from
    ``torch.optim.SGD`` on a dense gradient with zeros, where at every step each row's momentum
    fades, still moves the row, and decay shrinks it: here a row meets decay only as often as it is
    drawn, and its momentum is what it was when it was last drawn. Where every row has a gradient
    the two are the same.

    A dense gradient is taken as one for all rows.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate, at least 0.
        momentum: [0, 1).
        weight_decay: At least 0.

    Raises:
        InputError: If a setting is out of range.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(3, 1))
        >>> optimizer = RowSparseSGD([weight], lr=0.5)
        >>> weight.grad = torch.sparse_coo_tensor([[1]], [[1.0]], (3, 1), check_invariants=True)
        >>> optimizer.step()
        >>> weight[:, 0].tolist()
        [1.0, 0.5, 1.0]
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        check_range("lr", lr, low=0)
        check_range("momentum", momentum, low=0, high=1, high_open=True)
        check_range("weight_decay", weight_decay, low=0)
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move the rows that have a gradient.

        Args:
            closure: Computes the loss anew; its value is returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)
        return loss

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if group["momentum"] and "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        rows, velocity = _rows(parameter.grad)
        if group["weight_decay"]:
            velocity = velocity + group["weight_decay"] * parameter[rows]
        if group["momentum"]:
            velocity = velocity + group["momentum"] * state["momentum"][rows]
            state["momentum"][rows] = velocity
        parameter.index_add_(0, rows, velocity, alpha=-group["lr"])


def _rows(gradient: Tensor | None) -> tuple[Tensor, Tensor]:
    """The rows of a gradient and their values."""
    if gradient is None or gradient.ndim == 0:
        raise InputError("a parameter must have rows, got a 0-d tensor; use torch.optim.SGD for it")
    if not gradient.is_sparse:
        return torch.arange(len(gradient), device=gradient.device), gradient
    gradient = gradient.coalesce()
    if gradient.sparse_dim() != 1:
        raise InputError(
            f"a gradient must be sparse in rows only, got {gradient.sparse_dim()} dims"
        )
    return gradient.indices()[0], gradient.values()
