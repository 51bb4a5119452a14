"""A run folder in, an ONNX file and its card out."""

import json
import logging
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vultus import __version__
from vultus.alignment.templates import crop_template
from vultus.backbones.base import Backbone
from vultus.core.errors import ConfigError, InputError
from vultus.export.graph import onnx_graph
from vultus.export.parity import (
    LIMITS,
    Parity,
    check_parity,
    measure_parity,
    network_vectors,
    sample_crops,
)
from vultus.export.resized_input import ResizedInput
from vultus.export.storage import Storage, store_weights
from vultus.models.cards import Flip, Licence, ModelCard
from vultus.models.imported import card_for_file
from vultus.training.config import InputConfig
from vultus.training.recipe import Recipe
from vultus.training.recipe_file import load_recipe
from vultus.training.result import Weights, load_backbone, weights_file
from vultus.training.run_folder import RunFolder

__all__ = ["Export", "ExportSettings", "export_run"]

logger = logging.getLogger(__name__)

_UNSTATED = Licence("not stated", commercial_use=False, source="not stated at export")


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """What is not in the run folder.

    Attributes:
        weights: Which of the run's weights.
        name: Of the model; None takes the folder's.
        storage: How the file keeps its weights.
        flip: What is done with the mirrored view when faces are embedded; None adds it where the
            recipe's evaluation did.
        licence: Terms of the weights.
        training_data: What the network was trained on, in words; None takes the recipe's.
        sample: Data set of aligned crops for the parity check; None draws synthetic faces.
        replace: Replace files that are there.
    """

    weights: Weights = "auto"
    name: str | None = None
    storage: Storage = "f32"
    flip: Flip | None = None
    licence: Licence = _UNSTATED
    training_data: str | None = None
    sample: Path | None = None
    replace: bool = False


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        file: The ONNX file.
        card_file: Its card, beside it.
        card: The same.
        parity: One report an engine.
    """

    file: Path
    card_file: Path
    card: ModelCard
    parity: tuple[Parity, ...]


def export_run(
    run: Path, output: Path | None = None, *, settings: ExportSettings = ExportSettings()
) -> Export:
    """Write the network of a run as ONNX, with a card, after it was compared with the network.

    Args:
        run: What ``vultus train`` wrote.
        output: The ONNX file; None takes ``<name>.onnx`` in the run folder. The card goes beside
            it, with the suffix ``.toml``.
        settings: What else there is to say.

    Raises:
        ConfigError: If the folder holds no such run or weights, or its crops are not of the
            template's proportion.
        InputError: If the output exists and is not to be replaced.
        ModelError: If the network cannot be written, or the file is not equal to it. Nothing is
            left behind then.
    """
    folder = RunFolder(run)
    backbone = load_backbone(run, weights=settings.weights)
    recipe = load_recipe(str(folder.config))
    backbone = _for_crops(backbone, recipe.input)
    name = _model_name(run) if settings.name is None else settings.name
    file = run / f"{name}.onnx" if output is None else output
    card_file = file.with_suffix(".toml")
    _check_free(file, card_file, replace=settings.replace)
    model = store_weights(onnx_graph(backbone), settings.storage)
    crops = sample_crops(recipe.input.template, settings.sample)
    expected = network_vectors(backbone, crops, recipe.input)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=file.parent) as place:
        part = Path(place) / file.name
        part.write_bytes(model.SerializeToString(deterministic=True))
        values = _card_values(folder, recipe, name=name, settings=settings)
        card = card_for_file(part, values)
        tie = LIMITS[settings.storage].tie
        parity = measure_parity(part, card, crops, expected, tie=tie)
        check_parity(parity, settings.storage)
        card = card_for_file(part, {**values, "notes": _notes(folder, settings, parity)})
        text = Path(place) / card_file.name
        text.write_text(card.to_toml(), encoding="utf-8")
        os.replace(part, file)
        os.replace(text, card_file)
    logger.info("%s: %s", file, card.sha256)
    return Export(file, card_file, card, tuple(parity))


def _for_crops(backbone: Backbone, settings: InputConfig) -> Backbone:
    """The network for crops of the template's size."""
    size, crop_hw = settings.size_hw, crop_template(settings.template).size_hw
    if size == crop_hw:
        return backbone
    if size[0] * crop_hw[1] != size[1] * crop_hw[0]:
        raise ConfigError(
            f"a model must take its template's crops, which have the size {crop_hw} for "
            f"{settings.template!r}, and this run was trained on {size}, of another proportion; "
            f"train with input.size_hw={list(crop_hw)}, or name the right input.template"
        )
    return ResizedInput(backbone, crop_hw=crop_hw).eval()


def _check_free(*files: Path, replace: bool) -> None:
    if files[0].suffix.lower() != ".onnx":
        raise InputError(f"an exported file must be called NAME.onnx, got {files[0].name!r}")
    for file in files:
        if not file.parent.is_dir():
            raise InputError(f"there is no folder {file.parent} to write {file.name} into")
        if file.exists() and not (replace and file.is_file()):
            raise InputError(f"{file} exists; choose another name, or replace it with --force")


def _model_name(run: Path) -> str:
    """The folder's name, as far as a model may have it."""
    return re.sub(r"[^a-z0-9._-]+", "-", run.resolve().name.lower()).strip("-._")[:64]


def _card_values(
    folder: RunFolder, recipe: Recipe, *, name: str, settings: ExportSettings
) -> dict[str, Any]:
    flip = settings.flip
    if flip is None:
        flip = "add" if recipe.evaluation.flip else "none"
    words = settings.training_data
    licence = settings.licence
    return {
        "name": name,
        "task": "embedding",
        "description": recipe.about.title or f"{recipe.backbone.name} trained with Vultus",
        "licence": {
            "name": licence.name,
            "commercial_use": licence.commercial_use,
            "source": licence.source,
        },
        "training_data": _training_data(folder, recipe) if words is None else words,
        "template": recipe.input.template,
        "colour": "rgb",
        "mean": recipe.input.mean,
        "std": recipe.input.std,
        "flip": flip,
        "verified": True,
    }


def _training_data(folder: RunFolder, recipe: Recipe) -> str:
    """Kind or name of the data, and how many images and people, as far as the run knows."""
    data = recipe.data
    what = f"{data.kind} data" if data.root is None else Path(data.root).name
    facts = _summary(folder)
    if "images" in facts and "identities" in facts:
        what += f", {facts['images']} images of {facts['identities']} identities"
    teachers = {s.distillation.teacher for s in recipe.stages if s.distillation is not None}
    if teachers:
        what += f"; taught by {', '.join(Path(teacher).name for teacher in sorted(teachers))}"
    return what


def _notes(folder: RunFolder, settings: ExportSettings, parity: list[Parity]) -> str:
    recipe = load_recipe(str(folder.config))
    losses = ["distillation" if stage.loss is None else stage.loss.name for stage in recipe.stages]
    steps = _summary(folder).get("steps", [])
    made = f"{recipe.backbone.name} trained with {', then '.join(losses)}"
    if steps:
        made += f" in {sum(steps)} steps"
    file = weights_file(folder, settings.weights).stem
    return (
        f"{made}; weights {file} stored as {settings.storage}; exported by Vultus {__version__} "
        f"with torch {torch.__version__}. Against the network: {'; '.join(map(str, parity))}."
    )


def _summary(folder: RunFolder) -> Mapping[str, Any]:
    try:
        values = json.loads(folder.summary.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
