"""Options that several commands share: each is a field of the dataclass that it fills.

`vultus.cli.flatten` makes options of the fields. Nothing heavy is imported before `open`, so that
a command's help is quick.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.core.choices import (
    DEFAULT_DETECTOR,
    DEFAULT_EMBEDDER,
    DEFAULT_FMR,
    DEFAULT_FPIR,
    DEFAULT_MAX_FNIR,
    RIGHTING_WAYS,
    Precision,
    RightingWay,
    Selection,
)
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.pipeline.analyser import Analyser
    from vultus.pipeline.recognizer import Recognizer

PhotosArgument = Annotated[
    list[str], typer.Argument(help="Photos, folders (searched recursively) or globs.")
]
DetectorOption = Annotated[
    str,
    typer.Option(
        help="mtcnn, yunet or scrfd; NAME:MODEL for another model, NAME:min_face_px=60 a setting.",
        metavar="NAME",
    ),
]
ModelOption = Annotated[
    str,
    typer.Option(
        help="Embedder: a name of `vultus models list`; several with + between make a committee.",
        metavar="NAME",
    ),
]
PrecisionOption = Annotated[
    Precision, typer.Option(help="f32, or bf16 where the CPU and OpenVINO have it.")
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        help="A cosine similarity to use instead; its error rate is unknown.", show_default=False
    ),
]
CautiousOption = Annotated[
    bool,
    typer.Option(
        "--cautious",
        help="A threshold that holds inside the worst group of people that was measured, too.",
    ),
]
CalibrationOption = Annotated[
    str | None,
    typer.Option(
        help="File of `vultus calibrate`, or `none` for the model card alone; else the store's.",
        metavar="FILE",
        show_default=False,
    ),
]
CacheOption = Annotated[
    str | None,
    typer.Option(
        help="Folder that keeps the faces found in photos, or `none`; else in the user's cache. "
        "It holds vectors of faces, for its owner only.",
        metavar="DIR",
        show_default=False,
    ),
]
RecipeArgument = Annotated[
    str | None,
    typer.Argument(help="A name of --list, or a .toml file.", show_default=False),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in the run folder, if any.")
]
ListRecipesOption = Annotated[bool, typer.Option("--list", help="List the recipes.")]
SelectOption = Annotated[
    Selection,
    typer.Option(help="Which face of a photo is meant when it shows several that can be judged."),
]


def check_one_rule(threshold: float | None, *, cautious: bool) -> None:
    """Refuse a threshold by hand beside a cautious one."""
    if cautious and threshold is not None:
        raise InputError("--cautious and --threshold are two ways to decide; give one")


@dataclass(frozen=True, slots=True, kw_only=True)
class FmrOptions:
    """Where the line between one person and two is drawn."""

    fmr: Annotated[
        float, typer.Option(help="False match rate that the threshold may have at most, (0, 1].")
    ] = DEFAULT_FMR
    threshold: ThresholdOption = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FpirOptions:
    """Where the line between somebody known and a stranger is drawn."""

    fpir: Annotated[
        float, typer.Option(help="Chance that a stranger is given a name, at most, (0, 1).")
    ] = DEFAULT_FPIR
    threshold: ThresholdOption = None
    cautious: CautiousOption = False
    max_fnir: Annotated[
        float,
        typer.Option(help="Refuse a threshold that misses more of the enrolled, [0, 1]."),
    ] = DEFAULT_MAX_FNIR

    def __post_init__(self) -> None:
        check_one_rule(self.threshold, cautious=self.cautious)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """The models that find and embed faces."""

    model: ModelOption = DEFAULT_EMBEDDER
    detector: DetectorOption = DEFAULT_DETECTOR

    def open(self) -> "Recognizer":
        """The recogniser, which refuses no face; its models are loaded when first needed."""
        from vultus.pipeline.recognizer import Recognizer

        return Recognizer(detector=self.detector, embedder=self.model, gate=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderOptions(ModelOptions):
    """The same, in an arithmetic of one's choice."""

    precision: PrecisionOption = "f32"

    def open(self) -> "Recognizer":
        """The recogniser, which refuses no face; its models are loaded when first needed."""
        from vultus.pipeline.recognizer import Recognizer

        return Recognizer(
            detector=self.detector, embedder=self.model, precision=self.precision, gate=None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingOptions(EmbedderOptions):
    """Models that find and embed faces, and what judges these."""

    gate: Annotated[
        bool,
        typer.Option(
            "--gate/--no-gate", help="Refuse faces that are too poor to compare, with the reason."
        ),
    ] = True
    turns: Annotated[
        bool,
        typer.Option(
            "--turns/--no-turns",
            help="Try the other three turns of a photo of which no face can be trusted as stored.",
        ),
    ] = True
    widths: Annotated[
        bool,
        typer.Option(
            "--widths/--no-widths",
            help="Try other widths of such a photo, as of one that was stretched.",
        ),
    ] = True

    @property
    def ways(self) -> tuple[RightingWay, ...]:
        """What may be tried on a photo."""
        wanted = {"turns": self.turns, "widths": self.widths}
        return tuple(way for way in RIGHTING_WAYS if wanted[way])

    def analyser(self, *, threads: int | None = None) -> "Analyser":
        """What finds, judges and embeds; its models are loaded when first needed.

        Args:
            threads: Of each model.
        """
        from vultus.pipeline.analyser import Analyser
        from vultus.quality.gate import QualityGate

        return Analyser(
            detector=self.detector,
            embedder=self.model,
            precision=self.precision,
            gate=QualityGate() if self.gate else None,
            righting=self.ways,
            threads=threads,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizerOptions(JudgingOptions):
    """A recogniser that decides."""

    calibration: CalibrationOption = None

    def open(self, *, cache: str = "none") -> "Recognizer":
        """The recogniser; its models are loaded when first needed.

        Args:
            cache: Where it keeps the faces of photos: a folder, ``none``, or ``user``.
        """
        from vultus.pipeline.face_cache import FaceCache
        from vultus.pipeline.recognizer import Recognizer
        from vultus.quality.gate import QualityGate

        recognizer = Recognizer(
            detector=self.detector,
            embedder=self.model,
            precision=self.precision,
            gate=QualityGate() if self.gate else None,
            righting=self.ways,
        )
        if cache != "none":
            recognizer.cache = FaceCache(None if cache == "user" else cache)
        return with_calibration(recognizer, self.calibration)


def with_calibration(recognizer: "Recognizer", chosen: str | None) -> "Recognizer":
    """The recogniser, judging by what `CalibrationOption` names."""
    if chosen is not None:
        recognizer.use_calibration(None if chosen == "none" else chosen)
    return recognizer
