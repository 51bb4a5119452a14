"""A passive look at faces by networks that were shown prints and screens."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vultus.core.choices import DEFAULT_LIVENESS, Runtime
from vultus.core.errors import ConfigError, InputError
from vultus.core.faces import Faces, Image
from vultus.liveness.context_crop import ContextCrop, context_crop
from vultus.liveness.signal import LivenessFile, LivenessSignal, LivenessThreshold
from vultus.models.cards import ModelCard
from vultus.models.store import ModelStore
from vultus.runtime.session import Session, open_session

UNMEASURED = LivenessThreshold(
    score=0.5, origin="the networks' middle; nobody measured it on attacks of this site"
)
"""What judges without a threshold of the site's own."""

SITE_FILE = "liveness.json"
"""Name of a site's own threshold, beside the first network in the model store."""

_LIVE = 1
"""The class of living faces; 0 and 2 are prints and screens."""
_SIZE_PX = 80
_CONTEXT = re.compile(r"context-(\d+(?:\.\d+)?)")
_LEAST_CONTEXT = 0.5
"""Of what a network was trained to see around a face, so much must be in the photo."""


class PassiveLiveness:
    """Scores faces by networks that each see the face with more or less around it.

    Args:
        sessions: The networks by the models' names: (b, 3, 80, 80) float32, BGR in [0, 255] ->
            (b, 3) probabilities, the second that of a living face.
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
                try:
                    crop = context_crop(image, faces.boxes[row], times=times, size_px=_SIZE_PX)
                except InputError as error:
                    found[row][name] = 0.0
                    reasons[row].append(str(error))
                    continue
                # One by one: a face's score must not hang on who else is in the photo.
                found[row][name] = _live_probability(session, crop)
                reasons[row] += _unfit(crop, times)
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
    models: Sequence[str] = DEFAULT_LIVENESS,
    *,
    threshold: LivenessThreshold | float | None = None,
    runtime: Runtime = "auto",
    threads: int | None = None,
    store: ModelStore | None = None,
) -> PassiveLiveness:
    """Open the networks of a passive look.

    Args:
        models: Names in the model store, of the task ``antispoof``.
        threshold: What faces are judged by; None takes the site's own (`site_threshold_path`),
            else `UNMEASURED`.
        runtime: The inference engine.
        threads: Threads of each network; None leaves it to the engine.
        store: Where models are; None takes the usual one.

    Raises:
        InputError: If there is no model, or one of another task.
        ModelNotFoundError: If a model's file is not here; the message says how to get it.
        ConfigError: If the site's threshold is damaged or of other networks.
    """
    store = ModelStore() if store is None else store
    if not models:
        raise InputError("passive liveness needs a model at least, got none")
    cards = [store.card(name) for name in models]
    sessions = {}
    for card in cards:
        if card.task != "antispoof":
            raise InputError(f"model {card.name!r} must be of the task antispoof, is {card.task}")
        sessions[card.name] = open_session(store.fetch(card.name), runtime=runtime, threads=threads)
    rule = threshold
    if rule is None:
        rule = _site_threshold(store, cards)
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


def site_threshold_path(store: ModelStore, models: Sequence[str] = DEFAULT_LIVENESS) -> Path:
    """Where a site's own threshold of these networks is kept; it may not exist."""
    return store.calibration_path(models[0]).with_name(SITE_FILE)


def network_digests(store: ModelStore, models: Sequence[str]) -> dict[str, str]:
    """The digests of the networks' files, by name: what a threshold holds for."""
    return {name: store.card(name).sha256 for name in models}


def _site_threshold(store: ModelStore, cards: Sequence[ModelCard]) -> LivenessThreshold:
    path = site_threshold_path(store, [card.name for card in cards])
    if not path.is_file():
        return UNMEASURED
    found = LivenessFile.load(path)
    here = {card.name: card.sha256 for card in cards}
    if found.networks != here:
        raise ConfigError(
            f"{path} holds for {', '.join(sorted(found.networks))}, not for the files of "
            f"{', '.join(sorted(here))} that are here: measure it anew with `vultus liveness "
            "evaluate --save`, or delete it"
        )
    return found.threshold


def _live_probability(session: Session, crop: ContextCrop) -> float:
    bgr = np.ascontiguousarray(crop.pixels[..., ::-1].transpose(2, 0, 1)[None], np.float32)
    (probabilities,) = session.run({session.inputs[0].name: bgr})
    return float(probabilities[0, _LIVE])


def _unfit(crop: ContextCrop, times: float) -> list[str]:
    """Why a network cannot judge a crop."""
    reasons = []
    if crop.scaling > 1:
        reasons.append(
            f"the face is too small: what is looked at must have {_SIZE_PX} pixels a side, has "
            f"{_SIZE_PX / crop.scaling:.0f}"
        )
    if crop.times < _LEAST_CONTEXT * times:
        reasons.append(
            f"the photo is cut too close: {times:g} times the face are looked at, it shows "
            f"{crop.times:.1f} times"
        )
    return reasons
