"""What decisions stand on where there is no calibration of one's own."""

import pytest

from vultus.core.errors import InputError
from vultus.embedding.embedder import Embedder
from vultus.pipeline.recognizer import Recognizer


def test_search_rates_come_with_the_built_in_model_and_follow_max_fnir() -> None:
    recognizer = Recognizer()
    rates = recognizer.rates
    assert rates is recognizer.rates
    assert rates.fpir_curves is not None
    assert (len(rates.fnir_curves), rates.max_fnir) == (2, 0.5)
    recognizer.max_fnir = 0.9
    assert recognizer.rates.max_fnir == 0.9
    assert recognizer.rates.points == recognizer.embedder.thresholds.points
    recognizer.max_fnir = 1.5
    with pytest.raises(InputError, match="max_fnir"):
        _ = recognizer.rates


def test_a_model_without_search_rates_has_those_of_its_card_alone(tiny_embedder: Embedder) -> None:
    rates = Recognizer(embedder=tiny_embedder).rates
    assert (rates.fpir_curves, rates.fnir_curves) == (None, ())
    assert rates.points == tiny_embedder.thresholds.points


def test_cautious_thresholds_tell_what_they_miss_too() -> None:
    recognizer = Recognizer()
    table, calibration = recognizer.rules(cautious=True)
    assert calibration is None
    assert table.points == recognizer.embedder.cautious.points
    usual, _ = recognizer.rules()
    assert usual is recognizer.rates
