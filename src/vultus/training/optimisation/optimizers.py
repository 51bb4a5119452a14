"""The optimisers of a stage: parameter groups, learning rates, state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import SGD, Adagrad, AdamW, Optimizer

from vultus.core.errors import ConfigError
from vultus.losses.many_classes.partial_fc import RowSparseSGD
from vultus.training.optimisation.muon import Muon
from vultus.training.recipe.stage_config import OptimizerConfig


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with one learning rate and one weight decay.

    Attributes:
        name: For the log and for messages.
        parameters: At least one.
        lr: At the schedule's height.
        weight_decay: At least 0.
        row_sparse: Their gradients have rows for some classes only (`PartialFC`).
        matrices: For `Muon`: matrices and convolutions of the backbone, but for depthwise ones.
            Never with another optimiser.
    """

    name: str
    parameters: tuple[nn.Parameter, ...]
    lr: float
    weight_decay: float
    row_sparse: bool = False
    matrices: bool = False


class Optimizers:
    """Several torch optimisers that step together.

    Attributes:
        members: One for all dense gradients (two with `Muon`, which takes the matrices), and
            `RowSparseSGD` where there are row-sparse ones.
    """

    def __init__(self, members: Sequence[Optimizer]) -> None:
        self.members = tuple(members)

    def set_factor(self, factor: float) -> float:
        """Multiply every group's height with the schedule's factor.

        Returns:
            The learning rate of the first group, for the log.
        """
        for member in self.members:
            for group in member.param_groups:
                group["lr"] = group["height"] * factor
        return float(self.members[0].param_groups[0]["lr"])

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for member in self.members:
            member.zero_grad(set_to_none=True)

    def parameters(self) -> list[nn.Parameter]:
        """All parameters that can move."""
        return [p for member in self.members for g in member.param_groups for p in g["params"]]

    def state_dict(self, *, without: Sequence[nn.Parameter] = ()) -> list[dict[str, Any]]:
        """Of every member.

        Args:
            without: Parameters whose momentum and the like are left out; they are saved elsewhere.
        """
        left_out = {id(parameter) for parameter in without}
        return [_state(member, left_out) for member in self.members]

    def load_state_dict(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take what `state_dict` gave.

        Raises:
            ConfigError: If it is of other optimisers.
        """
        if len(states) != len(self.members):
            raise ConfigError(
                f"the checkpoint holds {len(states)} optimisers, this stage has "
                f"{len(self.members)}; resume with the recipe that it was written with"
            )
        for member, state in zip(self.members, states, strict=True):
            try:
                member.load_state_dict(dict(state))
            except ValueError as error:
                raise ConfigError(f"the checkpoint is of another optimiser: {error}") from None


def build_optimizers(config: OptimizerConfig, groups: Sequence[ParameterGroup]) -> Optimizers:
    """Optimisers for groups of parameters; row-sparse ones always get `RowSparseSGD`.

    Raises:
        ConfigError: If there is no parameter at all.
    """
    matrices = [_torch_group(group) for group in groups if group.matrices]
    sparse = [_torch_group(group) for group in groups if group.row_sparse]
    others = [group for group in groups if not (group.matrices or group.row_sparse)]
    dense = [_torch_group(group) for group in others]
    members: list[Optimizer] = []
    if matrices:
        members.append(Muon(matrices, lr=config.lr, momentum=config.momentum))
    if dense:
        members.append(_dense_optimizer(config, dense))
    if sparse:
        momentum = config.momentum if config.name == "sgd" else 0.0
        members.append(RowSparseSGD(sparse, lr=config.lr, momentum=momentum))
    if not members:
        raise ConfigError("no parameter is left to train; freeze fewer of them")
    return Optimizers(members)


def parameter_groups(
    config: OptimizerConfig,
    backbone: Mapping[str, nn.Parameter],
    loss: Iterable[nn.Parameter],
    *,
    row_sparse: Iterable[nn.Parameter] = (),
    lr: float,
) -> list[ParameterGroup]:
    """Sort parameters by learning rate and weight decay; frozen and repeated ones are left out.

    Args:
        config: Rates and decays.
        backbone: Parameters by name.
        loss: Parameters of the losses.
        row_sparse: Those of ``loss`` with row-sparse gradients.
        lr: The backbone's rate, scaled with the batch already.
    """
    sparse = {id(parameter) for parameter in row_sparse}
    loss_lr = lr * config.loss_lr_factor
    loss_decay = config.weight_decay
    if config.loss_weight_decay is not None:
        loss_decay = config.loss_weight_decay
    sorted_ones: dict[tuple[str, float, float, bool, bool], list[nn.Parameter]] = {}
    moving = [("backbone", p, lr, config.weight_decay) for p in backbone.values()]
    moving += [("loss", p, loss_lr, loss_decay) for p in loss]
    seen: set[int] = set()
    for owner, parameter, rate, decay in moving:
        if not parameter.requires_grad or id(parameter) in seen:
            continue
        seen.add(id(parameter))
        vector = parameter.ndim <= 1
        name = f"{owner} vectors" if vector else owner
        key = (name, rate, decay if config.decay_vectors or not vector else 0.0)
        matrix = config.name == "muon" and owner == "backbone" and _is_matrix(parameter)
        place = (*key, id(parameter) in sparse, matrix)
        sorted_ones.setdefault(place, []).append(parameter)
    return [
        ParameterGroup(name, tuple(parameters), rate, decay, is_sparse, is_matrix)
        for (name, rate, decay, is_sparse, is_matrix), parameters in sorted_ones.items()
    ]


def _is_matrix(parameter: nn.Parameter) -> bool:
    return parameter.ndim >= 2 and parameter.shape[1] > 1


def _state(member: Optimizer, left_out: set[int]) -> dict[str, Any]:
    state = member.state_dict()
    parameters = [p for group in member.param_groups for p in group["params"]]
    kept = {k: v for k, v in state["state"].items() if id(parameters[k]) not in left_out}
    return {**state, "state": kept}


def _torch_group(group: ParameterGroup) -> dict[str, Any]:
    return {
        "params": list(group.parameters),
        "lr": group.lr,
        "height": group.lr,
        "weight_decay": group.weight_decay,
    }


def _dense_optimizer(config: OptimizerConfig, groups: list[dict[str, Any]]) -> Optimizer:
    eps: dict[str, Any] = {} if config.eps is None else {"eps": config.eps}
    if config.name == "adagrad":  # torch fuses it on CPUs only
        return Adagrad(groups, lr=config.lr, **eps)
    for group in groups:
        # One pass over the memory: an eighth of the time for a large class matrix on a CPU. Not for
        # convolutions: the fused kernels overlook that parameter, gradient and momentum may be laid
        # out differently in memory, as they are behind a checkpoint.
        group["fused"] = all(parameter.ndim <= 2 for parameter in group["params"])
    if config.name in ("adamw", "muon"):
        return AdamW(groups, lr=config.lr, betas=config.betas, **eps)
    return SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov)
