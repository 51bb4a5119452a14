import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import CalibrationError
from vultus.evaluation.calibration import threshold_table
from vultus.evaluation.calibration.fmr import not_higher
from vultus.evaluation.measures.allpairs import all_pairs
from vultus.evaluation.measures.intervals import Interval

SPACE = EmbeddingSpace("test", "0" * 64, "none", 16)


def test_a_table_keeps_its_rates_on_its_own_data() -> None:
    generator = np.random.default_rng(0)
    who = np.arange(200) % 80
    raw = generator.normal(size=(80, 16))[who] + generator.normal(0, 0.5, (200, 16))
    faces = Embeddings.from_raw(raw, SPACE)
    pairs = all_pairs(faces, identities=who)
    table = threshold_table(pairs, origin="noise")
    # 19,740 impostor comparisons carry 1.5e-4.
    assert len(table.points) == 3
    scores = (faces.vectors @ faces.vectors.T)[np.triu_indices(200, 1)]
    first, second = np.triu_indices(200, 1)
    impostor = scores[who[first] != who[second]]
    for target in (1e-1, 1e-2, 1e-3):
        threshold = table.at_fmr(target)
        assert np.mean(impostor >= threshold.similarity + 1e-6) <= target
        assert np.mean(impostor >= threshold.similarity - 1e-6) > 0.9 * target
        assert threshold.n_impostor == len(impostor)
        assert threshold.origin == "noise"
    with pytest.raises(CalibrationError):
        table.at_fmr(1e-4)


def test_too_few_people_are_refused() -> None:
    raw = np.random.default_rng(0).normal(size=(6, 16))
    pairs = all_pairs(Embeddings.from_raw(raw, SPACE), identities=np.array([0, 0, 1, 1, 2, 2]))
    with pytest.raises(CalibrationError, match="at least 30"):
        threshold_table(pairs, origin="noise")


def test_a_rate_is_higher_when_both_uncertainties_say_so() -> None:
    def seen(rate: float, factor: float) -> tuple[float, Interval]:
        return rate, Interval(rate / factor, rate * factor)

    stated = seen(0.01, 2.0)
    assert not_higher(seen(0.005, 1.01), stated)  # lower holds, however sure
    # Each knows its logarithm to ln 2, together to ln 2 x sqrt(2): a factor of 2.67.
    assert not_higher(seen(0.0266, 2.0), stated)
    assert not not_higher(seen(0.0268, 2.0), stated)
    none = (0.0, Interval(0.0, 0.003))
    assert not_higher(none, stated)
    assert not not_higher(seen(0.01, 2.0), none)
    assert not_higher(seen(0.005, 2.0), none)
