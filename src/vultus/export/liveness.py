"""A run of `vultus.training.liveness` -> an ONNX file with its card, measured on other people."""

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vultus import __version__
from vultus.core.errors import InputError, ModelError
from vultus.core.files import check_target, write_bytes, write_text
from vultus.core.progress import Progress
from vultus.evaluation.measures.presentation_attacks import (
    AttackRates,
    attack_rates,
    threshold_for_apcer,
    threshold_for_bpcer,
)
from vultus.export.graph import onnx_graph
from vultus.liveness.passive import live_probability
from vultus.models.cards import Licence, ModelCard
from vultus.models.imported import card_for_file
from vultus.pipeline.measuring.liveness import stated_threshold
from vultus.runtime.providers import installed_engines
from vultus.runtime.session import Session, open_session
from vultus.training.liveness.network import JudgingNetwork
from vultus.training.liveness.photos import LIVE
from vultus.training.liveness.prepared import PreparedPhotos, prepare_photos
from vultus.training.liveness.recipe import LivenessRecipe, load_liveness_recipe
from vultus.training.liveness.split import Part
from vultus.training.liveness.train import LivenessRun, trained_network

UNSTATED = Licence("not stated", commercial_use=False, source="not stated at training")
_MOST_APART = 1e-4
"""Of two probabilities, the file's and the network's."""
_COMPARED = 64
_UNITS = {
    "person": "people",
    "prefix": "sessions (photos whose names differ in their last number only)",
    "photo": "photos (of people, perhaps, who were trained on)",
}

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessExport:
    """What was written.

    Attributes:
        file: The ONNX file.
        card_file: Its card, beside it.
        card: The same; its ``liveness`` is the threshold with what was measured.
        rates: At the threshold, on those who were held out, those without response counted.
        groups: How many people, or sessions, train, set the threshold, check.
        max_difference: Largest difference of a probability between file and network.
    """

    file: Path
    card_file: Path
    card: ModelCard
    rates: AttackRates
    groups: Mapping[Part, int]
    max_difference: float

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        rule = None if self.card.liveness is None else self.card.liveness.to_dict()
        return {
            "file": str(self.file),
            "card": str(self.card_file),
            "threshold": rule,
            "rates": self.rates.to_dict(),
            "groups": dict(self.groups),
            "max_difference": self.max_difference,
        }


def export_liveness(
    run: Path,
    output: Path | None = None,
    *,
    licence: Licence = UNSTATED,
    replace: bool = True,
    progress: Progress | None = None,
) -> LivenessExport:
    """Write the network of a run as ONNX and measure the file on those who were held out.

    The threshold is set on photos of a second group of people; both other groups do not enter it.

    Args:
        run: Folder that `vultus.training.liveness.train.train_liveness` made.
        output: The ONNX file; None takes ``NAME.onnx`` in the folder, by the folder's name.
        licence: Terms of the weights.
        replace: Replace files that are there.
        progress: Told how far it is.

    Raises:
        ConfigError: If the folder holds no such run, or the photos are others.
        InputError: If no threshold keeps the APCER to what was asked for.
        OutputError: If the file exists and is not to be replaced, or cannot be written.
        ModelError: If the file is not equal to the network. Nothing is left behind then.
    """
    folder = LivenessRun(run)
    recipe = load_liveness_recipe(str(folder.config))
    file = run / f"{_name(run)}.onnx" if output is None else output
    card_file = file.with_suffix(".toml")
    for path in (file, card_file):
        check_target(path, replace=replace)
    prepared = prepare_photos(recipe, run, progress=progress)
    network, epochs = trained_network(folder, prepared)
    judging = JudgingNetwork(network)
    model = onnx_graph(judging, output="probabilities")
    content = model.SerializeToString(deterministic=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=file.parent) as place:
        part = Path(place) / file.name
        part.write_bytes(content)
        apart = _parity(part, judging, prepared)
        session = open_session(part)
        score = _threshold(session, prepared, apcer=recipe.apcer)
        rates = _rates(session, prepared, score)
        card = _card(part, recipe, prepared, rates, licence=licence, epochs=epochs, apart=apart)
    write_bytes(file, content)
    write_text(card_file, card.to_toml())
    groups: dict[Part, int] = {
        one: prepared.groups(one) for one in ("train", "setting", "held out")
    }
    done = LivenessExport(
        file=file,
        card_file=card_file,
        card=card,
        rates=rates,
        groups=groups,
        max_difference=apart,
    )
    write_text(folder.summary, json.dumps(done.to_dict(), indent=2) + "\n")
    return done


def _name(run: Path) -> str:
    found = re.sub(r"[^a-z0-9._-]+", "-", run.resolve().name.lower()).strip("-._")
    return found[:64] if found else "liveness"


def _parity(file: Path, judging: JudgingNetwork, prepared: PreparedPhotos) -> float:
    """Largest difference on crops that were held out, over the engines that are here."""
    rows = np.concatenate([prepared.rows("held out", kind) for kind in prepared.kinds])
    crops = prepared.pixels[rows[:: max(1, len(rows) // _COMPARED)]]
    bgr = np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2), np.float32)
    with torch.inference_mode():
        wanted = judging.eval()(torch.from_numpy(bgr)).numpy()
    apart = 0.0
    for engine in installed_engines():
        session = open_session(file, runtime=engine)
        (found,) = session.run({session.inputs[0].name: bgr})
        apart = max(apart, float(np.abs(found - wanted).max()))
    if not apart <= _MOST_APART:
        raise ModelError(
            f"the exported file is not the network that was trained, nothing was written: "
            f"probabilities differ by {apart:.1e}, {_MOST_APART:.0e} is the most"
        )
    return apart


def _scores(session: Session, prepared: PreparedPhotos, part: Part) -> dict[str, Scores]:
    """By kind; each crop alone, as a passive look judges it."""
    return {
        kind: np.array(
            [
                live_probability(session, prepared.pixels[row])
                for row in prepared.rows(part, kind).tolist()
            ],
            np.float64,
        )
        for kind in prepared.kinds
    }


def _threshold(session: Session, prepared: PreparedPhotos, *, apcer: float) -> float:
    found = _scores(session, prepared, "setting")
    live = found.pop(LIVE)
    score = threshold_for_apcer(found, apcer=apcer)
    if score > 1:
        raise InputError(
            f"no threshold keeps the APCER to {apcer:g}: attacks reach the highest score there is, "
            "1; the network cannot tell them from living faces"
        )
    # Where attacks and living faces lie apart, any place between keeps both; the middle is
    # furthest from what new photos may bring.
    highest = threshold_for_bpcer(live, bpcer=0.0)
    return (score + highest) / 2 if highest > score else score


def _rates(session: Session, prepared: PreparedPhotos, score: float) -> AttackRates:
    found = _scores(session, prepared, "held out")
    answered = {
        kind: np.append(scores, np.full(prepared.unanswered.get(kind, 0), np.nan))
        for kind, scores in found.items()
    }
    live = answered.pop(LIVE)
    return attack_rates(live, answered, threshold=score)


def _card(
    file: Path,
    recipe: LivenessRecipe,
    prepared: PreparedPhotos,
    rates: AttackRates,
    *,
    licence: Licence,
    epochs: int,
    apart: float,
) -> ModelCard:
    units = _UNITS[prepared.split]
    counts = {part: prepared.groups(part) for part in ("train", "setting", "held out")}
    origin = (
        f"measured {datetime.now(UTC):%Y-%m-%d} on {counts['held out']} held-out {units} of "
        f"{Path(str(recipe.data.root)).name}, set on {counts['setting']} others for an APCER of "
        f"{recipe.apcer:g}, trained on {counts['train']} others"
    )
    rule = stated_threshold(rates, origin=origin)
    known = {key: value for key, value in rule.to_dict().items() if value is not None}
    n = {kind: len(prepared.rows("train", kind)) for kind in prepared.kinds}
    imitated = ", ".join(recipe.imitation.families) if recipe.imitation.share else "none"
    values = {
        "name": _name(file.with_suffix("")),
        "task": "antispoof",
        "description": f"passive signal of {', '.join(prepared.kinds[1:])}, trained at this site",
        "licence": {
            "name": licence.name,
            "commercial_use": licence.commercial_use,
            "source": licence.source,
        },
        "training_data": ", ".join(f"{count} photos of {kind}" for kind, count in n.items())
        + f"; imitations: {imitated}",
        "template": f"context-{recipe.crop.context:g}",
        "colour": "bgr",
        "layout": (
            f"input crops (b, 3, {recipe.crop.size_px}, {recipe.crop.size_px}) float32, BGR, "
            "pixels 0..255; output probabilities (b, 2): attack, living face"
        ),
        "verified": True,
        "liveness": known,
        "notes": (
            f"Trained for {epochs} epochs and exported by Vultus {__version__} with torch "
            f"{torch.__version__}; probabilities differ from the network's by {apart:.1e} at most. "
            f"Nobody of the {units} is in two of the three parts. Intervals take photos as "
            "independent, which photos of one person are not: they are too narrow. The rates are "
            "those of these cameras, these lights and these attacks, and of no others. A signal "
            "and no proof: attacks pass it."
        ),
    }
    return card_for_file(file, values)
