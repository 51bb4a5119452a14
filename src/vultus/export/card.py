"""The card of an exported model: what the run knows, and what only its maker can say."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vultus import __version__
from vultus.core.choices import Flip, Storage, Weights
from vultus.export.parity import Parity
from vultus.models.cards import Licence
from vultus.models.committee import parse_committee
from vultus.models.names import is_committee
from vultus.models.store import ModelStore
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import load_recipe
from vultus.training.run.exported_weights import is_exported
from vultus.training.run.run_folder import RunFolder

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
        whiten: Data set of aligned crops that the features are centred and whitened on, see
            `vultus.export.whitening`; None leaves them as they are.
        sample: Data set of aligned crops for the parity check; None draws synthetic faces.
        replace: Replace files that are there.
    """

    weights: Weights = "auto"
    name: str | None = None
    storage: Storage = "f32"
    flip: Flip | None = None
    licence: Licence = _UNSTATED
    training_data: str | None = None
    whiten: Path | None = None
    sample: Path | None = None
    replace: bool = False


def card_values(folder: RunFolder, *, name: str, settings: ExportSettings) -> dict[str, Any]:
    """The fields of a card that do not come from the file; see `card_for_file`.

    Args:
        folder: The run.
        name: Of the model.
        settings: What the run does not know.
    """
    recipe = load_recipe(str(folder.config))
    flip = settings.flip
    if flip is None:
        flip = "add" if recipe.evaluation.flip else "none"
    title, words, licence = recipe.about.title, settings.training_data, settings.licence
    return {
        "name": name,
        "task": "embedding",
        "description": title if title else f"{recipe.backbone.name} trained with Vultus",
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


def warn_of_teachers(recipe: Recipe, licence: Licence) -> None:
    """Log a warning if terms allow commercial use of what a non-commercial model was the source of.

    That is a teacher, each member of a committee that taught, or the model that the run went on
    from. No error, because whether a network is bound by such terms is not ours to say.
    """
    if not licence.commercial_use:
        return
    store = ModelStore()
    known = set(store.names())
    for name, what in _sources(recipe):
        if name in known and not (terms := store.card(name).licence).commercial_use:
            logger.warning(
                "the network %s %s, whose licence (%s) does not allow commercial use; "
                "the exported card says otherwise",
                *(what, name, terms.name),
            )


def _sources(recipe: Recipe) -> list[tuple[str, str]]:
    """Models that a network has learnt from or begun as, each with what it was."""
    found = []
    for teacher in _teachers(recipe):
        several = is_committee(teacher) and not Path(teacher).expanduser().exists()
        names = [member.name for member in parse_committee(teacher)] if several else [teacher]
        found += [(name, "was taught by") for name in names]
    if recipe.initial.weights is not None:
        found.append((recipe.initial.weights, "went on from"))
    return found


def _training_data(folder: RunFolder, recipe: Recipe) -> str:
    """Kind or name of the data, and how many images and people, as far as the run knows."""
    data = recipe.data
    what = f"{data.kind} data" if data.root is None else Path(data.root).name
    facts = _summary(folder)
    if "images" in facts and "identities" in facts:
        what += f", {facts['images']} images of {facts['identities']} identities"
    teachers = _teachers(recipe)
    if teachers:
        what += f"; taught by {', '.join(Path(teacher).name for teacher in teachers)}"
    if recipe.initial.weights is not None and is_exported(recipe.initial.weights):
        what += f"; begun as {Path(recipe.initial.weights).stem}"
    return what


def _teachers(recipe: Recipe) -> list[str]:
    stages = (stage.distillation for stage in recipe.stages)
    return sorted({stage.teacher for stage in stages if stage is not None})


def notes(
    folder: RunFolder, settings: ExportSettings, parity: Sequence[Parity], *, weights: str
) -> str:
    """How the network was made, and how near the file comes to it, in words.

    Args:
        folder: Of the run.
        settings: Of the export.
        parity: One report an engine.
        weights: Which ones, in words.
    """
    recipe = load_recipe(str(folder.config))
    losses = ["distillation" if stage.loss is None else stage.loss.name for stage in recipe.stages]
    steps = _summary(folder).get("steps", [])
    made = f"{recipe.backbone.name} trained with {', then '.join(losses)}"
    if steps:
        made += f" in {sum(steps)} steps"
    if settings.whiten is not None:
        made += f"; centred and whitened on {settings.whiten.name}"
    return (
        f"{made}; weights {weights} stored as {settings.storage}; exported by Vultus {__version__} "
        f"with torch {torch.__version__}. Against the network: {'; '.join(map(str, parity))}."
    )


def _summary(folder: RunFolder) -> Mapping[str, Any]:
    try:
        values = json.loads(folder.summary.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
