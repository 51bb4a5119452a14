"""A run folder in, an ONNX file and its card out."""

import logging
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from vultus.alignment.crop_templates import crop_template
from vultus.backbones.base import Backbone
from vultus.core.errors import ConfigError, InputError
from vultus.core.files import check_target, write_bytes, write_text
from vultus.export.card import ExportSettings, card_values, notes, warn_of_teachers
from vultus.export.graph import onnx_graph
from vultus.export.parity import (
    LIMITS,
    Parity,
    check_parity,
    measure_parity,
    network_vectors,
    sample_crops,
)
from vultus.export.storage import store_weights
from vultus.export.whitening import whitened
from vultus.models.cards import ModelCard
from vultus.models.imported import card_for_file
from vultus.training.recipe.config import InputConfig
from vultus.training.recipe.recipe_file import load_recipe
from vultus.training.run.result import read_weights, with_weights
from vultus.training.run.run_folder import RunFolder

logger = logging.getLogger(__name__)


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
    run: Path,
    output: Path | None = None,
    *,
    settings: ExportSettings = ExportSettings(),  # noqa: B008 - immutable
) -> Export:
    """Write the network of a run as ONNX, with a card, after it was compared with the network.

    Args:
        run: What ``vultus train`` wrote; of a run that was stopped, the newest checkpoint is taken,
            and a warning and the card say so.
        output: The ONNX file; None takes ``<name>.onnx`` in the run folder. The card goes beside
            it, with the suffix ``.toml``.
        settings: What else there is to say.

    Raises:
        ConfigError: If the folder holds no such run or weights, or its crops are not of the
            template's proportion.
        InputError: If the output exists and is not to be replaced, or there are too few crops to
            whiten on.
        ModelError: If the network cannot be written, or the file is not equal to it. Nothing is
            left behind then.
    """
    folder = RunFolder(run)
    weights = read_weights(folder, settings.weights)
    backbone = with_weights(folder, weights)
    recipe = load_recipe(str(folder.config))
    backbone = _for_crops(backbone, recipe.input)
    name = _model_name(run) if settings.name is None else settings.name
    file = run / f"{name}.onnx" if output is None else output
    card_file = file.with_suffix(".toml")
    _check_free(file, card_file, replace=settings.replace)
    values = card_values(folder, name=name, settings=settings)
    if settings.whiten is not None:
        flip = values["flip"] == "add"
        backbone = whitened(backbone, settings.whiten, recipe.input, flip=flip)
    model = store_weights(onnx_graph(backbone), settings.storage)
    content = model.SerializeToString(deterministic=True)
    crops = sample_crops(recipe.input.template, settings.sample)
    expected = network_vectors(backbone, crops, recipe.input)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=file.parent) as place:
        part = Path(place) / file.name
        part.write_bytes(content)
        card = card_for_file(part, values)
        tie = LIMITS[settings.storage].tie
        parity = measure_parity(part, card, crops, expected, tie=tie)
        check_parity(parity, settings.storage)
        card = card_for_file(
            part, {**values, "notes": notes(folder, settings, parity, weights=weights.words)}
        )
    write_bytes(file, content)
    write_text(card_file, card.to_toml())
    warn_of_teachers(recipe, settings.licence)
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
        if file.is_file() and not replace:
            raise InputError(f"{file} exists; choose another name, or replace it with --force")
        check_target(file)


def _model_name(run: Path) -> str:
    """The folder's name, as far as a model may have it."""
    return re.sub(r"[^a-z0-9._-]+", "-", run.resolve().name.lower()).strip("-._")[:64]


class ResizedInput(Backbone):
    """Resizes crops as the trainer did, and hands them on.

    Resizing is linear in the pixels, so it is two matrices: what OpenCV makes of single pixels. The
    trainer's crops were rounded to whole grey levels behind it; these are not.

    Args:
        backbone: The network.
        crop_hw: Height and width of the crops.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, backbone: Backbone, *, crop_hw: tuple[int, int]) -> None:
        super().__init__(dim=backbone.dim, input_hw=crop_hw)
        self.backbone = backbone
        height, width = backbone.input_hw
        shrinks = crop_hw[0] * crop_hw[1] > height * width
        self.register_buffer("rows", _matrix(crop_hw[0], height, shrinks=shrinks))
        self.register_buffer("columns", _matrix(crop_hw[1], width, shrinks=shrinks).T.contiguous())

    def compute(self, images: Tensor) -> Tensor:
        """Features of (b, 3, h, w) images of the crops' size."""
        features: Tensor = self.backbone(self.rows @ images @ self.columns)
        return features


def _matrix(length: int, wanted: int, *, shrinks: bool) -> Tensor:
    """(wanted, length): what resizing does along one axis."""
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    pixels = np.eye(length, dtype=np.float32)
    return torch.from_numpy(cv2.resize(pixels, (length, wanted), interpolation=method))
