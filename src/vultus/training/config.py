"""What a training run is made of: the sections of a recipe as frozen dataclasses.

A recipe is TOML. The sections of a *stage* (`StageConfig`) stand at the top level and hold for the
whole run; ``[[stage]]`` tables, where there are any, each lay some of them anew. How text becomes
these classes is `vultus.training.recipe_file`'s business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError

__all__ = [
    "AboutConfig",
    "CheckpointConfig",
    "DataConfig",
    "DistillationConfig",
    "DistillationTerm",
    "EvaluationConfig",
    "EvaluationSet",
    "HeadConfig",
    "InitialConfig",
    "InputConfig",
    "MarginWarmupConfig",
    "NamedConfig",
    "OptimizerConfig",
    "RunConfig",
    "ScheduleConfig",
    "SecondLossConfig",
    "StageConfig",
    "TrainingConfig",
]


@dataclass(frozen=True, kw_only=True)
class NamedConfig:
    """Something out of a registry, with its keyword arguments.

    Attributes:
        name: Its registered name.
        settings: Every other key of the section.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AboutConfig:
    """Words about a recipe; they change nothing.

    Attributes:
        title: One line.
        source: Where the schedule comes from.
        expected: What the run should reach, and on which data.
        tiny: Name of a recipe that shows the same in minutes on a CPU, on faces made by code.
    """

    title: str = ""
    source: str = ""
    expected: str = ""
    tiny: str = ""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Where a run happens.

    Attributes:
        output: The run folder.
        seed: Of weights, batches and augmentation.
        device: ``"auto"`` (the first GPU if there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        deterministic: Same machine, same seed, same weights, to the last bit; slower on a GPU.
        log_every_steps: Steps from one line of the log to the next.
        alignment_sample: So many training crops are searched for their faces before the first
            step, to see whether they are aligned as ``input.template`` says; 0 for none.
    """

    output: str = "runs/train"
    seed: int = 0
    device: str = "auto"
    deterministic: bool = False
    log_every_steps: int = 20
    alignment_sample: int = 64

    def __post_init__(self) -> None:
        check_positive_int("seed", self.seed, minimum=0)
        check_positive_int("log_every_steps", self.log_every_steps)
        check_positive_int("alignment_sample", self.alignment_sample, minimum=0)


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """What goes into the network: ``(pixels - mean) / std``, pixels in [0, 255], RGB.

    Attributes:
        size_hw: Height and width of a crop.
        mean: Of the normalisation.
        std: Of the normalisation.
        template: Alignment template of the crops; goes into the exported model's card.
    """

    size_hw: tuple[int, int] = (112, 112)
    mean: float = 127.5
    std: float = 127.5
    template: str = "arcface-112"

    def __post_init__(self) -> None:
        for length in self.size_hw:
            check_positive_int("size_hw", length)
        check_range("std", self.std, low=0, low_open=True)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The training faces.

    Attributes:
        kind: A name in `vultus.data.DATASETS`, or ``"auto"`` to tell from ``root``.
        root: File or folder; None for data made by code.
        workers: Processes that decode; 0 decodes in the training process.
        min_images: Leave out identities with fewer images.
        max_identities: Take this many identities, the first ones.
        max_images: Take at most this many images of an identity, the first ones.
        unlabelled: Keep images without an identity (in a folder data set: those in folders called
            ``_unlabelled``, or right in the root). They take part in distillation only.
        non_faces: Name of the identity (in a folder data set: of the folder) that holds what is no
            face or cannot be judged; for losses that know such a class (``euclidean``).
        settings: Every other key: the data set's own settings.
    """

    kind: str = "auto"
    root: str | None = None
    workers: int = 0
    min_images: int = 1
    max_identities: int | None = None
    max_images: int | None = None
    unlabelled: bool = False
    non_faces: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_positive_int("workers", self.workers, minimum=0)
        check_positive_int("min_images", self.min_images)
        for name in ("max_identities", "max_images"):
            if getattr(self, name) is not None:
                check_positive_int(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class InitialConfig:
    """Weights to start from.

    Attributes:
        weights: A run folder, or a ``.safetensors`` file of backbone weights.
        skip: Globs of parameters that keep their random start.
    """

    weights: str | None = None
    skip: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a step is computed.

    Attributes:
        accumulate: Batches that make one step.
        clip_norm: Longest gradient, all parameters together; None leaves it alone.
        precision: ``"f32"``, ``"bf16"`` (autocast) or ``"fp16"`` (autocast and loss scaling) for
            the backbone; losses are always float32.
        compile: Pass the backbone through ``torch.compile``.
        channels_last: Memory layout of images and convolutions.
        ema_decay: Of the running mean of the weights, which is then what is evaluated and
            exported; None keeps none.
        max_skipped: How many steps in a row with a loss or gradient that is no number are left out
            before the run stops.
    """

    accumulate: int = 1
    clip_norm: float | None = None
    precision: Literal["f32", "bf16", "fp16"] = "f32"
    compile: bool = False
    channels_last: bool = True
    ema_decay: float | None = None
    max_skipped: int = 10

    def __post_init__(self) -> None:
        check_positive_int("accumulate", self.accumulate)
        check_positive_int("max_skipped", self.max_skipped, minimum=0)
        if self.clip_norm is not None:
            check_range("clip_norm", self.clip_norm, low=0, low_open=True)
        if self.ema_decay is not None:
            check_range("ema_decay", self.ema_decay, low=0, high=1, high_open=True)


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """Faces to evaluate on: ``root`` alone, or with the rest.

    Attributes:
        root: ``*.bin``, or a folder with a folder per identity, or with ``pairs.txt``; None for
            data made by code.
        kind: ``"auto"``, a name in `vultus.evaluation.protocols` or in `vultus.data.DATASETS`.
        name: In the log; None takes the file's.
        settings: Every other key: settings of the protocol or data set.
    """

    root: str | None = None
    kind: str = "auto"
    name: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Evaluation during training. The first set decides which weights are the best.

    Attributes:
        every_steps: Steps from one evaluation to the next; None evaluates at the end only.
        batch_size: Crops at a time.
        flip: Add the feature of the mirrored crop.
        sets: Paths, or tables.
    """

    every_steps: int | None = None
    batch_size: int = 64
    flip: bool = False
    sets: tuple[EvaluationSet, ...] = ()

    def __post_init__(self) -> None:
        check_positive_int("batch_size", self.batch_size)
        if self.every_steps is not None:
            check_positive_int("every_steps", self.every_steps)


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """When the whole state is saved; also at the end, and when the run is stopped by a signal.

    Attributes:
        every_steps: Steps from one checkpoint to the next; None: only the other rule.
        every_minutes: Longest time without one; None: only the other rule.
        keep: Newest ones to keep.
    """

    every_steps: int | None = None
    every_minutes: float | None = 15.0
    keep: int = 3

    def __post_init__(self) -> None:
        check_positive_int("keep", self.keep)
        if self.every_steps is not None:
            check_positive_int("every_steps", self.every_steps)
        if self.every_minutes is not None:
            check_range("every_minutes", self.every_minutes, low=0, low_open=True)


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
        teacher: A model of the store, an ONNX file with its card, or a run folder.
        flip: The teacher's feature of the mirrored crop is added to that of the plain one.
        more: Further terms.
        cache: Folder to keep the teacher's embeddings in, to be used by several runs; None keeps
            them in the run folder.
        batch_size: Crops at a time, when they are computed.
    """

    teacher: str
    flip: bool = True
    more: tuple[DistillationTerm, ...] = ()
    cache: str | None = None
    batch_size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive_int("batch_size", self.batch_size)

    @property
    def terms(self) -> tuple[DistillationTerm, ...]:
        """All of them."""
        return (DistillationTerm(kind=self.kind, factor=self.factor), *self.more)


@dataclass(frozen=True, kw_only=True)
class MarginWarmupConfig:
    """The margin of the first loss comes in along a line, see `vultus.losses.schedules`.

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
        name: ``"sgd"``, ``"adamw"`` or ``"adagrad"``.
        lr: Learning rate at the schedule's height.
        lr_batch: The batch that ``lr`` is for; the rate is scaled in proportion to the real one
            (all processes, accumulated). None takes ``lr`` as it is.
        weight_decay: Coupled to the gradient for sgd and adagrad, decoupled for adamw.
        decay_vectors: Also decay norms, biases and PReLU slopes (every parameter with one axis).
        loss_lr_factor: Multiplies the rate of the loss's parameters.
        loss_weight_decay: Of the loss's parameters; None takes ``weight_decay``.
        momentum: Of sgd.
        nesterov: Of sgd.
        betas: Of adamw.
        eps: Of adamw and adagrad; None takes torch's.
    """

    name: Literal["sgd", "adamw", "adagrad"] = "sgd"
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
    """The learning rate over the steps of a stage, see `vultus.training.schedules`.

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
        miner: Chooses the triplets of the first loss, a name of `vultus.training.miners`; None
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
