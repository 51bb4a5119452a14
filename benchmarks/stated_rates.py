"""What a model's card and search rates state, against people who set none of it.

    python benchmarks/stated_rates.py --model vultus-s2 --faces vultus-s2-mates.npz

The file holds the usable faces of the people who judge, as `scripts/model_rates.py --cache` keeps
them. Printed are, for each threshold of the card, the false match rate over all pairs of different
people with its 95 % interval (people drawn anew), and, for galleries of several sizes, the share of
strangers who are given a name at FPIR 0.01, averaged over every gallery that could be drawn. With
``--fused``, instead: the same where several photos of the stranger are fused, at FPIR 0.01 and
0.001, with the share of the enrolled that is missed; and the false match rates of photos against
one person's template.
"""

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import CalibrationError
from vultus.core.thresholds import Threshold
from vultus.evaluation.calibration.fnir import fit_fnir_curves
from vultus.evaluation.calibration.searches import StrangerSearches, stranger_searches
from vultus.evaluation.measures.allpairs import AllPairs, all_pairs
from vultus.matching.fnir_curves import FnirCurves
from vultus.matching.model_rates import ModelRates, rates_from_package
from vultus.matching.operating_point import threshold_for_gallery
from vultus.matching.person_threshold import threshold_for_person
from vultus.models.built_in import built_in_cards, built_in_rates

FPIR = 0.01
SIZES = (100, 1000, 4000)
PHOTOS = (1, 2, 3, 5)
FUSED = (1, 2, 3, 5)
TAIL = 60_000


def found_fmr(point: Threshold, pairs: AllPairs, generator: np.random.Generator) -> str:
    """A line: stated, counted there, found, ratio."""
    hits = int((pairs.impostors.tail >= point.similarity).sum())
    found = hits / pairs.n_impostor
    ends = pairs.fmr_interval(point.similarity, generator=generator, draws=500)
    by_tail = "counted" if point.fmr_by_tail is None else f"{point.fmr_by_tail:.1e} by the tail"
    stated = point.fmr or 1.0
    return (
        f"| {stated:.0e} ({by_tail}) | {point.similarity:.4f} | {hits:,} | {found:.2e} "
        f"({ends.low:.1e} to {ends.high:.1e}) | {found / stated:.2f} "
        f"({ends.low / stated:.2f} to {ends.high / stated:.2f}) |"
    )


def found_fpir(rates: ModelRates, searches: StrangerSearches, size: int) -> str:
    """A line: gallery, threshold, stated with interval, found with interval."""
    photos = searches.photos_per_person
    rule = threshold_for_gallery(rates, fpir=FPIR, people_by_photos={photos: size})
    found, seen = searches.measure(rule.similarity, gallery_size=size)
    if rates.fpir_curves is None:
        raise SystemExit("this model has no search rates")
    low, high = rates.fpir_curves.interval(FPIR, gallery_size=size) or (0.0, 1.0)
    inside = "yes" if low <= found <= high else "below" if found < low else "NO"
    return (
        f"| {size:,} | {photos} | {rule.similarity:.4f} | {FPIR} ({low:.4f} to {high:.4f}) | "
        f"{found:.4f} ({seen.low:.4f} to {seen.high:.4f}) | {inside} |"
    )


def found_fused(
    rates: ModelRates, searches: StrangerSearches, mates: FnirCurves, asked: tuple[int, int, float]
) -> str:
    """A line: photos of the probe, gallery, threshold, FPIR and FNIR stated and found."""
    k, size, fpir = asked
    m = searches.photos_per_person
    try:
        rule = threshold_for_gallery(
            rates, fpir=fpir, people_by_photos={m: size}, photos_per_probe=k
        )
    except CalibrationError:
        return f"| {k} | {size:,} | {m} | {fpir} | refused | | | | |"
    found, seen = searches.measure(rule.similarity, gallery_size=size)
    search = rule.search
    if search is None:
        raise SystemExit("this model has no search rates")
    missed, most = mates.at(rule.similarity, people_by_photos={m: 1}, photos_per_probe=k)
    stated = "by formula" if search.fpir_high is None else f"at most {search.fpir_high:.4f}"
    limit = fpir if search.fpir_high is None else search.fpir_high
    holds = "yes" if found <= limit else "within chance" if seen.low <= limit else "NO"
    return (
        f"| {k} | {size:,} | {m} | {fpir} ({stated}) | {rule.similarity:.4f} | {found:.4f} "
        f"({seen.low:.4f} to {seen.high:.4f}) | {holds} | {search.fnir:.1%} (up to "
        f"{search.fnir_high:.1%}) | {missed:.1%} (up to {most:.1%}) |"
    )


def found_template_fmr(
    rates: ModelRates, searches: StrangerSearches, photos: tuple[int, int], fmr: float
) -> str:
    """A line: photos, threshold, FMR stated and found with its interval."""
    rule = threshold_for_person(
        rates, fmr=fmr, photos_per_person=photos[1], photos_per_probe=photos[0]
    )
    found, seen = searches.measure(rule.similarity, gallery_size=1)
    return (
        f"| {photos[0]} | {photos[1]} | {fmr:.0e} | {rule.similarity:.4f} | {found:.2e} "
        f"({seen.low:.1e} to {seen.high:.1e}) | {found / fmr:.2f} |"
    )


def print_fused(rates: ModelRates, faces: Embeddings, people: npt.NDArray[np.int64]) -> None:
    """The tables of fused probes and of one person's template."""
    mates = fit_fnir_curves(
        faces, people, generator=np.random.default_rng(1), origin="", probes=FUSED
    )
    lines = []
    print(
        "| probe | people | photos each | FPIR stated | threshold | found | holds | FNIR stated "
        "| found |\n|---:|---:|---:|---|---:|---|---|---|---|"
    )
    for k, m in product(FUSED, PHOTOS):
        searches = stranger_searches(
            faces,
            people,
            photos_per_person=m,
            generator=np.random.default_rng(2),
            photos_per_probe=k,
        )
        for size, fpir in product((100, 1000), (0.01, 0.001)):
            if size <= searches.largest:
                print(found_fused(rates, searches, mates, (k, size, fpir)))
        lines += [
            found_template_fmr(rates, searches, (k, m), fmr) for fmr in (1e-2, 1e-3, 1e-4, 1e-5)
        ]
    print(
        "\n| probe | enrolled | FMR stated | threshold | found | over stated |\n"
        "|---:|---:|---:|---:|---|---:|"
    )
    print("\n".join(lines))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="vultus-s2")
    parser.add_argument("--fused", action="store_true")
    parser.add_argument("--faces", type=Path, required=True)
    asked = parser.parse_args()
    text = built_in_rates(asked.model)
    if text is None:
        raise SystemExit(f"{asked.model} has no search rates")
    space = EmbeddingSpace(**json.loads(text)["space"])
    curves, misses = rates_from_package(text, space)
    points = built_in_cards()[asked.model].thresholds.points
    rates = ModelRates(points, curves, misses, max_fnir=1.0)
    with np.load(asked.faces) as arrays:
        faces = Embeddings(arrays["vectors"], arrays["norms"], space)
        people = np.unique(arrays["people"], return_inverse=True)[1].astype(np.int64)
    if asked.fused:
        print_fused(rates, faces, people)
        return
    generator = np.random.default_rng(0)
    pairs = all_pairs(faces, identities=people, tail=TAIL)
    print(f"{asked.model}: {people.max() + 1:,} people, {len(faces):,} photos, ", end="")
    print(f"{pairs.n_impostor:,} impostor pairs\n")
    print(
        "| FMR stated | threshold | false matches | found | over stated |\n|---|---:|---:|---|---|"
    )
    for point in points:
        if point.similarity > pairs.tail_floor:
            print(found_fmr(point, pairs, generator))
    print("\n| people | photos each | threshold | FPIR stated | found | inside |")
    print("|---:|---:|---:|---|---|---|")
    for photos in PHOTOS:
        searches = stranger_searches(faces, people, photos_per_person=photos, generator=generator)
        for size in [size for size in SIZES if size <= searches.largest]:
            print(found_fpir(rates, searches, size))


if __name__ == "__main__":
    main()
