"""What a training run is made of: the sections of a recipe as frozen dataclasses.

A recipe is TOML. The sections of a *stage* (`StageConfig`) stand at the top level and hold for the
whole run; ``[[stage]]`` tables, where there are any, each lay some of them anew. These are written
down in `vultus.training.recipe.stage_config`. How text becomes these classes is
`vultus.training.recipe.recipe_file`'s business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vultus.core.checks import check_positive_int, check_range
from vultus.core.settings_reader import TakesRest


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
class DataConfig(TakesRest):
    """The training faces.

    Attributes:
        kind: A name in `vultus.data.DATASETS`, or ``"auto"`` to tell from ``root``.
        root: File or folder; None for data made by code.
        workers: Processes that decode; 0 decodes in the training process.
        on_device: Decode every crop once, keep all of them on the device that trains, and augment
            whole batches there (``workers`` are then the threads of the one decoding). For GPUs,
            whose speed no number of workers keeps up with.
        min_images: Leave out identities with fewer images.
        max_identities: Take this many identities, the first ones.
        max_images: Take at most this many images of an identity, the first ones.
        unlabelled: Keep images without an identity (in a folder data set: those in folders called
            ``_unlabelled``, or right in the root). They take part in distillation only.
        non_faces: Name of the identity (in a folder data set: of the folder) that holds what is no
            face or cannot be judged; for losses that know such a class (``euclidean``).
        settings: Every other key: the data set's own settings.
    """

    shorthand = "root"

    kind: str = "auto"
    root: str | None = None
    workers: int = 0
    on_device: bool = False
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
        weights: A run folder; a ``.safetensors`` file of backbone weights; or what a vultusnet was
            exported to, a model of the store (``"vultus-s2"``) or an ONNX file with its card.
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
class EvaluationSet(TakesRest):
    """Faces to evaluate on: ``root`` alone, or with the rest.

    Attributes:
        root: ``*.bin``, or a folder with a folder per identity, or with ``pairs.txt``; None for
            data made by code.
        kind: ``"auto"``, a name in `vultus.evaluation.protocols` or in `vultus.data.DATASETS`.
        name: In the log; None takes the file's.
        settings: Every other key: settings of the protocol or data set.
    """

    shorthand = "root"

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
