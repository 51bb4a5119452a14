import math

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.matching.match_probability import MatchProbability

LINE = MatchProbability("logistic", np.array([0.0, 0.5]), np.array([-4.0, 6.0]))


def test_the_ratio_is_straight_between_knots_and_ends_with_the_data() -> None:
    assert LINE.llr([-0.5, 0.0, 0.2, 0.5, 0.9]).tolist() == [-4, -4, 0, 6, 6]


def test_probability_is_bayes_rule_on_the_ratio() -> None:
    for prior in (0.5, 0.001):
        odds = math.exp(float(LINE.llr(0.3))) * prior / (1 - prior)
        assert float(LINE.probability(0.3, prior=prior)) == pytest.approx(odds / (1 + odds))
    assert 0 < LINE.probability(-1, prior=1e-9) < LINE.probability(1, prior=1e-9) < 1


def test_a_prior_is_a_probability_and_knots_rise() -> None:
    for prior in (0, 1, 1.5):
        with pytest.raises(InputError, match="prior"):
            LINE.probability(0.2, prior=prior)
    with pytest.raises(InputError, match="llrs must not fall"):
        MatchProbability("isotonic", np.array([0.0, 0.5]), np.array([1.0, 0.0]))
    with pytest.raises(InputError, match="at least one knot"):
        MatchProbability("isotonic", np.zeros(0), np.zeros(0))
