"""Partial FC: a margin softmax that looks at the batch's classes and a sample of the others.

Each step draws some of the classes, computes the loss over those only, and gives a gradient that
has rows for those only (a sparse tensor). `RowSparseSGD` then moves those rows and no other. With a
dense gradient and a usual optimiser, momentum and weight decay would move all rows at every step,
sampled or not, at the cost that sampling was to save.

Losses at different sampling rates are not comparable: fewer negatives, smaller sum. The optional
correction (``ClassSampling.correct``) makes the sum an unbiased estimate of the full one.

Source: An et al., "Partial FC", ICCVW 2021, arXiv 2010.05222, and CVPR 2022, arXiv 2203.15565.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.optim import Optimizer

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError
from vultus.losses.base import LossOutput
from vultus.losses.many_classes.fused import ClassLayout
from vultus.losses.many_classes.fused_head import FusedMarginSoftmax
from vultus.losses.many_classes.sharding import rank_and_size
from vultus.losses.margins.target_logit import TargetLogit

_FEWEST_TO_SAMPLE = 1_000_000
_NEGATIVES_KEPT = 300_000


def suggested_sample_rate(num_classes: int) -> float:
    """The share of the classes to look at in a step.

    1 under a million classes (sampling was reported to gain nothing there, or to harm); above,
    about 300,000 classes, but at most 0.3 and at least 0.1 of all, the range that the papers use.

    Example:
        >>> [suggested_sample_rate(n) for n in (93_000, 1_000_000, 2_000_000, 10_000_000)]
        [1.0, 0.3, 0.15, 0.1]
    """
    check_positive_int("num_classes", num_classes)
    if num_classes < _FEWEST_TO_SAMPLE:
        return 1.0
    return min(max(_NEGATIVES_KEPT / num_classes, 0.1), 0.3)


@dataclass(frozen=True)
class ClassSampling:
    """How the classes of a step are drawn.

    The batch's own classes always take part; the others are drawn uniformly without replacement,
    anew at each training step, up to ``rate`` of a process's classes in all. If the batch alone
    fills that, half as many negatives again are drawn, so that a loss without negatives cannot be.

    Attributes:
        rate: Share of the classes in (0, 1]; None takes `suggested_sample_rate`. 1 takes all: no
            sampling, and a dense gradient.
        correct: Add ln(classes that a drawn one stands for) to the drawn classes' logits.
        seed: Of the draws; with the step and the rank it fixes the sample, so a resumed run goes on
            with the draws that it would have made.
    """

    rate: float | None = None
    correct: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rate is not None:
            check_range("rate", self.rate, low=0, low_open=True, high=1)
        check_positive_int("seed", self.seed, minimum=0)


_DEFAULT_SAMPLING = ClassSampling()


class PartialFC(FusedMarginSoftmax):
    """A fused margin softmax over a sample of the classes, with a row-sparse gradient.

    In evaluation mode it looks at all classes. Statistics' ``accuracy`` is over the sample.

    Args:
        num_classes: Number of identities over all processes.
        dim: Length of a feature.
        target_logit: The margin.
        scale: s, above 0.
        sampling: How classes are drawn.
        group: Processes that share the classes; each draws from its own.

    Attributes:
        sample_rate: Share of the classes in use.

    Example:
        >>> from vultus.losses.margins.target_logit import CosFaceLogit
        >>> rate = ClassSampling(rate=0.1)
        >>> head = PartialFC(
        ...     num_classes=1000, dim=8, target_logit=CosFaceLogit(), sampling=rate
        ... )
        >>> head(torch.ones(4, 8), torch.arange(4)).loss.backward()
        >>> head.weight.grad.coalesce().indices().shape  # 4 own classes and 96 others
        torch.Size([1, 100])
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        target_logit: TargetLogit,
        scale: float = 64.0,
        sampling: ClassSampling = _DEFAULT_SAMPLING,
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__(
            num_classes=num_classes, dim=dim, target_logit=target_logit, scale=scale, group=group
        )
        self.sampling = sampling
        rate = sampling.rate
        self.sample_rate = suggested_sample_rate(num_classes) if rate is None else rate

    @property
    def classes_in_sum(self) -> int:
        """The sample; all classes where it is corrected to stand for them."""
        rate = 1.0 if self.sampling.correct else self.sample_rate
        return max(1, round(rate * self.num_classes))

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """The loss over the sample of this step; over all classes when not training."""
        if self.sample_rate == 1 or not self.training:
            return super().compute(features, labels)
        everyone, targets = self._batch_of_all(features, labels)
        target_logit = self._target_logit_of_batch(everyone, targets)
        rows, drawn = self.draw(targets)
        centers: Tensor = _TakeRows.apply(self.weight, rows)  # type: ignore[no-untyped-call]
        weights = _log_weights(drawn, len(self.classes)) if self.sampling.correct else None
        layout = ClassLayout(group=self.group, log_weights=weights)
        positions = self._positions(rows, targets)
        sampled = self._losses(everyone, centers, positions, target_logit, layout)
        rankable = not (target_logit.changes_negatives or self.sampling.correct)
        return self._output(sampled, targets, rankable=rankable)

    def draw(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of ``weight`` that take part in this step.

        Args:
            targets: (n,) int64 labels of the batch of all processes.

        Returns:
            (k,) int64 rows, ascending, each once; and (k,) bool, whether a row was drawn (it is no
            class of the batch).
        """
        own = len(self.classes)
        local = targets - self.classes.start
        positive = torch.zeros(own, dtype=torch.bool, device=targets.device)
        positive[local[(local >= 0) & (local < own)]] = True
        nominal = math.ceil(self.sample_rate * own)
        present = int(positive.sum())
        wanted = min(own - present, max(nominal - present, math.ceil(nominal / 2)))
        keys = torch.rand(own, generator=self._generator(), device=targets.device)
        keys.masked_fill_(positive, 2.0)
        drawn = torch.zeros_like(positive)
        drawn[keys.topk(wanted, largest=False, sorted=False).indices] = True
        rows = (positive | drawn).nonzero()[:, 0]
        return rows, drawn[rows]

    def _generator(self) -> torch.Generator:
        rank, _ = rank_and_size(self.group)
        sequence = np.random.SeedSequence([self.sampling.seed, self.step, rank])
        seed = int(sequence.generate_state(1, np.uint64)[0] >> 1)
        return torch.Generator(self.weight.device).manual_seed(seed)

    def _positions(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Labels as positions in ``rows``; past the end for other processes' classes."""
        local = targets - self.classes.start
        here = (local >= 0) & (local < len(self.classes))
        positions = torch.where(here, torch.searchsorted(rows, local), len(rows))
        return torch.where(targets < 0, targets, positions)


class _TakeRows(torch.autograd.Function):
    """Rows of a matrix, with a sparse gradient for the matrix."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape = matrix.shape
        return matrix.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        gradient = torch.sparse_coo_tensor(
            rows[None], grads[0], ctx.shape, is_coalesced=True, check_invariants=False
        )
        return gradient, None


def _log_weights(drawn: Tensor, num_classes: int) -> Tensor:
    """0 for the batch's classes; ln(others / drawn others) for those that were drawn."""
    count = int(drawn.sum())
    others = num_classes - (len(drawn) - count)
    correction = math.log(others / count) if count else 0.0
    return drawn * torch.tensor(correction, dtype=torch.float32, device=drawn.device)


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
