"""Labelled faces to calibrate on: noise around a centre per person."""

from collections.abc import Callable

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.evaluation.calibration import LabelledFaces

SPACE = EmbeddingSpace("noise", "0" * 64, "none", 24)


def faces_of(n_people: int, n_photos: int, seed: int = 0) -> LabelledFaces:
    generator = np.random.default_rng(seed)
    who = np.repeat(np.arange(n_people), n_photos)
    raw = generator.normal(size=(n_people, 24))[who] + generator.normal(0, 0.8, (len(who), 24))
    names = np.array([f"person{i:04d}" for i in who])
    return LabelledFaces(Embeddings.from_raw(raw, SPACE), names, "noise", "a" * 64)


@pytest.fixture(scope="session")
def make_faces() -> Callable[..., LabelledFaces]:
    return faces_of
