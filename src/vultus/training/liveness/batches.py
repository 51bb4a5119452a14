"""Batches: half living faces, half attacks, each species as often as the others."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from vultus.data.augmentation import Augmentation
from vultus.data.recapture import recaptured
from vultus.training.liveness.photos import LIVE
from vultus.training.liveness.prepared import PreparedPhotos
from vultus.training.liveness.recipe import LivenessRecipe

ATTACKED, ALIVE = 0, 1
"""The classes, in the order of the network's scores."""


def batches_in_epoch(prepared: PreparedPhotos, recipe: LivenessRecipe) -> int:
    """How many batches show the larger of both kinds once."""
    live = len(prepared.rows("train", LIVE))
    attacks = sum(len(prepared.rows("train", kind)) for kind in prepared.kinds[1:])
    return max(1, -(-2 * max(live, attacks) // recipe.fit.batch_size))


def batches(
    prepared: PreparedPhotos, recipe: LivenessRecipe, *, epoch: int
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
    """The batches of an epoch: the same for the same seed and epoch, whatever was before.

    Args:
        prepared: What is trained on.
        recipe: How.
        epoch: From 0.

    Yields:
        (b, 3, size, size) float32 crops, BGR in [0, 255]; (b,) int64 classes.
    """
    rng = np.random.default_rng([recipe.run.seed, 2, epoch])
    augment = Augmentation.from_tables(recipe.augment)
    half = recipe.fit.batch_size // 2
    live = _Deck(prepared.rows("train", LIVE), rng)
    decks = [_Deck(prepared.rows("train", kind), rng) for kind in prepared.kinds[1:]]
    for _ in range(batches_in_epoch(prepared, recipe)):
        crops = [augment(prepared.pixels[live.draw()], rng) for _ in range(half)]
        for _ in range(half):
            if rng.random() < recipe.imitation.share:
                family = str(rng.choice(recipe.imitation.families))
                crop = recaptured(prepared.pixels[live.draw()], family, rng)
            else:
                crop = prepared.pixels[decks[int(rng.integers(len(decks)))].draw()]
            crops.append(augment(crop, rng))
        stacked = np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2)
        classes = np.repeat(np.array([ALIVE, ATTACKED], np.int64), half)
        yield np.ascontiguousarray(stacked, np.float32), classes


class _Deck:
    """Draws each row once before any a second time."""

    def __init__(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> None:
        self._rows, self._rng = rows, rng
        self._left: list[int] = []

    def draw(self) -> int:
        if not self._left:
            self._left = self._rng.permutation(self._rows).tolist()
        return self._left.pop()
