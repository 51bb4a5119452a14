import pytest
from tests.matching.test_model_rates import FNIR, FPIR

from vultus.core.errors import InputError
from vultus.matching.gallery_trade import gallery_trade
from vultus.matching.model_rates import ModelRates
from vultus.matching.operating_point import threshold_for_gallery

RATES = ModelRates((), FPIR, (FNIR,), max_fnir=0.3)


def test_each_row_is_what_a_search_would_take_and_miss() -> None:
    points = gallery_trade(RATES, people=[10, 500], photos=[1], fpirs=[0.1, 0.01])
    assert [(x.people, x.fpir) for x in points] == [(10, 0.1), (10, 0.01), (500, 0.1), (500, 0.01)]
    for point in points:
        assert point.threshold is not None
        assert point.threshold.search is not None
        missed = FNIR.at(point.threshold.similarity)[0]
        assert point.threshold.search.fnir == missed
        assert point.would_refuse == (missed > 0.3)
        if not point.would_refuse:
            people = {1: point.people}
            rule = threshold_for_gallery(RATES, fpir=point.fpir, people_by_photos=people)
            assert rule == point.threshold
        assert point.to_dict()["search"]["fnir"] == missed


def test_what_cannot_be_carried_says_why() -> None:
    (point,) = gallery_trade(RATES, people=[10], photos=[1], fpirs=[1e-4])
    assert point.threshold is None
    assert "takes a calibration on 30,000 people" in point.refusal
    with pytest.raises(InputError, match="people"):
        gallery_trade(RATES, people=[0])
