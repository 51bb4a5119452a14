"""What a stage makes small: a batch and its features in, a loss out.

The trainer knows only `Objective`; `LossObjective` learns from labels, and
`vultus.training.objectives.distillation` from a teacher.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from torch.optim import Optimizer

from vultus.core.errors import ConfigError
from vultus.data.base import FaceDataset
from vultus.data.loading.batch import FaceBatch
from vultus.losses import Loss, LossOutput
from vultus.losses.many_classes.fused_head import FusedMarginSoftmax
from vultus.losses.many_classes.partial_fc import PartialFC
from vultus.losses.margins.margin_softmax import MarginHead
from vultus.losses.margins.schedules import MarginWarmup
from vultus.training.objectives.accumulation import BatchWeight
from vultus.training.process.distributed import World
from vultus.training.recipe.recipe import Recipe


@dataclass(frozen=True, eq=False)
class StageSetting:
    """What a stage runs on.

    Attributes:
        recipe: The recipe.
        dataset: The training faces.
        folder: The run folder.
        world: The processes of the run.
        note: Tells who watches the run.
        should_stop: Whether a signal has come.
        interruptibly: Gives the items of an iterable; waiting for one ends when a signal comes.
    """

    recipe: Recipe
    dataset: FaceDataset
    folder: Path
    world: World
    note: Callable[[str], None]
    should_stop: Callable[[], bool]
    interruptibly: Callable[[Iterable[FaceBatch]], Iterator[FaceBatch]]


class Objective(nn.Module, ABC):
    """A loss of a batch, its parameters, and how both are cut over processes.

    Attributes:
        views: 2 where ``batch.clean`` is needed, the images with the shared steps alone.
    """

    views: int = 1

    @abstractmethod
    def forward(self, features: Tensor, batch: FaceBatch) -> LossOutput:
        """The loss.

        Args:
            features: (b, dim) as the backbone gives them.
            batch: On the features' device; rows with label -1 take no part.
        """

    def weighted(self, features: Tensor, batch: FaceBatch, weight: BatchWeight) -> LossOutput:
        """The batch's share of a step's loss: `forward` times what its rows count.

        Args:
            features: (b, dim) as the backbone gives them.
            batch: On the features' device.
            weight: Of this batch among those of the step.
        """
        output: LossOutput = self(features, batch)
        return output._replace(loss=output.loss * weight.labelled)

    def begin(self, setting: StageSetting) -> bool:
        """Called before the first step of the stage in this process, by all processes together.

        Args:
            setting: What the stage runs on.

        Returns:
            False if it was asked to stop before it was ready.
        """
        return True

    def prepare(self, step: int) -> None:
        """Called before a step of the stage (0 = the first)."""

    def end_warmup(self) -> None:
        """Called where the objective goes on from an earlier stage: margins are full now."""

    def expected_first_loss(self) -> float | None:
        """What the loss should be before the first step, or None where nobody knows."""
        return None

    def heads(self) -> list[FusedMarginSoftmax]:
        """Heads whose classes may be cut over processes, and which save themselves."""
        return [module for module in self.modules() if isinstance(module, FusedMarginSoftmax)]

    def sharded(self) -> list[nn.Parameter]:
        """Parameters of which every process holds other rows."""
        return [head.weight for head in self.heads() if head.group is not None]

    def replicated(self) -> list[nn.Parameter]:
        """Parameters that are the same on every process, and must stay so."""
        cut = {id(parameter) for parameter in self.sharded()}
        return [parameter for parameter in self.parameters() if id(parameter) not in cut]

    def row_sparse(self) -> list[nn.Parameter]:
        """Parameters whose gradients have rows for some classes only."""
        partial = [head for head in self.heads() if isinstance(head, PartialFC)]
        return [head.weight for head in partial if head.sample_rate < 1]

    def full_state(self, optimizers: tuple[Optimizer, ...] = ()) -> dict[str, dict[str, Tensor]]:
        """Everything to save, whole classes included; all processes must call it together.

        Args:
            optimizers: What they keep for sharded parameters is saved along.
        """
        heads = self._named_heads()
        state = {
            name: head.full_state(_owner(head.weight, optimizers)) for name, head in heads.items()
        }
        rest = {
            key: value.detach().clone()
            for key, value in self.state_dict().items()
            if not _belongs(key, heads)
        }
        return {"": rest, **state}

    def load_full_state(
        self, state: dict[str, dict[str, Tensor]], optimizers: tuple[Optimizer, ...] = ()
    ) -> None:
        """Take what `full_state` gave, with any number of processes.

        Raises:
            ConfigError: If it is of another objective.
        """
        heads = self._named_heads()
        if set(state) != {"", *heads}:
            raise ConfigError(
                "the checkpoint is of another loss; resume with the recipe that it was written with"
            )
        own = {key for key in self.state_dict() if not _belongs(key, heads)}
        if own != set(state[""]):
            differing = ", ".join(sorted(own ^ set(state[""])))
            raise ConfigError(f"the checkpoint is of another loss, which differs in: {differing}")
        try:
            self.load_state_dict(state[""], strict=False)
        except RuntimeError as error:
            raise ConfigError(f"the checkpoint is of another loss: {error}") from None
        for name, head in heads.items():
            head.load_full_state(state[name], _owner(head.weight, optimizers))

    def _named_heads(self) -> dict[str, FusedMarginSoftmax]:
        return {n: m for n, m in self.named_modules() if isinstance(m, FusedMarginSoftmax)}


class LossObjective(Objective):
    """One loss, or two added up.

    Args:
        first: The loss.
        second: Added to it, or None.
        factor: What the second is multiplied with.
        warmup: Brings in the first loss's margin, or None.

    Raises:
        ConfigError: If a warm-up is asked for, and the loss has no margin that can be scaled.
    """

    def __init__(
        self,
        first: Loss,
        *,
        second: Loss | None = None,
        factor: float = 1.0,
        warmup: MarginWarmup | None = None,
    ) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.factor = factor
        self.warmup = warmup
        if warmup is not None and not isinstance(first, MarginHead):
            raise ConfigError(
                f"margin_warmup needs a margin softmax, {type(first).__name__} is none"
            )

    def prepare(self, step: int) -> None:
        """Set this step's share of the margin."""
        if self.warmup is not None and isinstance(self.first, MarginHead):
            fraction = self.warmup(step)  # of the stage: the loss may have made steps before it
            self.first.margin_schedule = lambda _: fraction

    def end_warmup(self) -> None:
        """Full margin from now on."""
        if self.warmup is not None:
            self.prepare(self.warmup.delay + self.warmup.steps)
            self.warmup = None

    def forward(self, features: Tensor, batch: FaceBatch) -> LossOutput:
        """The first loss plus ``factor`` times the second."""
        output: LossOutput = self.first(features, batch.labels)
        if self.second is None:
            return output
        added: LossOutput = self.second(features, batch.labels)
        parts = {"first_loss": output.loss.detach(), "second_loss": added.loss.detach()}
        return LossOutput(
            output.loss + self.factor * added.loss,
            {**added.statistics, **output.statistics, **parts},
        )

    def expected_first_loss(self) -> float | None:
        """That of the first loss, where it is a margin softmax and no second is added."""
        if self.second is not None or not isinstance(self.first, MarginHead):
            return None
        fraction = 1.0 if self.warmup is None else self.warmup(0)
        return self.first.expected_first_loss(fraction=fraction)


def _owner(parameter: nn.Parameter, optimizers: tuple[Optimizer, ...]) -> Optimizer | None:
    """The optimiser that moves a parameter."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            if any(member is parameter for member in group["params"]):
                return optimizer
    return None


def _belongs(key: str, heads: dict[str, FusedMarginSoftmax]) -> bool:
    return any(key.startswith(f"{name}.") for name in heads)
