"""The margin softmax head for many classes, on top of `fused_margin_cross_entropy`."""

import torch
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.optim import Optimizer

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.losses.base import IGNORED, LossOutput
from vultus.losses.centres.classification import UniFace
from vultus.losses.many_classes.fused import (
    ClassLayout,
    MarginRows,
    fused_margin_cross_entropy,
    sharded_target_cosines,
)
from vultus.losses.many_classes.fused_threshold import ThresholdLoss, fused_threshold_losses
from vultus.losses.many_classes.negatives import SharedThreshold
from vultus.losses.many_classes.sharding import (
    ClassRange,
    class_range,
    gather_batch,
    join_shards,
    rank_and_size,
    refuse_batch,
    shared_seed,
)
from vultus.losses.margins.margin_softmax import MarginHead, MarginSoftmax
from vultus.losses.margins.target_logit import TargetLogit
from vultus.losses.process_sums import every_process_has_rows

_BLOCK_CLASSES = 1024


class FusedMarginSoftmax(MarginHead):
    """A margin softmax for many classes: any target logit, in tiles, optionally cut over processes.

    Computes what the plain heads compute, with a few MB instead of gigabytes; see
    `fused_margin_cross_entropy`. With ``group``, each process holds its range of the classes
    (`class_range`) and passes its own part of the batch, which may be empty; the loss is the mean
    over the whole batch, the same number on every process. The initial centres do not depend on
    the number of processes.

    Set gradients to None between steps (torch's default): accumulating adds a second gradient of
    the weight's size for a moment.

    Args:
        num_classes: Number of identities over all processes.
        dim: Length of a feature.
        target_logit: The margin. One that changes from batch to batch comes from `follow`, or
            from a subclass: if it overrides `target_logit_for`, it gets the cosines (0 where a row
            is ignored) and lengths of the whole batch, the same on every process.
        scale: s, above 0.
        group: Processes that share the classes.

    Attributes:
        weight: (own classes, dim) centres.
        classes: Which classes they are.
        rule: The loss that the head follows, or None.
        averaged_by_ddp: Multiply the features' gradient by the number of processes, because
            DistributedDataParallel around the network divides by it. True unless set otherwise.
    """

    takes_ignored = (
        True  # all processes join their batches first, and an empty one may be among them
    )

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        target_logit: TargetLogit,
        scale: float = 64.0,
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__(num_classes=num_classes, dim=dim, target_logit=target_logit)
        rank, world_size = rank_and_size(group)
        self.group = group
        self.scale: float = check_range("scale", scale, low=0, low_open=True)
        self.averaged_by_ddp = True
        self.rule: MarginSoftmax | None = None
        self.classes = class_range(num_classes, rank=rank, world_size=world_size)
        self.weight = nn.Parameter(_initial_centers(self.classes, dim, group=group))

    def follow(self, loss: MarginSoftmax) -> None:
        """Compute a loss that follows the batch: ask it for each batch's margin, and more.

        Its running state and what it learns beside the centres become the head's own (``rule``),
        the same on every process; its centres are not used.

        Args:
            loss: One that says `MarginSoftmax.follows_batch`, of the head's scale.

        Raises:
            InputError: If it does not say so.
        """
        if not loss.follows_batch or loss.fixed_scale != self.scale:
            raise InputError(
                f"a head for many classes can follow losses with follows_batch and its own scale "
                f"{self.scale}, got {type(loss).__name__} with scale {loss.fixed_scale}"
            )
        del loss.weight
        loss.batch_is_whole = self.group is not None
        if isinstance(loss, UniFace):
            loss.start_threshold(self.classes_in_sum)
        self.rule = loss

    def refuse(self, device: torch.device) -> None:
        """See `Loss.refuse`."""
        refuse_batch(self.group, device)
        if self._sums_over_processes():
            every_process_has_rows(0, failed=True, device=device)

    def expected_first_loss(self, *, fraction: float = 1.0) -> float | None:
        """See `MarginHead.expected_first_loss`."""
        if isinstance(self.rule, UniFace):
            return None
        return super().expected_first_loss(fraction=fraction)

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """The mean over the batch of all processes, who must call this together.

        Beside ``feature_norm`` and ``target_angle_deg`` there is ``accuracy`` where the margin
        leaves the negatives alone; a tie with the target counts as wrong.
        """
        everyone, targets = self._batch_of_all(features, labels)
        layout = ClassLayout(start=self.classes.start, group=self.group)
        target_logit = self._target_logit_of_batch(everyone, targets)
        rows = self._losses(everyone, self.weight, targets, target_logit, layout)
        return self._output(rows, targets, rankable=not target_logit.changes_negatives)

    def _losses(
        self,
        features: Tensor,
        centers: Tensor,
        positions: Tensor,
        target_logit: TargetLogit,
        layout: ClassLayout,
    ) -> MarginRows:
        """One loss a row; ``positions`` are the labels counted in the rows of ``centers``."""
        if isinstance(self.rule, UniFace):
            shared = SharedThreshold(self.rule.threshold, self.rule.negative_weight)
            formula = ThresholdLoss(target_logit, self.scale, shared)
            return fused_threshold_losses(features, centers, positions, loss=formula, layout=layout)
        return fused_margin_cross_entropy(
            features, centers, positions,
            target_logit=target_logit, scale=self.scale, layout=layout,
        )  # fmt: skip

    def _output(self, rows: MarginRows, targets: Tensor, *, rankable: bool) -> LossOutput:
        output = margin_output(rows, targets, scale=self.scale if rankable else None)
        if self.rule is None or not len(targets):
            return output
        return self.rule.completed(output, rows.norms)

    def full_state(self, optimizer: Optimizer | None = None) -> dict[str, Tensor]:
        """All classes' centres as one tensor, for a checkpoint that any number of processes loads.

        All processes of the group must call this together.

        Args:
            optimizer: Also take what it keeps for ``weight`` (momentum).

        Returns:
            ``weight`` (num_classes, dim), ``step``, ``optimizer.<name>`` tensors, and
            ``rule.<name>`` of a loss that the head follows; the same on every process.
        """
        state = {"weight": self._joined(self.weight.detach()), "step": torch.tensor(self.step)}
        state |= {f"rule.{name}": value.clone() for name, value in self._rule_state().items()}
        kept = {} if optimizer is None else optimizer.state.get(self.weight, {})
        for name, value in kept.items():
            if isinstance(value, Tensor):
                by_class = value.shape == self.weight.shape
                state[f"optimizer.{name}"] = self._joined(value) if by_class else value.clone()
        return state

    def load_full_state(self, state: dict[str, Tensor], optimizer: Optimizer | None = None) -> None:
        """Take this process's part of what `full_state` gave.

        Raises:
            InputError: If it holds another number of classes or another dimension, or is of
                another loss.
        """
        weight = state.get("weight")
        wanted = (self.num_classes, self.dim)
        if weight is None or weight.shape != wanted:
            raise InputError(
                f"state must hold a weight of shape {wanted}, "
                f"got {None if weight is None else tuple(weight.shape)}"
            )
        own = {f"rule.{name}": value for name, value in self._rule_state().items()}
        if set(own) != {name for name in state if name.startswith("rule.")}:
            raise InputError(f"state must hold {sorted(own) or 'no rule.*'}, got {sorted(state)}")
        with torch.no_grad():
            self.weight.copy_(self.classes.cut(weight))
            for name, value in own.items():
                value.copy_(state[name])
        self.step = int(state["step"])
        if optimizer is None:
            return
        prefix = "optimizer."
        for name, value in state.items():
            if not name.startswith(prefix):
                continue
            part = self.classes.cut(value) if value.shape == wanted else value.clone()
            device = self.weight.device if part.ndim else part.device
            optimizer.state[self.weight][name.removeprefix(prefix)] = part.to(device)

    def _rule_state(self) -> dict[str, Tensor]:
        """Running state and parameters of the loss that the head follows, as they are stored."""
        if self.rule is None:
            return {}
        named = [*self.rule.named_buffers(), *self.rule.named_parameters()]
        return {name: value.detach() for name, value in named}

    def _target_logit_of_batch(self, features: Tensor, labels: Tensor) -> TargetLogit:
        own = type(self).target_logit_for is not MarginHead.target_logit_for
        # The target cosines cost products and a sum over processes: only for who asks for them.
        if self.rule is None and not own:
            return self.scheduled(self.target_logit)
        layout = ClassLayout(start=self.classes.start, group=self.group)
        centers = self.weight.to(features.dtype)
        cosines = sharded_target_cosines(features, centers, labels, layout=layout)
        norms = torch.linalg.vector_norm(features.detach(), dim=1)
        if self.rule is None:
            return self.scheduled(self.target_logit_for(cosines, norms))
        self.rule.step, self.rule.margin_schedule = self.step, self.margin_schedule
        return self.rule.effective_target_logit(cosines, norms)

    def _batch_of_all(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        _, world_size = rank_and_size(self.group)
        factor = float(world_size) if self.averaged_by_ddp else 1.0
        features, labels = gather_batch(features, labels, group=self.group, gradient_factor=factor)
        if self.rule is None:
            return features, labels
        if self._sums_over_processes():
            every_process_has_rows(len(labels), device=features.device)
        kept = labels != IGNORED  # running state must not see the others
        return features[kept], labels[kept]

    def _sums_over_processes(self) -> bool:
        """Whether every process has a batch of its own, and the running state is of them all."""
        rule = self.rule
        return rule is not None and rule.spans_processes and self.group is None and self.training

    def _joined(self, rows: Tensor) -> Tensor:
        return join_shards(rows, self.classes, group=self.group)


def margin_output(rows: MarginRows, labels: Tensor, *, scale: float | None) -> LossOutput:
    """The mean loss and the statistics of the rows that are not ignored.

    Args:
        rows: (n,) values.
        labels: (n,) int64, `IGNORED` where a row does not count.
        scale: s, to tell from the highest negative whether a row is right; None leaves
            ``accuracy`` out.

    Returns:
        The loss (0, with a graph, if all rows are ignored) and statistics.
    """
    kept = labels != IGNORED
    count = kept.sum().clamp_min(1)
    angles = torch.rad2deg(torch.acos(rows.cos_target.clamp(-1, 1)))
    statistics = {
        "feature_norm": (rows.norms.detach() * kept).sum() / count,
        "target_angle_deg": (angles * kept).sum() / count,
    }
    if scale is not None:
        right = kept & (scale * rows.cos_target > rows.highest_negative)
        statistics["accuracy"] = right.sum().to(rows.losses.dtype) / count
    return LossOutput(rows.losses.sum() / count, statistics)


def _initial_centers(classes: ClassRange, dim: int, *, group: ProcessGroup | None) -> Tensor:
    """Normal, deviation 0.01; in blocks with seeds of their own, so that any cut gives the same."""
    seed = shared_seed(group)
    centers = torch.empty(len(classes), dim)
    generator = torch.Generator()
    for begin in range(
        classes.start - classes.start % _BLOCK_CLASSES, classes.stop, _BLOCK_CLASSES
    ):
        generator.manual_seed(seed + begin)
        block = torch.empty(_BLOCK_CLASSES, dim).normal_(std=0.01, generator=generator)
        first, last = max(begin, classes.start), min(begin + _BLOCK_CLASSES, classes.stop)
        centers[first - classes.start : last - classes.start] = block[first - begin : last - begin]
    return centers
