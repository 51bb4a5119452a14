"""Recipes of networks that look for presentation attacks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

import tomli_w

from vultus.core.checks import check_positive_int, check_range
from vultus.core.choices import DEFAULT_DETECTOR
from vultus.core.errors import ConfigError
from vultus.core.plain_values import parse_toml, read_text
from vultus.core.settings_reader import read
from vultus.core.text import did_you_mean, unknown_name
from vultus.data.augmentation import Augmentation
from vultus.data.recapture import RECAPTURES
from vultus.training.recipe.overlay import apply_overrides

SplitBy = Literal["auto", "person", "prefix", "photo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a recipe is.

    Attributes:
        title: In one line.
    """

    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropConfig:
    """What the network sees.

    Attributes:
        context: How many times the face's box, at least 1.
        size_px: Height and width of a crop.
        detector: What finds the faces.
    """

    context: float = 2.0
    size_px: int = 96
    detector: str = DEFAULT_DETECTOR

    def __post_init__(self) -> None:
        check_range("context", self.context, low=1, high=8)
        check_positive_int("size_px", self.size_px, minimum=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoConfig:
    """The photos, and who of them trains, sets the threshold, and checks.

    Attributes:
        root: A folder with ``live/`` and ``attack/SPECIES/``; None where it is still to be said.
        split: What is never on two sides: ``person``, folders of people below ``live/`` and each
            species; ``prefix``, photos whose names differ in their last number only (a session);
            ``photo``, nothing; ``auto`` takes folders of people where all photos lie in some, else
            the prefix.
        setting: Share of the people whose photos set the threshold.
        held_out: Share of the people whose photos say how often it errs.
        min_photos: Photos that can be judged which ``live/`` and each species must have.
        max_ratio: Most living faces for one attack, and the other way round.
        near_copy: Correlation in (0, 1] of two small grey crops from which on a photo that trains
            counts as a copy of one that checks; 1 turns that off.
    """

    root: str | None = None
    split: SplitBy = "auto"
    setting: float = 0.2
    held_out: float = 0.2
    min_photos: int = 30
    max_ratio: float = 20.0
    near_copy: float = 0.998

    def __post_init__(self) -> None:
        for name in ("setting", "held_out"):
            check_range(name, getattr(self, name), low=0, high=0.5, low_open=True)
        check_positive_int("min_photos", self.min_photos, minimum=3)
        check_range("max_ratio", self.max_ratio, low=1)
        check_range("near_copy", self.near_copy, low=0, high=1, low_open=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """The network.

    Attributes:
        width: Channels of its first layer.
        depth: Blocks in each of its three stages.
        dropout: Share of the pooled features that is left out in a step.
    """

    width: int = 24
    depth: int = 2
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check_positive_int("width", self.width, minimum=4)
        check_positive_int("depth", self.depth)
        check_range("dropout", self.dropout, low=0, high=1, high_open=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImitationConfig:
    """Living faces made to look printed or shown, as further attacks to learn from.

    Attributes:
        share: Of the attacks in a batch, in [0, 1).
        families: Names of `vultus.data.recapture.RECAPTURES`.
    """

    share: float = 0.3
    families: tuple[str, ...] = tuple(RECAPTURES)

    def __post_init__(self) -> None:
        check_range("share", self.share, low=0, high=1, high_open=True)
        for family in self.families:
            if family not in RECAPTURES:
                raise ConfigError(f"families has no {unknown_name(family, list(RECAPTURES))}")
        if self.share and not self.families:
            raise ConfigError("families must name an imitation, is empty; share = 0 imitates none")


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How long and how fast it learns.

    Attributes:
        epochs: Passes over the larger of both kinds.
        batch_size: Half of it living faces, half attacks.
        learning_rate: The highest, of AdamW.
        weight_decay: Of AdamW.
        label_smoothing: Share of a label that is given to the other kind.
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.05

    def __post_init__(self) -> None:
        check_positive_int("epochs", self.epochs)
        check_positive_int("batch_size", self.batch_size, minimum=4)
        check_range("learning_rate", self.learning_rate, low=0, low_open=True)
        check_range("weight_decay", self.weight_decay, low=0)
        check_range("label_smoothing", self.label_smoothing, low=0, high=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessRunConfig:
    """Where it goes.

    Attributes:
        output: The run folder.
        seed: Of the split, the weights, batches and changes.
        device: ``cpu``, ``cuda``, or ``auto``: a GPU where there is one.
    """

    output: str = "runs/liveness"
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        check_positive_int("seed", self.seed, minimum=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessRecipe:
    """Everything that a run depends on.

    Attributes:
        about: What it is.
        crop: What the network sees.
        data: Of whom.
        network: The network.
        imitation: Attacks that are made.
        augment: What is done to every crop, living or not, in this order;
            `vultus.data.augmentation` reads the keys.
        fit: How it learns.
        apcer: Share in [0, 1) of the attacks that may pass, of the worst species, on the photos
            that set the threshold.
        run: Where it goes.
    """

    about: About = field(default_factory=About)
    crop: CropConfig = field(default_factory=CropConfig)
    data: PhotoConfig = field(default_factory=PhotoConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    imitation: ImitationConfig = field(default_factory=ImitationConfig)
    augment: tuple[Mapping[str, Any], ...] = ()
    fit: FitConfig = field(default_factory=FitConfig)
    apcer: float = 0.05
    run: LivenessRunConfig = field(default_factory=LivenessRunConfig)

    def __post_init__(self) -> None:
        check_range("apcer", self.apcer, low=0, high=1, high_open=True)
        Augmentation.from_tables(self.augment)

    def to_toml(self) -> str:
        """The recipe as TOML, every default written out; `load_liveness_recipe` reads it back."""
        values = asdict(self)
        values["data"] = {key: value for key, value in values["data"].items() if value is not None}
        return tomli_w.dumps(values)


def liveness_recipe_names() -> list[str]:
    """The recipes that come with Vultus."""
    return sorted(
        Path(entry.name).stem for entry in _packaged().iterdir() if entry.name.endswith(".toml")
    )


def load_liveness_recipe(name_or_path: str, *, overrides: Sequence[str] = ()) -> LivenessRecipe:
    """Read a recipe.

    Args:
        name_or_path: A name of `liveness_recipe_names`, or a ``.toml`` file.
        overrides: ``key=value`` each, laid over it.

    Raises:
        ConfigError: If there is no such recipe, it is no TOML, or a setting is wrong.
    """
    path, names = Path(name_or_path), liveness_recipe_names()
    if path.suffix == ".toml" and path.is_file():
        values = parse_toml(read_text(path), source=str(path))
    elif name_or_path in names:
        with as_file(_packaged()) as folder:
            values = parse_toml(read_text(folder / f"{path.stem}.toml"), source=name_or_path)
    else:
        raise ConfigError(
            f"no recipe {name_or_path!r}{did_you_mean(name_or_path, names)} "
            f"(there are: {', '.join(names)}; or the path of a .toml file)"
        )
    values.setdefault("run", {}).setdefault("output", f"runs/{path.stem}")
    source = path.name if path.suffix else f"{path.name}.toml"
    return read(LivenessRecipe, apply_overrides(values, overrides), source=source)


def _packaged() -> Any:
    return files("vultus") / "recipes" / "liveness"
