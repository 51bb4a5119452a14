import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.measures.histogram import ScoreHistogram, score_histogram
from vultus.evaluation.measures.rates import roc_curve


def test_counts_are_those_of_the_scores() -> None:
    generator = np.random.default_rng(0)
    genuine, impostor = generator.normal(0.5, 0.2, 700), generator.normal(0, 0.1, 5000)
    found = score_histogram(roc_curve(np.append(genuine, -np.inf), impostor), bins=37)
    assert (found.genuine == np.histogram(genuine, found.edges)[0]).all()
    assert (found.impostor == np.histogram(impostor, found.edges)[0]).all()
    assert (found.genuine.sum(), found.impostor.sum()) == (700, 5000)


def test_one_score_makes_no_histogram() -> None:
    with pytest.raises(InputError, match="two distinct"):
        score_histogram(roc_curve(np.ones(3), np.ones(3)))


@pytest.mark.parametrize(
    ("edges", "counts"), [([0.0], []), ([0.0, 0.0], [1]), ([0.0, 1.0], [-1]), ([0.0, 1.0], [1, 2])]
)
def test_counts_that_do_not_fit_are_refused(edges: list[float], counts: list[int]) -> None:
    numbers = np.array(counts, np.int64)
    with pytest.raises(InputError):
        ScoreHistogram(np.array(edges), numbers, numbers)
