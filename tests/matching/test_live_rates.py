import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.matching.live_rates import UnknownSearches


def _searched(exponent: float, stated: float, n: int, seed: int = 0) -> UnknownSearches:
    """Of n strangers whose positions have P(u <= x) = x^exponent."""
    positions = np.random.default_rng(seed).uniform(size=n) ** (1 / exponent)
    seen = UnknownSearches(most=n)
    for position in positions[positions > stated]:
        seen.add(stated=stated, position=float(position))
    return seen


@pytest.mark.parametrize("exponent", [0.6, 1.0, 1.5])
@pytest.mark.parametrize("stated", [0.001, 0.01, 0.1])
def test_the_live_fpir_is_that_of_the_strangers(exponent: float, stated: float) -> None:
    found = _searched(exponent, stated, 20_000).live_fpir()
    assert found is not None
    # Twice the half of the 95 % interval: nine draws are looked at.
    assert found.fpir == pytest.approx(stated**exponent, abs=found.high - found.low)
    assert found.stated == pytest.approx(stated)


def test_the_interval_holds_as_often_as_it_says() -> None:
    held = 0
    for seed in range(200):
        found = _searched(1.0, 0.01, 1000, seed).live_fpir()
        assert found is not None
        held += found.low <= 0.01 <= found.high
    assert held >= 182  # 95 % of 200, less three standard deviations


@pytest.mark.parametrize("shift", [0.2, 0.4])
def test_strangers_more_alike_than_the_calibrations_are_seen(shift: float) -> None:
    """Normal similarities that moved up: no power law, and still about the true rate."""
    generator = np.random.default_rng(1)
    reference = np.sort(generator.normal(size=400_000))
    similarities = generator.normal(size=20_000) + shift
    positions = 1 - np.searchsorted(reference, similarities) / len(reference)
    seen = UnknownSearches()
    for position in positions[positions > 0.01]:
        seen.add(stated=0.01, position=float(position))
    found, drift = seen.live_fpir(), seen.drift()
    assert found is not None
    assert drift is not None
    true = float((positions <= 0.01).mean())
    assert true > 0.015
    assert 0.9 * true <= found.fpir <= 1.7 * true
    assert drift.ks > 0.05


def test_drift_of_strangers_like_the_calibrations_is_chance() -> None:
    drift = _searched(1.0, 0.01, 10_000).drift()
    assert drift is not None
    assert drift.psi < 0.003
    assert drift.ks < 0.02
    large = _searched(0.5, 0.01, 10_000).drift()
    assert large is not None
    assert large.psi > 0.25


def test_drift_by_hand() -> None:
    seen = UnknownSearches()
    for position in (0.04, 0.15, 0.15, 1.0):
        seen.add(stated=0.02, position=position)
    drift = seen.drift()
    assert drift is not None
    expected = np.array([0.03, 0.05, 0.1, 0.1, 0.2, 0.5]) / 0.98
    found = np.array([0.25, 0.125, 0.5, 0.125, 0.125, 0.25])  # half a search where there is none
    shares = np.array([0.25, 0, 0.5, 0, 0, 0.25])
    expected_psi = ((found - expected.clip(0.125)) * np.log(found / expected.clip(0.125))).sum()
    assert drift.psi == pytest.approx(expected_psi)
    assert drift.ks == pytest.approx(np.abs(np.cumsum(shares) - np.cumsum(expected)).max())
    assert drift.n_searches == 4


def test_few_searches_carry_no_rate() -> None:
    seen = UnknownSearches(most=20)
    assert seen.live_fpir() is None
    assert seen.drift() is None
    for _ in range(100):
        seen.add(stated=0.01, position=0.5)
    assert seen.live_fpir() is None
    drift = seen.drift()
    assert drift is not None
    assert drift.n_searches == 20


def test_rates_are_in_zero_to_one() -> None:
    with pytest.raises(InputError, match="position"):
        UnknownSearches().add(stated=0.01, position=1.5)
