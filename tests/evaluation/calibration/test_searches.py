from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.evaluation.calibration.searches import (
    StrangerSearches,
    found_by_chance,
    stranger_searches,
)
from vultus.matching.fusion import fuse

SPACE = EmbeddingSpace("test", "0" * 64, "none", 8)


def people(seed: int, counts: list[int]) -> tuple[Embeddings, npt.NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    who = np.repeat(np.arange(len(counts)), counts)
    raw = generator.normal(size=(len(counts), 8))[who] + generator.normal(0, 0.6, (len(who), 8))
    return Embeddings.from_raw(raw, SPACE), who


def by_drawing(
    searches: StrangerSearches, threshold: float, size: int, *, without: int | None = None
) -> float:
    """FPIR over every gallery of one size, one after the other."""
    rates: dict[int, list[float]] = {}
    for vector, person in zip(searches.probes, searches.probe_people.tolist(), strict=True):
        if person == without:
            continue
        others = [
            row
            for row, owner in enumerate(searches.template_people.tolist())
            if owner not in (person, without)
        ]
        reached = searches.templates @ vector >= threshold
        found = [any(reached[list(gallery)]) for gallery in combinations(others, size)]
        rates.setdefault(person, []).append(float(np.mean(found)))
    return float(np.mean([np.mean(values) for values in rates.values()]))


@pytest.mark.parametrize(("m", "n"), [(1, 1), (7, 3), (7, 7), (60, 25)])
def test_chances_are_ratios_of_binomials(m: int, n: int) -> None:
    expected = [1 - comb(m - r, n) / comb(m, n) for r in range(m + 1)]
    np.testing.assert_allclose(found_by_chance(m, gallery_size=n), expected, atol=1e-12)
    with pytest.raises(InputError, match=f"at most {m}"):
        found_by_chance(m, gallery_size=m + 1)


@pytest.mark.parametrize("photos", [1, 2])
def test_the_rates_are_those_of_every_gallery_drawn(photos: int) -> None:
    # Two people have one photo: strangers only, where templates take two.
    faces, who = people(0, [3, 1, 2, 2, 4, 1, 2])
    searches = stranger_searches(
        faces, who, photos_per_person=photos, generator=np.random.default_rng(0)
    )
    assert searches.n_strangers == 7
    assert searches.largest == (5 if photos == 1 else 3)
    sizes = [1, 2, searches.largest]
    rates = searches.fpirs(sizes)
    for column in (480, 640, 768, 900):
        threshold = column / 512 - 1
        for size, rate in zip(sizes, rates[:, column], strict=True):
            expected = by_drawing(searches, threshold, size)
            assert rate == pytest.approx(expected, abs=1e-12)
            assert searches.measure(threshold, gallery_size=size)[0] == pytest.approx(rate)


@pytest.mark.parametrize("photos", [1, 2])
def test_the_interval_leaves_out_one_person_at_a_time(photos: int) -> None:
    faces, who = people(1, [3, 1, 2, 2, 4, 1, 2])
    searches = stranger_searches(
        faces, who, photos_per_person=photos, generator=np.random.default_rng(0)
    )
    for size in (1, searches.largest):
        rate, interval = searches.measure(0.25, gallery_size=size)
        without = np.array([by_drawing(searches, 0.25, size, without=p) for p in range(7)])
        error = np.sqrt(6 / 7 * ((without - without.mean()) ** 2).sum())
        assert interval.low == pytest.approx(rate * np.exp(-1.959964 * error / rate))
        assert interval.method == "jackknife over people"
    nobody = searches.measure(1.0, gallery_size=2)
    assert nobody[0] == 0
    assert nobody[1].high == pytest.approx(-np.log(0.05) / 7)


def test_the_interval_covers_the_truth_and_is_not_much_too_wide() -> None:
    found = []
    for seed in range(200):
        faces, who = people(100 + seed, [2] * 40)
        searches = stranger_searches(
            faces, who, photos_per_person=1, generator=np.random.default_rng(seed)
        )
        found.append(searches.measure(0.7, gallery_size=5))
    rates = np.array([rate for rate, _ in found])
    covered = np.mean([interval.low <= rates.mean() <= interval.high for _, interval in found])
    assert covered >= 0.9
    errors = np.array(
        [np.log(x.high / rate) / 1.96 for rate, x in found if rate > 0 and x.high < 1]
    )
    # The jackknife errs on the wide side (Efron and Stein): by sqrt(2) where, as in this noise,
    # nobody is more easily mistaken than others.
    assert 0.9 < errors.mean() / (rates.std() / rates.mean()) < 1.6


def test_templates_are_fused_as_galleries_fuse_them() -> None:
    faces, who = people(2, [2, 2, 2, 1])
    searches = stranger_searches(
        faces, who, photos_per_person=2, generator=np.random.default_rng(0)
    )
    assert searches.template_people.tolist() == [0, 1, 2]
    fused = fuse(faces[who == 1], identity="1", outlier_similarity=None).template.vector
    np.testing.assert_allclose(searches.templates[1], fused, atol=1e-6)


def test_too_few_people_are_refused() -> None:
    faces, who = people(3, [2, 2, 1])
    with pytest.raises(InputError, match="three people"):
        stranger_searches(faces, who, photos_per_person=2, generator=np.random.default_rng(0))
    with pytest.raises(InputError, match="one per embedding"):
        stranger_searches(faces, who[:2], photos_per_person=1, generator=np.random.default_rng(0))
