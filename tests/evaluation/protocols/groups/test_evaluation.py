from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.core.thresholds import Threshold
from vultus.evaluation.protocols.groups.evaluation import (
    GroupedPhotos,
    GroupPlan,
    evaluate_groups,
)
from vultus.evaluation.protocols.groups.figures import GroupFigures, GroupSettings
from vultus.evaluation.protocols.groups.labels import Grouping, LabelTable

SPACE = EmbeddingSpace("toy", "0" * 64, "none", 8)
SETTINGS = GroupSettings(
    labels="labels.csv",
    labels_sha256="0" * 64,
    root="photos",
    by=("sex", "age"),
    bands={"age": (40,)},
    only={},
    person="person",
    detector=None,
    gate=True,
    draws=50,
    seed=0,
    version="0",
)
N = 160


def _photos(*, refused: bool = True) -> GroupedPhotos:
    """Women are closer together than men; some photos show no face, some are refused."""
    generator = np.random.default_rng(0)
    people = generator.integers(0, 90, N)
    women = people % 2 == 0
    ages = generator.integers(20, 60, N)
    centres = generator.normal(size=(90, 8))
    rows = centres[people] + 0.5 * generator.normal(size=(N, 8)) + women[:, None] * 1.5
    no_face = generator.random(N) < 0.1
    bad = (generator.random(N) < 0.15) & ~no_face
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    table = LabelTable(
        "labels.csv",
        {
            "sex": tuple("female" if w else "male" for w in women),
            "age": tuple(map(str, ages.tolist())),
        },
    )
    cells = Grouping(by=("sex", "age"), bands={"age": (40,)}).cells(table)
    kept = ~no_face
    embeddings = Embeddings(unit[kept], np.ones(kept.sum(), np.float32), SPACE)
    return GroupedPhotos(embeddings, no_face, bad if refused else None, people, cells)


def _evaluated(photos: GroupedPhotos, **plan: object) -> GroupFigures:
    made = GroupPlan(threshold=Threshold(0.6), fmr=0.05, draws=50, **plan)  # type: ignore[arg-type]
    return evaluate_groups(photos, made, settings=SETTINGS, created="2026-11-30T00:00:00Z")


def _accepted(photos: GroupedPhotos) -> dict[int, npt.NDArray[np.float32]]:
    rows = np.cumsum(~photos.no_face) - 1
    assert photos.refused is not None
    return {
        i: photos.embeddings.vectors[rows[i]]
        for i in range(N)
        if not photos.no_face[i] and not photos.refused[i]
    }


def test_rates_inside_each_cell_are_those_of_a_loop() -> None:
    photos = _photos()
    figures = _evaluated(photos)
    accepted = _accepted(photos)
    for place, cell in enumerate(figures.cells):
        own = np.flatnonzero(photos.cells.places == place).tolist()
        impostor = [
            float(accepted[i] @ accepted[j])
            for i, j in combinations(own, 2)
            if i in accepted and j in accepted and photos.people[i] != photos.people[j]
        ]
        genuine = [
            float(accepted[i] @ accepted[j]) if i in accepted and j in accepted else -1.0
            for i, j in combinations(own, 2)
            if photos.people[i] == photos.people[j]
        ]
        assert cell.fmr.n == len(impostor)
        assert cell.fmr.n_errors == sum(score >= 0.6 for score in impostor)
        assert cell.fnmr is not None
        assert cell.fnmr.n == len(genuine)
        assert cell.fnmr.n_errors == sum(score < 0.6 for score in genuine)
        assert cell.no_face.n == cell.n_photos == len(own)
        assert cell.no_face.n_errors == int(photos.no_face[own].sum())
        assert cell.refused is not None
        assert photos.refused is not None
        assert cell.refused.n_errors == int(photos.refused[own].sum())
        assert cell.n_people == len(set(photos.people[own].tolist()))


def test_the_crowd_is_every_pair_and_hides_what_happens_inside() -> None:
    photos = _photos()
    figures = _evaluated(photos)
    accepted = _accepted(photos)
    pairs = [
        float(accepted[i] @ accepted[j]) >= 0.6
        for i, j in combinations(accepted, 2)
        if photos.people[i] != photos.people[j]
    ]
    assert (figures.crowd.n, figures.crowd.n_errors) == (len(pairs), sum(pairs))
    assert figures.inside.n == sum(cell.fmr.n for cell in figures.cells)
    assert figures.crowd.rate is not None
    assert figures.inside.rate is not None
    assert figures.crowd.rate < figures.inside.rate


def test_matrices_by_one_column_keep_the_others_equal() -> None:
    photos = _photos()
    figures = _evaluated(photos)
    crossed, by_sex, by_age = figures.matrices
    assert crossed.values == photos.cells.names
    assert (by_sex.values, by_age.values) == (
        ("female", "male"),
        ("below 40", "40 and over"),
    )
    accepted = _accepted(photos)
    errors = {(a, b): [0, 0] for a in range(2) for b in range(2)}
    values = photos.cells.values
    for i, j in combinations(accepted, 2):
        if photos.people[i] == photos.people[j]:
            continue
        one, other = (values[photos.cells.places[k]] for k in (i, j))
        if one[1] == other[1]:
            sexes = [("female", "male").index(cell[0]) for cell in (one, other)]
            for a, b in {tuple(sexes), tuple(sexes[::-1])}:
                errors[a, b][0] += float(accepted[i] @ accepted[j]) >= 0.6
                errors[a, b][1] += 1
    for (a, b), (found, n) in errors.items():
        assert (by_sex.fmr[a][b].n_errors, by_sex.fmr[a][b].n) == (found, n)


def test_intervals_hold_the_rate_and_are_wider_than_independent_ones() -> None:
    figures = _evaluated(_photos())
    for cell in figures.cells:
        if cell.fmr.rate is not None:
            assert cell.fmr.interval is not None
            assert cell.fmr.interval.low <= cell.fmr.rate <= cell.fmr.interval.high
            assert cell.fmr.interval.method == "bootstrap over identities"


def test_differentials_are_of_the_measurable_rates() -> None:
    figures = _evaluated(_photos())
    rates = {cell.name: cell.fmr.rate for cell in figures.cells if cell.fmr.rate is not None}
    found = figures.fmr_differentials
    assert (found.n_groups, found.n_left_out) == (len(rates), len(figures.cells) - len(rates))
    assert found.highest == max(rates, key=lambda name: rates[name])
    assert found.max_over_min is not None
    assert found.max_over_min.value == pytest.approx(max(rates.values()) / min(rates.values()))


def test_a_rate_below_three_errors_is_not_measurable() -> None:
    photos = _photos()
    plan = GroupPlan(threshold=Threshold(0.9999), fmr=None, draws=20)
    figures = evaluate_groups(photos, plan, settings=SETTINGS, created="now")
    for cell in figures.cells:
        assert cell.fmr.rate is None
        assert cell.fmr.interval is not None
        assert cell.fmr.interval.high == pytest.approx(3 / cell.fmr.n, rel=2e-3)
    assert figures.fmr_differentials.max_over_min is None
    assert figures.garbe is None


def test_the_threshold_of_a_rate_that_a_group_cannot_carry_is_not_measurable() -> None:
    figures = _evaluated(_photos())
    for cell in figures.cells:
        by_target = {figure.target_fmr: figure for figure in cell.needed}
        assert list(by_target) == [0.05, 0.01, 0.001, 0.0001]
        assert by_target[0.05].threshold is not None
        assert by_target[0.0001].threshold is None


def test_without_gate_and_without_genuine() -> None:
    figures = _evaluated(_photos(refused=False), genuine=False)
    assert all(cell.refused is None and cell.fnmr is None for cell in figures.cells)
    assert figures.refused_differentials is None
    assert figures.fnmr_differentials is None
    assert figures.garbe is None
    assert all(matrix.fnmr is None for matrix in figures.matrices)


def test_without_draws_intervals_take_comparisons_as_independent() -> None:
    plan = GroupPlan(threshold=Threshold(0.6), draws=0)
    figures = evaluate_groups(_photos(), plan, settings=SETTINGS, created="now")
    found = [c.fmr.interval.method for c in figures.cells if c.fmr.rate and c.fmr.interval]
    assert set(found) == {"Wilson"}
    assert figures.fmr_differentials.gini is not None
    assert figures.fmr_differentials.gini.low is None


def test_one_person_is_refused() -> None:
    photos = _photos()
    alone = GroupedPhotos(
        photos.embeddings, photos.no_face, None, np.zeros(N, np.int64), photos.cells
    )
    with pytest.raises(InputError, match="two people at least"):
        _evaluated(alone)
