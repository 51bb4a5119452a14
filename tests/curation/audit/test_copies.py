"""Copies of pictures are told from other pictures of the same person."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from benchmarks.planted.altered import altered_copy

from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.curation.audit.copies import CopyPairs, copy_pairs, keep_best, measure_copy_rule
from vultus.curation.audit.features import correlations, embed_images, thumbnail
from vultus.data.decode import decode_image
from vultus.embedding.embedder import Embedder
from vultus.image.encode import encoded


@pytest.fixture
def embed(tiny_embedder: Embedder) -> Callable[[Sequence[Image]], Embeddings]:
    return lambda images: embed_images(images, tiny_embedder)


def test_altered_copies_pass_the_rule_and_other_images_do_not(
    draw: Callable[[int, int], Image], embed: Callable[[Sequence[Image]], Embeddings]
) -> None:
    images = [draw(person, number) for person in range(6) for number in range(4)]
    generator = np.random.default_rng(0)
    copies = [decode_image(altered_copy(encoded(i, ".png"), generator)) for i in images]
    assert all((a != b).any() for a, b in zip(images, copies, strict=True))
    rule = measure_copy_rule(images, embed=embed)
    everything = [*images, *copies]
    thumbnails = np.stack([thumbnail(image) for image in everything])
    pairs = copy_pairs(embed(everything).vectors, thumbnails, rule)
    found = {frozenset(p) for p in zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True)}
    planted = {frozenset((i, i + 24)) for i in range(24)}
    # Mirroring changes what this toy model sees, so a mirrored copy may be missed.
    assert len(planted & found) >= 18
    assert not found - planted


def test_correlation_is_numpys_and_sees_mirrored_pictures(
    draw: Callable[[int, int], Image],
) -> None:
    a, b = thumbnail(draw(0, 0)), thumbnail(draw(0, 1))
    mirrored = thumbnail(draw(0, 0)[:, ::-1])
    wanted = max(
        np.corrcoef(a, b)[0, 1], np.corrcoef(a, b.reshape(16, 16)[:, ::-1].reshape(-1))[0, 1]
    )
    got = correlations(np.stack([a, a]), np.stack([b, mirrored]))
    assert got.tolist() == pytest.approx([wanted, 1.0], abs=1e-4)
    assert thumbnail(draw(0, 0)).shape == (256,)


def test_flat_pictures_are_no_copies_of_each_other() -> None:
    flat = np.full((1, 256), 7, np.uint8)
    assert correlations(flat, flat + 90).tolist() == [0.0]


def test_only_direct_copies_of_what_stays_are_left_out() -> None:
    # 0 - 1 - 2: a chain; the middle one is preferred, then the two ends are copies of it.
    pairs = CopyPairs(np.array([0, 1]), np.array([1, 2]), np.array([0.9, 0.8], np.float32))
    assert {row: kept for row, (kept, _) in keep_best(pairs, [1, 2, 0]).items()} == {0: 1, 2: 1}
    # An end is preferred: the other end is no copy of it and stays.
    assert {row: kept for row, (kept, _) in keep_best(pairs, [3, 2, 1]).items()} == {1: 0}


def test_a_rule_needs_images(embed: Callable[[Sequence[Image]], Embeddings]) -> None:
    with pytest.raises(InputError, match="at least one"):
        measure_copy_rule([], embed=embed)
