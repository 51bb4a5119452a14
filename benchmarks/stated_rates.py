"""What a model's card and search rates state, against people who set none of it.

    python benchmarks/stated_rates.py --model vultus-s2 --faces vultus-s2-mates.npz

The file holds the usable faces of the people who judge, as `scripts/model_rates.py --cache` keeps
them. Printed are, for each threshold of the card, the false match rate over all pairs of different
people with its 95 % interval (people drawn anew), and, for galleries of several sizes, the share of
strangers who are given a name at FPIR 0.01, averaged over every gallery that could be drawn.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.thresholds import Threshold
from vultus.evaluation.calibration.searches import StrangerSearches, stranger_searches
from vultus.evaluation.measures.allpairs import AllPairs, all_pairs
from vultus.matching.model_rates import ModelRates, rates_from_package
from vultus.matching.operating_point import threshold_for_gallery
from vultus.models.built_in import built_in_cards, built_in_rates

FPIR = 0.01
SIZES = (100, 1000, 4000)
PHOTOS = (1, 2, 3, 5)
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


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="vultus-s2")
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
