"""Batches: both kinds in equal number, seeded, imitations among the attacks."""

from dataclasses import replace

import numpy as np

from vultus.training.liveness.batches import ALIVE, ATTACKED, batches, batches_in_epoch
from vultus.training.liveness.prepared import PreparedPhotos
from vultus.training.liveness.recipe import ImitationConfig, LivenessRecipe


def crops_of(prepared: PreparedPhotos, kinds: list[str]) -> set[bytes]:
    return {
        prepared.pixels[row].tobytes() for kind in kinds for row in prepared.rows("train", kind)
    }


def back(crop: np.ndarray) -> bytes:
    """Pixels of a crop of a batch as they were: RGB, channels last."""
    return np.ascontiguousarray(crop.transpose(1, 2, 0)[..., ::-1], np.uint8).tobytes()


def test_half_of_a_batch_lives(prepared: PreparedPhotos, recipe: LivenessRecipe) -> None:
    plain = replace(recipe, augment=(), imitation=ImitationConfig(share=0.0))
    live, attacks = (crops_of(prepared, kinds) for kinds in (["live"], ["print", "screen"]))
    found = list(batches(prepared, plain, epoch=0))
    assert len(found) == batches_in_epoch(prepared, plain)
    seen: dict[int, set[bytes]] = {ALIVE: set(), ATTACKED: set()}
    for crops, classes in found:
        assert crops.shape == (16, 3, 40, 40)
        assert (classes == ALIVE).sum() == (classes == ATTACKED).sum() == 8
        for crop, kind in zip(crops, classes.tolist(), strict=True):
            seen[kind].add(back(crop))
    assert seen[ALIVE] == live  # all of the fewer, and none of those who check
    assert seen[ATTACKED] <= attacks
    assert len(seen[ATTACKED]) > 0.6 * len(attacks)


def test_imitations_are_new_attacks(prepared: PreparedPhotos, recipe: LivenessRecipe) -> None:
    known = crops_of(prepared, ["live", "print", "screen"])
    half = replace(recipe, augment=(), imitation=ImitationConfig(share=0.5))
    new = [
        kind
        for crops, classes in batches(prepared, half, epoch=0)
        for crop, kind in zip(crops, classes.tolist(), strict=True)
        if back(crop) not in known
    ]
    assert set(new) == {ATTACKED}
    total = 8 * batches_in_epoch(prepared, half)
    assert 0.2 * total < len(new) < 0.8 * total


def test_an_epoch_is_the_same_again_and_the_next_another(
    prepared: PreparedPhotos, recipe: LivenessRecipe
) -> None:
    first, again, other = (
        next(iter(batches(prepared, recipe, epoch=epoch)))[0] for epoch in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
