from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.measures import group_pairs
from vultus.evaluation.measures.group_pairs import (
    CellFaces,
    GroupImpostors,
    draw_people,
    genuine_pairs,
    group_genuine,
    group_impostors,
    threshold_for_share,
)
from vultus.search.tiles import similarity_tiles

N, PEOPLE, CELLS, DRAWS = 90, 40, 4, 25


@pytest.fixture
def vectors() -> npt.NDArray[np.float32]:
    rows = np.random.default_rng(0).normal(size=(N, 6)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.fixture
def faces() -> CellFaces:
    generator = np.random.default_rng(1)
    # People of several photos, who may be in several cells; cell 3 is empty.
    return CellFaces(generator.integers(0, PEOPLE, N), generator.integers(0, CELLS - 1, N), CELLS)


@pytest.fixture
def came() -> npt.NDArray[np.uint8]:
    return draw_people(PEOPLE, draws=DRAWS, generator=np.random.default_rng(2))


def _naive(
    vectors: npt.NDArray[np.float32],
    faces: CellFaces,
    threshold: float,
    times: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Trials and errors of weighted people, by two loops."""
    trials, errors = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS))
    for i, j in combinations(range(len(vectors)), 2):
        p, q = int(faces.people[i]), int(faces.people[j])
        if p == q:
            continue
        a, b = int(faces.cells[i]), int(faces.cells[j])
        weight = int(times[p]) * int(times[q])
        for one, other in {(a, b), (b, a)}:
            trials[one, other] += weight
            errors[one, other] += weight * bool(np.vecdot(vectors[i], vectors[j]) >= threshold)
    return trials, errors


@pytest.mark.parametrize("dense", [1, 10**9])  # by the list of errors, by a matrix product
def test_counts_and_draws_are_those_of_two_loops(
    vectors: npt.NDArray[np.float32],
    faces: CellFaces,
    came: npt.NDArray[np.uint8],
    dense: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_pairs, "_DENSE", dense)
    found = group_impostors(vectors, faces, came=came, threshold=0.4).counts
    trials, errors = _naive(vectors, faces, 0.4, np.ones(PEOPLE, np.int64))
    assert found.trials.tolist() == trials.tolist()
    assert found.errors.tolist() == errors.tolist()
    assert 0 < errors.sum() < trials.sum()
    for draw in range(DRAWS):
        trials, errors = _naive(vectors, faces, 0.4, came[:, draw].astype(np.int64))
        assert found.trial_draws[draw].tolist() == trials.tolist()
        assert found.error_draws[draw].tolist() == errors.tolist()


def test_tiles_and_portions_change_nothing(
    vectors: npt.NDArray[np.float32],
    faces: CellFaces,
    came: npt.NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = group_impostors(vectors, faces, came=came, threshold=0.4)
    monkeypatch.setattr(group_pairs, "_PORTION", 3)
    tiles = similarity_tiles
    monkeypatch.setattr(
        group_pairs,
        "similarity_tiles",
        lambda rows, columns: tiles(rows, columns, n_rows=10, n_columns=10),
    )
    cut = group_impostors(vectors, faces, came=came, threshold=0.4)
    assert cut.counts.errors.tolist() == whole.counts.errors.tolist()
    assert cut.counts.error_draws.tolist() == whole.counts.error_draws.tolist()
    assert [len(own) for own in cut.inside] == [len(own) for own in whole.inside]


def test_scores_inside_a_cell_are_kept_with_their_rows(
    vectors: npt.NDArray[np.float32], faces: CellFaces, came: npt.NDArray[np.uint8]
) -> None:
    found = group_impostors(vectors, faces, came=came, threshold=0.4)
    for cell, inside in enumerate(found.inside):
        rows = np.flatnonzero(faces.cells == cell)
        pairs = {
            (i, j) for i, j in combinations(rows.tolist(), 2) if faces.people[i] != faces.people[j]
        }
        assert set(map(tuple, inside.tail_pairs.tolist())) == pairs
        for (i, j), score in zip(inside.tail_pairs.tolist(), inside.tail.tolist(), strict=True):
            assert score == pytest.approx(float(vectors[i] @ vectors[j]), abs=1e-6)


def test_a_score_equal_to_the_threshold_matches() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8]], np.float32)
    score = float(np.vecdot(vectors[0], vectors[1]))
    faces = CellFaces(np.array([0, 1]), np.array([0, 0]), 1)
    once = np.ones((2, 0), np.uint8)
    for threshold, errors in ((score, 1), (np.nextafter(score, 2), 0), (np.nextafter(score, 0), 1)):
        found = group_impostors(vectors, faces, came=once, threshold=float(threshold))
        assert found.counts.errors.tolist() == [[errors]]


@pytest.fixture
def inside(
    vectors: npt.NDArray[np.float32], faces: CellFaces, came: npt.NDArray[np.uint8]
) -> GroupImpostors:
    return group_impostors(vectors, faces, came=came, threshold=0.4)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_the_threshold_of_a_share_is_the_lowest_that_keeps_it(
    inside: GroupImpostors, faces: CellFaces, came: npt.NDArray[np.uint8], share: float
) -> None:
    scores = inside.inside[1]
    trials = inside.counts.trial_draws[:, 1, 1]
    value, draws = threshold_for_share(scores, share, people=faces.people, came=came, trials=trials)
    assert (scores.tail >= value).mean() <= share
    assert (scores.tail >= np.nextafter(np.float32(value), np.float32(-2))).mean() > share
    people = faces.people[scores.tail_pairs]
    for draw, found in enumerate(draws.tolist()):
        weights = came[people[:, 0], draw].astype(float) * came[people[:, 1], draw]
        assert weights[scores.tail >= found].sum() <= share * trials[draw] + 1e-6
        lower = np.nextafter(np.float32(found), np.float32(-2))
        assert weights[scores.tail >= lower].sum() > share * trials[draw]


def test_below_the_kept_scores_the_edge_of_a_bin_stands_in(
    vectors: npt.NDArray[np.float32],
    faces: CellFaces,
    came: npt.NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = group_impostors(vectors, faces, came=came, threshold=0.4)
    monkeypatch.setattr(group_pairs, "CELL_TAIL", 5)
    monkeypatch.setattr(group_pairs, "ALL_TAILS", 5)
    few = group_impostors(vectors, faces, came=came, threshold=0.4)
    trials = few.counts.trial_draws[:, 0, 0]
    value, draws = threshold_for_share(
        few.inside[0], 0.3, people=faces.people, came=came, trials=trials
    )
    exact, _ = threshold_for_share(
        every.inside[0], 0.3, people=faces.people, came=came, trials=trials
    )
    assert exact <= value < exact + 2**-15 + 0.2
    assert (every.inside[0].tail >= value).mean() <= 0.3
    assert np.isnan(draws).all()


def test_genuine_comparisons_are_counted_once_by_cell_and_person() -> None:
    people = np.array([0, 0, 0, 1, 2])
    cells = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0, 0]])
    similarities = np.array([0.9, 0.1, 0.5, 0.2, -np.inf])
    came = np.array([[2, 0], [0, 1], [1, 3]], np.uint8)
    found = group_genuine(
        similarities, people=people, cells=cells, came=came, n_cells=3, threshold=0.5
    )
    assert found.trials.tolist() == [[2, 2, 0], [2, 1, 0], [0, 0, 0]]
    assert found.errors.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert found.trial_draws[0].tolist() == [[3, 4, 0], [4, 0, 0], [0, 0, 0]]
    assert found.error_draws[0].tolist() == [[1, 2, 0], [2, 0, 0], [0, 0, 0]]
    assert found.error_draws[1].tolist() == [[3, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_pairs_of_one_person() -> None:
    people = np.random.default_rng(3).integers(0, 9, 40)
    first, second = genuine_pairs(people)
    wanted = {(i, j) for i, j in combinations(range(40), 2) if people[i] == people[j]}
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == wanted
    assert len(first) == len(wanted)
    assert len(genuine_pairs(np.arange(3))[0]) == 0


def test_a_draw_takes_as_many_people_as_there_are(came: npt.NDArray[np.uint8]) -> None:
    assert came.shape == (PEOPLE, DRAWS)
    assert came.sum(axis=0).tolist() == [PEOPLE] * DRAWS
    assert len({tuple(draw) for draw in came.T.tolist()}) == DRAWS


def test_what_does_not_fit_together_is_refused(vectors: npt.NDArray[np.float32]) -> None:
    with pytest.raises(InputError, match="cells must be numbers from 0 to 1"):
        CellFaces(np.array([0]), np.array([2]), 2)
    with pytest.raises(InputError, match="people must be numbers from 0"):
        CellFaces(np.array([-1]), np.array([0]), 2)
    once = np.ones((2, 1), np.uint8)
    with pytest.raises(InputError, match="vectors must be"):
        group_impostors(
            vectors, CellFaces(np.array([0]), np.array([0]), 1), came=once, threshold=0.5
        )
    faces = CellFaces(np.arange(N), np.zeros(N, np.int64), 1)
    with pytest.raises(InputError, match="below 2"):
        group_impostors(vectors, faces, came=once, threshold=0.5)
