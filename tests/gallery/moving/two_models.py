"""People with crops of whom two small models make vectors, to bring a gallery to another model."""

import numpy as np

from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.moving.migration import Migration

TEMPLATE = "arcface-112"
OLD = EmbeddingSpace("old", "0" * 64, "none", 64)
NEW = EmbeddingSpace("new", "1" * 64, "none", 64)  # as long: only the generation tells them apart
RULE = Threshold(0.6)


def crops_of(person: int, n: int = 2, *, first: int = 0) -> AlignedCrops:
    """Small pictures of a person, alike among themselves."""
    face = np.random.default_rng([person]).integers(60, 196, (8, 8, 3))
    noise = [
        np.random.default_rng([person, i]).integers(-20, 20, (8, 8, 3))
        for i in range(first, first + n)
    ]
    pixels = np.stack([face + some for some in noise]).astype(np.uint8)
    return AlignedCrops(pixels, np.zeros((n, 2, 3), np.float32), TEMPLATE)


def embed(crops: AlignedCrops, space: EmbeddingSpace) -> Embeddings:
    """A model: a random map of the pixels, another one for each space."""
    matrix = np.random.default_rng(ord(space.model[0])).standard_normal((192, 64))
    return Embeddings.from_raw((crops.pixels.reshape(-1, 192) - 128.0) @ matrix, space)


def embed_new(crops: AlignedCrops) -> Embeddings:
    return embed(crops, NEW)


def enrol(gallery: Gallery, person: int, *, crops: bool = True) -> None:
    seen = crops_of(person)
    with gallery.opened.store.transaction(write=True):
        done = gallery.enroll(f"person {person}", embed(seen, gallery.space))
        if crops:
            KeptCrops(gallery).keep(done, seen)


def check_found(gallery: Gallery, people: list[int]) -> None:
    for person in people:
        probe = embed(crops_of(person, 1, first=9), gallery.space)
        (answer,) = gallery.identify(probe, threshold=RULE)
        assert answer.identity == f"person {person}"


def begun(gallery: Gallery) -> Migration:
    migration = Migration(gallery)
    migration.begin(NEW, template=TEMPLATE, outlier_similarity=0.5)
    return migration
