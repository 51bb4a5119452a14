"""What all losses share: the registry, the result, the checks of features and labels."""

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from vultus.core.checks import check_positive_int
from vultus.core.errors import InputError
from vultus.core.registry import Registry
from vultus.losses.process_sums import every_process_has_rows

IGNORED = -1
"""A row with this label takes no part in any loss."""


class LossOutput(NamedTuple):
    """A loss and what is worth logging beside it.

    Attributes:
        loss: 0-d tensor with a graph, float32 (float64 for float64 features).
        statistics: Detached 0-d tensors on the features' device by name, units in the name.
    """

    loss: Tensor
    statistics: dict[str, Tensor]


@dataclass(frozen=True)
class LossInfo:
    """Where a loss comes from, for tables and plots.

    Attributes:
        paper: Authors, short title, venue and year.
        equation: The loss in one line of plain text.
        parameters: Meaning and unit of each setting, as its docstring has it.
        arxiv: arXiv number, or None where there is none at hand.
    """

    paper: str
    equation: str
    parameters: Mapping[str, str]
    arxiv: str | None = None


class Loss(nn.Module, ABC):
    """A loss over one batch: ``(features, labels) -> LossOutput``.

    Computes in float32 whatever the features are (float64 stays), outside any autocast. State that
    follows the data (running means, centres, ``step``) moves only in training mode.

    Args:
        num_classes: Number of identities; labels are 0 ... num_classes - 1.
        dim: Length of a feature.

    Attributes:
        step: Forward passes made in training mode; saved in the state dict, so that schedules and
            random margins go on after a resume.
    """

    spans_processes: ClassVar[bool] = False
    """Whether `compute` sums over the processes of a distributed run while it trains. They must
    then call `forward` together, and a batch that is empty on one counts for nothing on all."""

    takes_ignored: ClassVar[bool] = False
    """Whether `compute` is given the rows labelled `IGNORED` too, and leaves them out itself."""

    def __init__(self, *, num_classes: int, dim: int) -> None:
        super().__init__()
        self.num_classes = check_positive_int("num_classes", num_classes)
        self.dim = check_positive_int("dim", dim)
        self.step = 0

    @property
    def num_labels(self) -> int:
        """How many different labels `forward` takes; more than the classes if there is a "none"."""
        return self.num_classes

    def forward(self, features: Tensor, labels: Tensor) -> LossOutput:
        """The loss of a batch.

        Args:
            features: (n, dim) floating, not normalised, as the network gives them.
            labels: (n,) integer in [0, num_labels), or `IGNORED` for rows to leave out.

        Returns:
            Loss and statistics. A batch without a usable row has loss 0 (with a graph).

        Raises:
            InputError: If shapes or dtypes do not match, or a label is out of range; on every
                process if the loss spans them.
        """
        try:
            check_features(features, dim=self.dim)
            check_labels(labels, num_labels=self.num_labels, rows=len(features))
        except InputError:
            self.refuse(features.device)
            raise
        with torch.autocast(features.device.type, enabled=False):
            precise = features.to(torch.promote_types(features.dtype, torch.float32))
            if not self.takes_ignored:
                kept = labels != IGNORED
                if not bool(kept.all()):
                    precise, labels = precise[kept], labels[kept]
                if not self._usable(len(labels), features.device):
                    return LossOutput(features.float().sum() * 0, {})
            output = self.compute(precise, labels.long())
        if self.training:
            self.step += 1
        return output

    def refuse(self, device: torch.device) -> None:
        """Tell the processes that wait for this one's batch that it cannot take it."""
        if self.spans_processes and self.training:
            every_process_has_rows(0, failed=True, device=device)

    def _usable(self, rows: int, device: torch.device) -> bool:
        if self.spans_processes and self.training:
            return every_process_has_rows(rows, device=device)
        return rows > 0

    @abstractmethod
    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """The loss itself, on checked arguments.

        Args:
            features: (n, dim) float32 or float64; n at least 1, unless the loss `takes_ignored`.
            labels: (n,) int64, all in range.
        """

    def get_extra_state(self) -> Tensor:
        """``step`` as a tensor (so that safetensors can hold it)."""
        return torch.tensor(self.step)

    def set_extra_state(self, state: Tensor) -> None:
        """Set ``step`` from a checkpoint."""
        self.step = int(state)

    def extra_repr(self) -> str:
        """Classes and dimension."""
        return f"num_classes={self.num_classes}, dim={self.dim}"


LOSSES: Registry[Loss] = Registry("losses")
"""Every loss by name: ``LOSSES.create(name, num_classes=..., dim=..., **settings)``."""

LOSS_INFO: dict[str, LossInfo] = {}
"""What is known of each loss in `LOSSES`, by the same name."""

_LossClass = TypeVar("_LossClass", bound=Callable[..., Loss])


def register_loss(
    name: str, *, paper: str, equation: str, arxiv: str | None = None
) -> Callable[[_LossClass], _LossClass]:
    """Decorator that adds a loss to `LOSSES` and its description to `LOSS_INFO`.

    The settings are described once, under "Args:" of the class.

    Args:
        name: What `LOSSES` calls it.
        paper: See `LossInfo`.
        equation: See `LossInfo`.
        arxiv: See `LossInfo`.

    Raises:
        RegistryError: If the name is taken.
    """

    def add(factory: _LossClass) -> _LossClass:
        LOSSES.register(name)(factory)
        LOSS_INFO[name] = LossInfo(paper, equation, _described_settings(factory), arxiv)
        return factory

    return add


def _described_settings(factory: Callable[..., Loss]) -> dict[str, str]:
    """What "Args:" of a docstring says of each setting that is a loss's own."""
    section = inspect.cleandoc(factory.__doc__ or "").partition("Args:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {
        name: " ".join(meaning.replace("``", "`").split()).rstrip(".")
        for name, meaning in entries
        if name not in ("num_classes", "dim")
    }


def check_features(features: Tensor, *, dim: int) -> None:
    """Check that features are a floating (n, dim) tensor.

    Raises:
        InputError: If not.
    """
    if not features.is_floating_point() or features.ndim != 2 or features.shape[1] != dim:
        raise InputError(
            f"features must be floating of shape (n, {dim}), "
            f"got {features.dtype} of shape {tuple(features.shape)}"
        )


def check_labels(labels: Tensor, *, num_labels: int, rows: int) -> None:
    """Check that labels are integers in [0, num_labels) or `IGNORED`; the bad one is named.

    Raises:
        InputError: If not.
    """
    integer = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    if not integer or labels.shape != (rows,):
        raise InputError(
            f"labels must be integers of shape ({rows},), "
            f"got {labels.dtype} of shape {tuple(labels.shape)}"
        )
    bad = (labels < IGNORED) | (labels >= num_labels)
    if bool(bad.any()):
        row = int(bad.nonzero()[0])
        raise InputError(
            f"labels must lie in [0, {num_labels}) or be {IGNORED} (row ignored), "
            f"got {int(labels[row])} in row {row}; {int(bad.sum())} of {rows} labels are bad"
        )
