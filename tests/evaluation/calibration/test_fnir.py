"""Misses of enrolled people, against a plain loop."""

from collections.abc import Callable

import numpy as np
import pytest

from vultus.core.errors import CalibrationError
from vultus.evaluation.calibration import LabelledFaces
from vultus.evaluation.calibration.fnir import fit_fnir_curves


def test_single_photos_are_missed_as_a_loop_counts(
    make_faces: Callable[..., LabelledFaces],
) -> None:
    faces = make_faces(40, 2)
    people = np.unique(faces.identities, return_inverse=True)[1].astype(np.int64)
    curves = fit_fnir_curves(
        faces.embeddings, people, generator=np.random.default_rng(0), origin="noise"
    )
    vectors = faces.embeddings.vectors
    mates = [float(vectors[2 * i] @ vectors[2 * i + 1]) for i in range(40)]
    for threshold in (0.3, 0.5, 0.7):
        fnir, high = curves.at(threshold)
        assert fnir == pytest.approx(np.mean(np.array(mates) < threshold))
        assert fnir <= high <= 1
    assert [level.photos_per_person for level in curves.levels] == [1]
    assert (curves.levels[0].n_people, curves.levels[0].n_searches) == (40, 80)


def test_more_photos_miss_fewer(make_faces: Callable[..., LabelledFaces]) -> None:
    faces = make_faces(60, 4)
    people = np.unique(faces.identities, return_inverse=True)[1].astype(np.int64)
    curves = fit_fnir_curves(
        faces.embeddings, people, generator=np.random.default_rng(0), origin="noise"
    )
    missed = [level.at(0.6)[0] for level in curves.levels]
    assert [level.photos_per_person for level in curves.levels] == [1, 2, 3]
    assert missed == sorted(missed, reverse=True)
    assert missed[0] > missed[-1] + 0.1


def test_too_few_people_with_two_photos_are_refused(
    make_faces: Callable[..., LabelledFaces],
) -> None:
    faces = make_faces(29, 2)
    people = np.repeat(np.arange(29), 2)
    with pytest.raises(CalibrationError, match="there are 29: 1 more"):
        fit_fnir_curves(
            faces.embeddings, people, generator=np.random.default_rng(0), origin="noise"
        )
