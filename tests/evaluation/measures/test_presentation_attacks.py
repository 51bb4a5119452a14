"""Error rates of attack detection: by hand, and beside scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from vultus.core.errors import InputError
from vultus.evaluation.measures.presentation_attacks import (
    attack_rates,
    riapar,
    threshold_for_apcer,
    threshold_for_bpcer,
)

NAN = float("nan")


def test_rates_by_hand() -> None:
    live = np.array([0.9, 0.8, 0.5, 0.4, NAN])
    attacks = {
        "print": np.array([0.1, 0.2, 0.3, 0.6]),
        "screen": np.array([0.5, 0.7, NAN, NAN]),
        "mask": np.array([NAN]),
    }
    rates = attack_rates(live, attacks, threshold=0.5)
    assert [kind.name for kind in rates.species] == ["screen", "print", "mask"]
    screen, paper, mask = rates.species
    assert screen.apcer is not None
    assert (screen.apcer.n_errors, screen.apcer.n) == (2, 2)  # at the threshold it passes
    assert screen.apnrr.rate == 0.5
    assert paper.apcer is not None
    assert paper.apcer.rate == 0.25
    assert (mask.apcer, mask.apnrr.rate) == (None, 1.0)
    assert rates.worst is screen  # the worst, not the mean
    assert rates.bpcer is not None
    assert (rates.bpcer.rate, rates.bpnrr.rate) == (0.25, 0.2)
    assert riapar(0.25, 0.1) == pytest.approx(0.35)
    assert riapar(0.0, 0.0) == 0.0


def test_rates_beside_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    live, attack = rng.beta(4, 2, 400), rng.beta(2, 4, 300)
    for threshold in (0.2, 0.5, 0.8):
        rates = attack_rates(live, {"any": attack}, threshold=threshold)
        truth = np.repeat([1, 0], [400, 300])
        called = np.concatenate([live, attack]) >= threshold
        (tn, fp), (fn, tp) = confusion_matrix(truth, called)
        worst = rates.worst
        assert worst is not None
        assert worst.apcer is not None
        assert worst.apcer.rate == fp / (tn + fp)
        assert rates.bpcer is not None
        assert rates.bpcer.rate == fn / (fn + tp)


def test_thresholds_keep_the_rate_that_was_asked_for() -> None:
    rng = np.random.default_rng(1)
    live = np.append(rng.uniform(size=200).round(2), NAN)  # with ties
    attacks = {"a": rng.uniform(size=50).round(2), "b": rng.uniform(size=30) / 2}
    for wanted in (0.0, 0.01, 0.05, 0.5):
        threshold = threshold_for_bpcer(live, bpcer=wanted)
        rates = attack_rates(live, attacks, threshold=threshold)
        assert rates.bpcer is not None
        assert rates.bpcer.rate <= wanted
        higher = np.nextafter(threshold, 1)
        assert np.mean(live[:-1] < higher) > wanted
        threshold = threshold_for_apcer(attacks, apcer=wanted)
        worst = attack_rates(live, attacks, threshold=threshold).worst
        assert worst is not None
        assert worst.apcer is not None
        assert worst.apcer.rate <= wanted
        lower = np.nextafter(threshold, 0)
        assert max(np.mean(scores >= lower) for scores in attacks.values()) > wanted


def test_what_cannot_be_counted_is_refused() -> None:
    one = np.array([0.5])
    with pytest.raises(InputError, match="species at least"):
        attack_rates(one, {}, threshold=0.5)
    with pytest.raises(InputError, match="is empty"):
        attack_rates(np.zeros(0), {"a": one}, threshold=0.5)
    with pytest.raises(InputError, match="infinite"):
        attack_rates(np.array([np.inf]), {"a": one}, threshold=0.5)
    with pytest.raises(InputError, match="all are NaN"):
        threshold_for_bpcer(np.array([NAN]), bpcer=0.1)
    with pytest.raises(InputError, match="must hold a score at least"):
        threshold_for_apcer({"a": np.array([NAN])}, apcer=0.1)
    with pytest.raises(InputError, match="bpcer"):
        threshold_for_bpcer(one, bpcer=1.0)
