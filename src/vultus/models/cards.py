"""Model cards: what a model file is, where it comes from, and what one may do with it."""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import tomli_w

from vultus.core.choices import Colour, Flip, Task
from vultus.core.errors import ConfigError
from vultus.core.liveness_threshold import LivenessThreshold
from vultus.core.plain_values import parse_toml, read_text
from vultus.core.settings_reader import read
from vultus.core.thresholds import Threshold, ThresholdTable, stated_rate
from vultus.models.names import is_committee_name, is_model_name

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TABLES = ("thresholds", "cautious")
_NEEDED: dict[str, tuple[str, ...]] = {
    "embedding": ("template", "colour", "mean", "std", "embedding_dim", "flip"),
    "detection": ("decoder", "colour", "mean", "std"),
    "quality": ("template", "colour", "mean", "std"),
    "antispoof": ("template",),
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


@dataclass(frozen=True, slots=True)
class TrustFile:
    """The file of a trust head that comes with an embedder; see `vultus.quality.trust`.

    Attributes:
        file_name: Its name, no folder.
        sha256: SHA-256 of that file, 64 lower-case hex digits.
        min_trust: Least score of a face that can be judged, in [0, 1].
        notes: How the limit was chosen, and what it costs.
    """

    file_name: str
    sha256: str
    min_trust: float
    notes: str = ""

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            _refuse("trust.sha256", "64 lower-case hex digits", self.sha256)
        if not _is_plain_file_name(self.file_name, ending=".npz"):
            _refuse("trust.file_name", "NAME.npz, without a folder", self.file_name)
        if not 0 <= self.min_trust <= 1:
            _refuse("trust.min_trust", "in [0, 1]", self.min_trust)


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
        built_from: Name of the file that ours is built of (`vultus.models.built.ORIGINS`), or
            converted from (``vultus liveness convert``); None where it comes as it is.
        built_from_sha256: SHA-256 of that file.
        training_data: What it was trained on, as far as is known.
        template: Alignment template that its crops must have, or ``context-N`` for crops N times as
            large as a face's box; empty if it takes whole images.
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
        cautious: Thresholds whose rate holds inside the worst group of people that was measured
            (`vultus evaluate groups`); empty where nobody has.
        trust: The trust head beside it; None where there is none.
        liveness: What a network of the task ``antispoof`` judges by, with its errors as its maker
            measured them; None where nobody has.

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
    built_from: str | None = None
    built_from_sha256: str | None = None
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
    cautious: ThresholdTable = field(default_factory=ThresholdTable)
    trust: TrustFile | None = None
    liveness: LivenessThreshold | None = None

    def __post_init__(self) -> None:
        self._check_names()
        if self.size_bytes is not None and self.size_bytes < 1:
            _refuse("size_bytes", "at least 1", self.size_bytes)
        if not (math.isfinite(self.mean) and 0 < self.std < math.inf):
            _refuse("mean, std", "finite, std above 0", (self.mean, self.std))
        if self.embedding_dim < 0:
            _refuse("embedding_dim", "at least 0", self.embedding_dim)
        if not 0 <= self.min_norm < math.inf:
            _refuse("min_norm", "at least 0 and finite", self.min_norm)
        self._check_cautious()
        if self.liveness is not None and self.task != "antispoof":
            _refuse("liveness", "absent on a card of another task than antispoof", self.task)
        for key in _NEEDED.get(self.task, ()):
            if getattr(self, key) in ("", 0) and key != "mean":
                _refuse(key, f"given on a card of task {self.task}", getattr(self, key))

    def _check_cautious(self) -> None:
        for point in self.cautious.points:
            laxer = [p for p in self.thresholds.points if stated_rate(p) >= stated_rate(point)]
            if laxer and laxer[-1].similarity > point.similarity:
                _refuse(
                    "a cautious threshold", f"at least {laxer[-1]}, that of everybody", str(point)
                )

    def _check_names(self) -> None:
        if not is_model_name(self.name) and not is_committee_name(self.name):
            _refuse("name", "at most 64 of a-z 0-9 . _ -", self.name)
        if not _is_plain_file_name(self.file_name):
            _refuse("file_name", "NAME.onnx, without a folder", self.file_name)
        for key in ("sha256", "archive_sha256", "built_from_sha256"):
            digest = getattr(self, key)
            if digest is not None and not _SHA256.fullmatch(digest):
                _refuse(key, "64 lower-case hex digits", digest)
        if (self.archive_sha256 is None) != (self.archive_member is None):
            _refuse("archive_sha256", "given together with archive_member", None)
        if (self.built_from is None) != (self.built_from_sha256 is None):
            _refuse("built_from", "given together with built_from_sha256", None)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, source: str = "") -> "ModelCard":
        """Make a card from plain values, as TOML or JSON give them.

        Args:
            values: Fields by name.
            source: What messages call the card; empty for its name.

        Raises:
            ConfigError: If a key is unknown (the message names the nearest), missing, or its value
                is of the wrong type or out of range.
        """
        source = source if source else f"model card {values.get('name', '?')!r}"
        needed = _NEEDED.get(str(values.get("task")), ())
        if missing := [key for key in needed if key not in values]:
            raise ConfigError(f"{source} must have {', '.join(missing)}; add them")
        tables = {
            key: {
                "points": read(tuple[Threshold, ...], values.get(key, []), source=source, where=key)
            }
            for key in _TABLES
        }
        return read(cls, {**values, **tables}, source=source)

    @classmethod
    def from_package(cls, text: str) -> "ModelCard":
        """Make a card that comes with Vultus from its TOML text.

        Every start reads these. Our tests have checked them, so that pydantic, which takes longer
        to load than a photo takes to recognise, need not be loaded to do it again.
        """
        values = tomllib.loads(text)
        tables: dict[str, Any] = {
            key: ThresholdTable(tuple(Threshold(**point) for point in values.pop(key, ())))
            for key in _TABLES
        }
        licence = Licence(**values.pop("licence"))
        trust = TrustFile(**values.pop("trust")) if "trust" in values else None
        rule = LivenessThreshold(**values.pop("liveness")) if "liveness" in values else None
        return cls(**values, **tables, licence=licence, trust=trust, liveness=rule)

    @classmethod
    def from_toml(cls, text: str) -> "ModelCard":
        """Read a card from TOML text.

        Raises:
            ConfigError: If it is no TOML, or not a card (see `from_dict`).
        """
        return cls.from_dict(parse_toml(text, source="a model card"))

    @classmethod
    def from_file(cls, path: Path) -> "ModelCard":
        """Read a card from a TOML file.

        Raises:
            ConfigError: If it cannot be read, is no TOML, or not a card (see `from_dict`).
        """
        return cls.from_dict(parse_toml(read_text(path), source=str(path)), source=str(path))

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set, fit for JSON and TOML; `from_dict` reads them back."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        licence, tables = values.pop("licence"), {key: values.pop(key) for key in _TABLES}
        plain = {key: value for key, value in values.items() if value is not None}
        plain["licence"] = {f.name: getattr(licence, f.name) for f in fields(licence)}
        for key, table in tables.items():
            plain[key] = [point.to_dict() for point in table.points]
        if self.trust is not None:
            plain["trust"] = {f.name: getattr(self.trust, f.name) for f in fields(self.trust)}
        if self.liveness is not None:
            known = self.liveness.to_dict()
            plain["liveness"] = {key: value for key, value in known.items() if value is not None}
        return plain

    def to_toml(self) -> str:
        """The card as TOML text; `from_toml` reads it back."""
        return tomli_w.dumps({key: value for key, value in self.to_dict().items() if value != []})


def _refuse(key: str, wanted: str, got: object) -> None:
    raise ConfigError(f"{key} must be {wanted}, got {got!r}")


def _is_plain_file_name(name: str, *, ending: str = ".onnx") -> bool:
    if not name.lower().endswith(ending) or name.startswith(".") or not name.isprintable():
        return False
    return PurePosixPath(name).name == name and PureWindowsPath(name).name == name
