"""The sections that a stage of a recipe is made of, loss to schedule, as frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError
from vultus.core.settings_reader import TakesRest


@dataclass(frozen=True, kw_only=True)
class NamedConfig(TakesRest):
    """Something out of a registry, with its keyword arguments.

    Attributes:
        name: Its registered name.
        settings: Every other key of the section.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SecondLossConfig(NamedConfig):
    """A loss that is added to the first.

    Attributes:
        factor: What it is multiplied with.
    """

    factor: float = 1.0

    def __post_init__(self) -> None:
        check_range("factor", self.factor, low=0)


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """How the first loss holds its classes.

    Attributes:
        kind: ``"plain"``; ``"fused"`` for many classes (same numbers, little memory); or
            ``"partial-fc"`` for very many (a sample of the classes a step).
        sharded: Cut the classes over the processes; not for ``"plain"``.
        sample_rate: Of ``"partial-fc"``: share of the classes in (0, 1]; None lets the number of
            classes decide.
        correct: Of ``"partial-fc"``: make the sampled sum an unbiased estimate of the full one.
    """

    kind: Literal["plain", "fused", "partial-fc"] = "plain"
    sharded: bool = True
    sample_rate: float | None = None
    correct: bool = False

    def __post_init__(self) -> None:
        if self.sample_rate is not None:
            check_range("sample_rate", self.sample_rate, low=0, low_open=True, high=1)
        if self.kind != "partial-fc" and (self.sample_rate is not None or self.correct):
            raise InputError("sample_rate and correct need kind = 'partial-fc'")


@dataclass(frozen=True, kw_only=True)
class DistillationTerm:
    """One way in which the student is to be like the teacher; see `vultus.losses.distillation`.

    Attributes:
        kind: ``"cosine"`` (same direction), ``"l2"`` (same direction and length) or
            ``"relational"`` (any two faces as alike as for the teacher).
        factor: What it is multiplied with.
    """

    kind: Literal["cosine", "l2", "relational"] = "cosine"
    factor: float = 1.0

    def __post_init__(self) -> None:
        check_range("factor", self.factor, low=0)


@dataclass(frozen=True, kw_only=True)
class DistillationConfig(DistillationTerm):
    """A finished network whose embeddings the backbone learns, alone or beside a loss.

    Attributes:
        teacher: A model of the store, a committee of such (``"a+b"``, ``"a@2+b@1"``), an ONNX file
            with its card, or a run folder.
        centre: Subtract the mean of the teacher's unit vectors, so that strangers have a cosine of
            about 0 for the student to learn: some teachers give all faces one large part in common.
        flip: The teacher's feature of the mirrored crop is added to that of the plain one.
        more: Further terms.
        live: Ask the teacher in every step, about the view of the crop that the augmentations
            marked ``shared`` make, rather than once about every clean crop. It costs a forward
            pass of the teacher, and no two views are ever the same.
        cache: Folder to keep the teacher's embeddings in, to be used by several runs; None keeps
            them in the run folder.
        batch_size: Crops at a time, when they are computed.
    """

    teacher: str
    flip: bool = True
    more: tuple[DistillationTerm, ...] = ()
    centre: bool = False
    live: bool = False
    cache: str | None = None
    batch_size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive_int("batch_size", self.batch_size)
        if self.live and self.cache is not None:
            raise InputError("cache is for answers that are kept; a live teacher's are not")

    @property
    def terms(self) -> tuple[DistillationTerm, ...]:
        """All of them."""
        return (DistillationTerm(kind=self.kind, factor=self.factor), *self.more)


@dataclass(frozen=True, kw_only=True)
class MarginWarmupConfig:
    """The margin of the first loss comes in along a line, see `vultus.losses.margins.schedules`.

    Attributes:
        steps: Length of the rise.
        delay: Steps without a margin before it.
    """

    steps: int
    delay: int = 0


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How the weights move.

    Attributes:
        name: ``"sgd"``, ``"adamw"``, ``"adagrad"``, or ``"muon"``, which moves the backbone's
            matrices and convolutions by
            `vultus.training.optimisation.muon.Muon` and all else by AdamW.
        lr: Learning rate at the schedule's height.
        lr_batch: The batch that ``lr`` is for; the rate is scaled in proportion to the real one
            (all processes, accumulated). None takes ``lr`` as it is.
        weight_decay: Coupled to the gradient for sgd and adagrad, decoupled for adamw and
            muon.
        decay_vectors: Also decay norms, biases and PReLU slopes (every parameter with one axis).
        loss_lr_factor: Multiplies the rate of the loss's parameters.
        loss_weight_decay: Of the loss's parameters; None takes ``weight_decay``.
        momentum: Of sgd and muon (0.95 is usual there).
        nesterov: Of sgd.
        betas: Of adamw, and of what muon leaves to it.
        eps: Of adamw, muon and adagrad; None takes torch's.
    """

    name: Literal["sgd", "adamw", "adagrad", "muon"] = "sgd"
    lr: float = 0.1
    lr_batch: int | None = None
    weight_decay: float = 5e-4
    decay_vectors: bool = True
    loss_lr_factor: float = 1.0
    loss_weight_decay: float | None = None
    momentum: float = 0.9
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float | None = None

    def __post_init__(self) -> None:
        check_range("lr", self.lr, low=0)
        check_range("weight_decay", self.weight_decay, low=0)
        check_range("momentum", self.momentum, low=0, high=1, high_open=True)
        check_range("loss_lr_factor", self.loss_lr_factor, low=0)
        if self.loss_weight_decay is not None:
            check_range("loss_weight_decay", self.loss_weight_decay, low=0)
        if self.lr_batch is not None:
            check_positive_int("lr_batch", self.lr_batch)
        for beta in self.betas:
            check_range("betas", beta, low=0, high=1, high_open=True)
        if self.eps is not None:
            check_range("eps", self.eps, low=0, low_open=True)
        if self.nesterov and not (self.name == "sgd" and self.momentum > 0):
            raise InputError("nesterov needs name = 'sgd' and a momentum above 0")


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """The learning rate over the steps of a stage, see `vultus.training.optimisation.schedules`.

    Attributes:
        name: ``"constant"``, ``"step"``, ``"polynomial"``, ``"cosine"`` or ``"exponential"``.
        warmup_steps: Steps in which the rate rises from 0 along a line, at the start.
        milestones: Of ``"step"``: where the rate is multiplied with ``gamma``; steps (integers), or
            fractions of the stage (numbers with a point).
        gamma: Of ``"step"``.
        power: Of ``"polynomial"``.
        final_factor: Where ``"polynomial"``, ``"cosine"`` and ``"exponential"`` end, as a share of
            the height.
        hold: Of ``"exponential"``: how long the rate stays at its height, as a fraction of the
            stage (warm-up included).
    """

    name: Literal["constant", "step", "polynomial", "cosine", "exponential"] = "constant"
    warmup_steps: int = 0
    milestones: tuple[int | float, ...] = ()
    gamma: float = 0.1
    power: float = 1.0
    final_factor: float = 0.0
    hold: float = 0.0

    def __post_init__(self) -> None:
        check_positive_int("warmup_steps", self.warmup_steps, minimum=0)
        check_range("gamma", self.gamma, low=0, low_open=True, high=1)
        check_range("power", self.power, low=0, low_open=True)
        check_range("final_factor", self.final_factor, low=0, high=1)
        check_range("hold", self.hold, low=0, high=1, high_open=True)
        if self.name == "exponential" and self.final_factor == 0:
            raise InputError("final_factor must be above 0 for name = 'exponential'")
        if (self.name == "step") != bool(self.milestones):
            raise InputError("milestones must be given for name = 'step', and for no other")
        for milestone in self.milestones:
            high = 1 if isinstance(milestone, float) else float("inf")
            check_range("milestones", milestone, low=0, low_open=True, high=high)


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """A part of a run with its own loss, batches and optimiser.

    A stage starts with a new optimiser; loss parameters go on where the loss stays the same.

    Attributes:
        name: In the log.
        epochs: Length in passes over the data (a fraction is allowed); or
        steps: in steps.
        frozen: Globs of backbone parameters that do not move, e.g. ``"stem.*"``.
        sampler: What goes into a batch.
        loss: The first loss; None where the teacher alone is learnt from.
        second_loss: Added to it, or None.
        distillation: A teacher to learn from, added too, or None.
        miner: Chooses the triplets of the first loss, a name of `vultus.mining.miners`; None
            leaves that to the loss.
        head: How the first loss holds its classes.
        margin_warmup: Of the first loss, or None.
        optimizer: How the weights move.
        schedule: The learning rate over the stage.
    """

    name: str = "main"
    epochs: float | None = None
    steps: int | None = None
    frozen: tuple[str, ...] = ()
    sampler: NamedConfig
    loss: NamedConfig | None = None
    second_loss: SecondLossConfig | None = None
    distillation: DistillationConfig | None = None
    miner: NamedConfig | None = None
    head: HeadConfig = field(default_factory=HeadConfig)
    margin_warmup: MarginWarmupConfig | None = None
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise InputError("either epochs or steps must be given, and not both")
        if self.loss is None:
            self._check_without_loss()
        if self.epochs is not None:
            check_range("epochs", self.epochs, low=0, low_open=True)
        if self.steps is not None:
            check_positive_int("steps", self.steps)

    def _check_without_loss(self) -> None:
        if self.distillation is None:
            raise InputError("loss is missing; a stage needs a loss, a distillation, or both")
        wanted = {
            "second_loss": self.second_loss,
            "miner": self.miner,
            "margin_warmup": self.margin_warmup,
        }
        given = [name for name, section in wanted.items() if section is not None]
        if self.head != HeadConfig():
            given.append("head")
        if given:
            raise InputError(f"{given[0]} needs a loss; leave it out with without = ['{given[0]}']")
