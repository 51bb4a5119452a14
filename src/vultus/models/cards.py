"""Model cards: what a model file is, where it comes from, and what one may do with it."""

import json
import math
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, get_args

from vultus.core.choices import Colour, Flip, Task
from vultus.core.errors import ConfigError, InputError
from vultus.core.text import did_you_mean
from vultus.core.thresholds import Threshold, ThresholdTable

_CHOICES = {"task": get_args(Task), "colour": get_args(Colour), "flip": get_args(Flip)}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NEEDED: dict[str, tuple[str, ...]] = {
    "embedding": ("template", "colour", "mean", "std", "embedding_dim", "flip"),
    "detection": ("decoder", "colour", "mean", "std"),
    "quality": ("template", "colour", "mean", "std"),
    "antispoof": (),
}


@dataclass(frozen=True, slots=True)
class Licence:
    """What one may do with a model's weights.

    Attributes:
        name: The licence, e.g. ``"Apache-2.0"``, or the terms in a few words.
        commercial_use: Whether its terms, read strictly, allow commercial use.
        source: Where the terms are written: an address, or whose word it is.
    """

    name: str
    commercial_use: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """One model file and everything needed to run it and to defend its use.

    The network's input is ``(pixels - mean) / std`` in ``colour`` order, pixels in [0, 255].

    Attributes:
        name: Lower-case letters, digits, ``.``, ``_``, ``-``; the name in the store.
        task: What the model does.
        description: One line.
        file_name: Name of the file in the store, no folder.
        sha256: SHA-256 of that file, 64 lower-case hex digits.
        licence: What one may do with it.
        size_bytes: Its length; None if unknown before it is here.
        url: Where it is downloaded; None where it comes by a mirror or an import only.
        archive_sha256: SHA-256 of the zip pack that ``url`` gives; None if ``url`` is the file.
        archive_member: The file's name inside that pack.
        training_data: What it was trained on, as far as is known.
        template: Alignment template that its crops must have; empty if it takes whole images.
        colour: Channel order of the network's input.
        mean: Subtracted from pixels; 0 where the graph or the decoder does it.
        std: Divides what is left; 1 where the graph or the decoder does it.
        embedding_dim: Length of the graph's output vector; 0 if it is no embedder.
        flip: What is done with the mirrored view at test time.
        min_norm: Least norm of an embedding that can be judged; 0 where that is not measured, or
            the norm says nothing.
        decoder: Which code reads a detector's outputs, e.g. ``"yunet"``; empty if it is none.
        layout: The graph's inputs and outputs, in words.
        verified: Whether the file itself was run by us with these settings.
        notes: What else one should know.
        thresholds: Measured thresholds; empty where nobody has measured.

    Raises:
        ConfigError: If a field's value cannot be.
    """

    name: str
    task: Task
    description: str
    file_name: str
    sha256: str
    licence: Licence
    size_bytes: int | None = None
    url: str | None = None
    archive_sha256: str | None = None
    archive_member: str | None = None
    training_data: str = "unknown"
    template: str = ""
    colour: Colour = "rgb"
    mean: float = 0.0
    std: float = 1.0
    embedding_dim: int = 0
    flip: Flip = "none"
    min_norm: float = 0.0
    decoder: str = ""
    layout: str = ""
    verified: bool = False
    notes: str = ""
    thresholds: ThresholdTable = field(default_factory=ThresholdTable)

    def __post_init__(self) -> None:
        self._check_names()
        for key, choices in _CHOICES.items():
            if getattr(self, key) not in choices:
                _refuse(self.name, key, f"one of {', '.join(choices)}", getattr(self, key))
        if self.size_bytes is not None and self.size_bytes < 1:
            _refuse(self.name, "size_bytes", "at least 1", self.size_bytes)
        if not (math.isfinite(self.mean) and 0 < self.std < math.inf):
            _refuse(self.name, "mean, std", "finite, std above 0", (self.mean, self.std))
        if self.embedding_dim < 0:
            _refuse(self.name, "embedding_dim", "at least 0", self.embedding_dim)
        if not 0 <= self.min_norm < math.inf:
            _refuse(self.name, "min_norm", "at least 0 and finite", self.min_norm)
        for key in _NEEDED[self.task]:
            if getattr(self, key) in ("", 0) and key != "mean":
                _refuse(self.name, key, f"given on a card of task {self.task}", getattr(self, key))

    def _check_names(self) -> None:
        if not is_model_name(self.name):
            _refuse(self.name, "name", "at most 64 of a-z 0-9 . _ -", self.name)
        if not _is_plain_file_name(self.file_name):
            _refuse(self.name, "file_name", "NAME.onnx, without a folder", self.file_name)
        for key in ("sha256", "archive_sha256"):
            digest = getattr(self, key)
            if digest is not None and not _SHA256.fullmatch(digest):
                _refuse(self.name, key, "64 lower-case hex digits", digest)
        if (self.archive_sha256 is None) != (self.archive_member is None):
            _refuse(self.name, "archive_sha256", "given together with archive_member", None)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ModelCard":
        """Make a card from plain values, as TOML or JSON give them.

        Raises:
            ConfigError: If a key is unknown (the message names the nearest), missing, or its value
                is of the wrong type or out of range.
        """
        label = str(values.get("name", "?"))
        _check_keys(label, values, [f.name for f in fields(cls)], "a model card")
        task = values.get("task")
        needed = ("name", "task", "description", "file_name", "sha256", "licence")
        missing = [k for k in (*needed, *_NEEDED.get(str(task), ())) if k not in values]
        if missing:
            raise ConfigError(f"model card {label!r} must have {', '.join(missing)}; add them")
        checked = {key: _typed(label, key, value) for key, value in values.items()}
        return cls(**checked)

    @classmethod
    def from_toml(cls, text: str) -> "ModelCard":
        """Read a card from TOML text.

        Raises:
            ConfigError: If it is no TOML, or not a card (see `from_dict`).
        """
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"a model card must be TOML: {error}") from None
        return cls.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set, fit for JSON and TOML; `from_dict` reads them back."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        licence, points = values.pop("licence"), values.pop("thresholds").points
        plain = {key: value for key, value in values.items() if value is not None}
        plain["licence"] = {f.name: getattr(licence, f.name) for f in fields(licence)}
        plain["thresholds"] = [point.to_dict() for point in points]
        return plain

    def to_toml(self) -> str:
        """The card as TOML text; `from_toml` reads it back."""
        values = self.to_dict()
        licence, points = values.pop("licence"), values.pop("thresholds")
        blocks = [_toml_lines(values), "[licence]\n" + _toml_lines(licence)]
        blocks += ["[[thresholds]]\n" + _toml_lines(point) for point in points]
        return "\n".join(blocks)


def is_model_name(name: str) -> bool:
    """Whether a model could have this name; such a name is also safe as a folder's name."""
    return _NAME.fullmatch(name) is not None


def _refuse(card: str, key: str, wanted: str, got: object) -> None:
    raise ConfigError(f"model card {card!r}: {key} must be {wanted}, got {got!r}")


def _check_keys(card: str, given: Collection[str], known: Collection[str], what: str) -> None:
    for key in given:
        if key not in known:
            raise ConfigError(
                f"model card {card!r}: {what} has no {key!r}{did_you_mean(key, known)} "
                f"(there are: {', '.join(known)})"
            )


_TYPES: dict[str, tuple[type, ...]] = {
    "size_bytes": (int,),
    "embedding_dim": (int,),
    "mean": (int, float),
    "std": (int, float),
    "min_norm": (int, float),
    "verified": (bool,),
    "licence": (dict,),
    "thresholds": (list,),
}


def _typed(card: str, key: str, value: Any) -> Any:
    kinds = _TYPES.get(key, (str,))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        _refuse(card, key, " or ".join(kind.__name__ for kind in kinds), value)
    if key == "licence":
        return _licence(card, value)
    if key == "thresholds":
        return _thresholds(card, value)
    return float(value) if kinds == (int, float) else value


def _licence(card: str, values: Mapping[str, Any]) -> Licence:
    known = {"name": str, "commercial_use": bool, "source": str}
    _check_keys(card, values, known, "its licence")
    for key, kind in known.items():
        if not isinstance(values.get(key), kind):
            _refuse(card, f"licence.{key}", f"given, as {kind.__name__}", values.get(key))
    return Licence(**values)


def _thresholds(card: str, points: list[Any]) -> ThresholdTable:
    try:
        for point in points:
            if not isinstance(point, dict):
                _refuse(card, "thresholds", "tables", point)
            _check_keys(card, point, ("similarity", "fmr", "n_impostor", "origin"), "a threshold")
        return ThresholdTable(tuple(Threshold(**point) for point in points))
    except (InputError, TypeError) as error:
        raise ConfigError(f"model card {card!r}: {error}") from None


def _is_plain_file_name(name: str) -> bool:
    if not name.lower().endswith(".onnx") or name.startswith(".") or not name.isprintable():
        return False
    return PurePosixPath(name).name == name and PureWindowsPath(name).name == name


def _toml_lines(values: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in values.items())


def _toml_value(value: str | bool | float) -> str:
    # JSON's strings, numbers and booleans are TOML's, except that TOML also escapes DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
