"""A passive look at faces by networks that were shown prints and screens."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vultus.core.choices import DEFAULT_LIVENESS, Runtime
from vultus.core.errors import ConfigError, InputError, ModelError
from vultus.core.faces import Faces, Image
from vultus.core.liveness_signal import LivenessSignal
from vultus.core.liveness_threshold import LivenessThreshold
from vultus.embedding.source import find_model, is_file_name
from vultus.liveness.context_crop import ContextCrop, context_crop
from vultus.liveness.signal import LivenessFile
from vultus.models.cards import ModelCard
from vultus.models.store import ModelStore
from vultus.runtime.session import Session, open_session

UNMEASURED = LivenessThreshold(
    score=0.5, origin="the networks' middle; nobody measured it on attacks of this site"
)
"""What judges without a threshold of the site's own."""

SITE_FILE = "liveness.json"
"""Name of a site's own threshold, beside the first network."""

_LIVE = 1
"""The class of living faces; 0 and 2, where there is one, are attacks."""
_CONTEXT = re.compile(r"context-(\d+(?:\.\d+)?)")
_LEAST_CONTEXT = 0.5
"""Of what a network was trained to see around a face, so much must be in the photo."""


class PassiveLiveness:
    """Scores faces by networks that each see the face with more or less around it.

    Args:
        sessions: The networks by the models' names: (b, 3, size, size) float32, BGR in [0, 255] ->
            (b, 2) or (b, 3) probabilities, the second that of a living face.
        times: How many times the face's box each of them sees.
        threshold: What faces are judged by.

    Raises:
        InputError: If there is no network, or one without its ``times``.
    """

    def __init__(
        self,
        sessions: Mapping[str, Session],
        *,
        times: Mapping[str, float],
        threshold: LivenessThreshold = UNMEASURED,
    ) -> None:
        if not sessions or sessions.keys() != times.keys():
            raise InputError(
                f"passive liveness needs networks, each with its context, got {sorted(sessions)} "
                f"and {sorted(times)}"
            )
        self.threshold = threshold
        self._sessions = dict(sessions)
        self._times = dict(times)

    @property
    def names(self) -> tuple[str, ...]:
        """The networks' names."""
        return tuple(self._sessions)

    def judge(self, image: Image, faces: Faces) -> list[LivenessSignal]:
        """Look at each face of a photo.

        Args:
            image: (h, w, 3) uint8, RGB: the photo as it was taken, with what is around the faces.
            faces: As a detector found them; landmarks are not used.

        Returns:
            One signal for each face, in their order.
        """
        found: list[dict[str, float]] = [{} for _ in range(len(faces))]
        reasons: list[list[str]] = [[] for _ in range(len(faces))]
        for name, session in self._sessions.items():
            for row in range(len(faces)):
                times = self._times[name]
                size = session.inputs[0].shape[-1]
                try:
                    crop = context_crop(image, faces.boxes[row], times=times, size_px=int(size))
                except InputError as error:
                    found[row][name] = 0.0
                    reasons[row].append(str(error))
                    continue
                # One by one: a face's score must not hang on who else is in the photo.
                found[row][name] = live_probability(session, crop.pixels)
                reasons[row] += unfit_reasons(crop, times=times)
        return [
            LivenessSignal(
                score=float(np.mean(list(scores.values()))),
                threshold=self.threshold,
                networks=scores,
                reasons=tuple(dict.fromkeys(why)),
            )
            for scores, why in zip(found, reasons, strict=True)
        ]


def open_passive_liveness(
    models: Sequence[str | Path] = DEFAULT_LIVENESS,
    *,
    threshold: LivenessThreshold | float | None = None,
    runtime: Runtime = "auto",
    threads: int | None = None,
    store: ModelStore | None = None,
) -> PassiveLiveness:
    """Open the networks of a passive look.

    Args:
        models: Names in the model store, or files with their cards beside them
            (``vultus liveness train`` makes such), of the task ``antispoof``.
        threshold: What faces are judged by; None takes the site's own (`site_threshold_path`),
            else that of the card where there is one network, else `UNMEASURED`.
        runtime: The inference engine.
        threads: Threads of each network; None leaves it to the engine.
        store: Where models are; None takes the usual one.

    Raises:
        InputError: If there is no model, one twice, or one of another task.
        ModelNotFoundError: If a model's file is not here; the message says how to get it.
        ModelError: If a file has no card, or its graph is none of a passive look.
        DigestError: If a file is not that of its card.
        ConfigError: If the site's threshold is damaged or of other networks.
    """
    store = ModelStore() if store is None else store
    cards, sessions = _cards(models, store), {}
    for model, card in zip(models, cards, strict=True):
        path = Path(model) if _is_file(model, store) else store.fetch(card.name)
        sessions[card.name] = open_session(path, runtime=runtime, threads=threads)
        _check_graph(card.name, sessions[card.name])
    rule = threshold
    if rule is None:
        rule = _usual_threshold(store, models, cards)
    elif not isinstance(rule, LivenessThreshold):
        rule = LivenessThreshold(score=rule)
    return PassiveLiveness(
        sessions, times={card.name: context_of(card) for card in cards}, threshold=rule
    )


def context_of(card: ModelCard) -> float:
    """How many times a face's box a network sees, off its card's template ``context-N``.

    Raises:
        ConfigError: If the card says something else.
    """
    match = _CONTEXT.fullmatch(card.template)
    if match is None or float(match[1]) <= 0:
        raise ConfigError(
            f"template of the card {card.name!r} must be context-N, N times the face's box that "
            f"the network sees, got {card.template!r}"
        )
    return float(match[1])


def site_threshold_path(store: ModelStore, models: Sequence[str | Path] = DEFAULT_LIVENESS) -> Path:
    """Where a site's own threshold of these networks is kept; it may not exist.

    Of a name it is in the model store, of a file ``mine.onnx`` it is ``mine.liveness.json``.
    """
    first = models[0]
    if _is_file(first, store):
        return Path(first).with_suffix(f".{SITE_FILE}")
    return store.calibration_path(str(first)).with_name(SITE_FILE)


def network_digests(store: ModelStore, models: Sequence[str | Path]) -> dict[str, str]:
    """The digests of the networks' files, by name: what a threshold holds for."""
    return {card.name: card.sha256 for card in _cards(models, store)}


def unfit_reasons(crop: ContextCrop, *, times: float) -> list[str]:
    """Why a network cannot judge a crop; empty where it can.

    Args:
        crop: As `context_crop` cut it.
        times: What was asked for.
    """
    size, reasons = len(crop.pixels), []
    if crop.scaling > 1:
        reasons.append(
            f"the face is too small: what is looked at must have {size} pixels a side, has "
            f"{size / crop.scaling:.0f}"
        )
    if crop.times < _LEAST_CONTEXT * times:
        reasons.append(
            f"the photo is cut too close: {times:g} times the face are looked at, it shows "
            f"{crop.times:.1f} times"
        )
    return reasons


def live_probability(session: Session, pixels: Image) -> float:
    """What a network gives for a living face, in [0, 1].

    Args:
        session: See `PassiveLiveness`.
        pixels: (size, size, 3) uint8, RGB, as `context_crop` cuts them.
    """
    bgr = np.ascontiguousarray(pixels[..., ::-1].transpose(2, 0, 1)[None], np.float32)
    (probabilities,) = session.run({session.inputs[0].name: bgr})
    return float(probabilities[0, _LIVE])


def _cards(models: Sequence[str | Path], store: ModelStore) -> list[ModelCard]:
    """The networks' cards, in their order; no file is opened of a name."""
    if not models:
        raise InputError("passive liveness needs a model at least, got none")
    found: dict[str, ModelCard] = {}
    for model in models:
        card = (
            find_model(model, store=store)[1] if _is_file(model, store) else store.card(str(model))
        )
        if card.task != "antispoof":
            raise InputError(f"model {card.name!r} must be of the task antispoof, is {card.task}")
        if card.name in found:
            raise InputError(f"models of a passive look must differ, got {card.name!r} twice")
        found[card.name] = card
    return list(found.values())


def _is_file(model: str | Path, store: ModelStore) -> bool:
    return isinstance(model, Path) or is_file_name(model, store)


def _check_graph(name: str, session: Session) -> None:
    shapes = [one.shape for one in (*session.inputs[:1], *session.outputs[:1])]
    square = [side for side in shapes[0][2:] if isinstance(side, int)]
    if len(shapes[0]) != 4 or shapes[0][1] != 3 or len(square) != 2 or len(set(square)) != 1:
        raise ModelError(
            f"model {name!r} must take square crops (b, 3, size, size), takes {shapes[0]}"
        )
    if len(shapes) < 2 or len(shapes[1]) != 2 or shapes[1][1] not in (2, 3):
        raise ModelError(
            f"model {name!r} must give probabilities (b, 2) or (b, 3), the second that of a "
            f"living face, gives {shapes[1:]}"
        )


def _usual_threshold(
    store: ModelStore, models: Sequence[str | Path], cards: Sequence[ModelCard]
) -> LivenessThreshold:
    path = site_threshold_path(store, models)
    if not path.is_file():
        known = cards[0].liveness
        return known if known is not None and len(cards) == 1 else UNMEASURED
    found = LivenessFile.load(path)
    here = {card.name: card.sha256 for card in cards}
    if found.networks != here:
        raise ConfigError(
            f"{path} holds for {', '.join(sorted(found.networks))}, not for the files of "
            f"{', '.join(sorted(here))} that are here: measure it anew with `vultus liveness "
            "evaluate --save`, or delete it"
        )
    return found.threshold
