"""Figures of a small evaluation of groups, for tests of what shows them."""

import numpy as np

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.thresholds import Threshold
from vultus.evaluation.protocols.groups.evaluation import (
    GroupedPhotos,
    GroupPlan,
    evaluate_groups,
)
from vultus.evaluation.protocols.groups.figures import GroupFigures, GroupSettings
from vultus.evaluation.protocols.groups.labels import Grouping, LabelTable

_SETTINGS = GroupSettings(
    labels="labels.csv",
    labels_sha256="0" * 64,
    root="photos",
    by=("group",),
    bands={},
    only={"group": ("<b>east</b>", "west", "north")},
    person="person",
    detector=None,
    gate=True,
    draws=30,
    seed=0,
    version="0",
)


def figures(*, genuine: bool = True, similarity: float = 0.7) -> GroupFigures:
    """Two groups of 60 photos of 30 people, and one of three photos; nobody is refused."""
    generator = np.random.default_rng(0)
    people = np.concatenate([np.arange(30).repeat(2), np.arange(30, 60).repeat(2), [60, 61, 62]])
    names = np.repeat(["<b>east</b>", "west", "north"], [60, 60, 3])
    centres = generator.normal(size=(63, 6))
    rows = centres[people] + 0.4 * generator.normal(size=(123, 6)) + (names == "west")[:, None]
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    table = LabelTable("labels.csv", {"group": tuple(names.tolist())})
    photos = GroupedPhotos(
        Embeddings(unit, np.ones(123, np.float32), EmbeddingSpace("toy", "0" * 64, "none", 6)),
        np.zeros(123, np.bool_),
        np.zeros(123, np.bool_),
        people,
        Grouping(by=("group",)).cells(table),
    )
    plan = GroupPlan(
        threshold=Threshold(similarity, 1e-3, 5000, "test"), fmr=1e-3, genuine=genuine, draws=30
    )
    return evaluate_groups(photos, plan, settings=_SETTINGS, created="2026-11-30T00:00:00Z")
