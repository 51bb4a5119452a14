"""Does a rate stated on some people hold on others? Many splits of one file of embeddings.

In each round some people set the thresholds for false match rates and for galleries, and the
others measure them. Printed per rate: what the others saw over what was stated, how often their
own 95 % interval contains the stated rate (it knows nothing of the chance in the threshold, so
somewhat less than 95 % is right), and how often both agree with the uncertainty of both.
"""

import argparse
import math
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from vultus.core.errors import CalibrationError
from vultus.evaluation.calibration.fmr import not_higher
from vultus.evaluation.calibration.fpir import GalleryPlan
from vultus.evaluation.calibration.run import (
    CalibrationPlan,
    CalibrationResult,
    LabelledFaces,
    calibrate,
)
from vultus.evaluation.measures.intervals import Interval
from vultus.pipeline.measuring.calibration import embedded_faces

Row = tuple[float, float, Interval, float, Interval]
"""Threshold, stated rate and its interval, rate that the others saw and its interval."""


def main() -> None:
    options = _options()
    faces = _faces(options)
    n_people = len(np.unique(faces.identities))
    print(
        f"{options.embeddings.name}: {len(faces.embeddings):,} faces of {n_people:,} people, "
        f"{options.rounds} rounds, {options.held_out:.0%} of the people held out"
    )
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    refused: set[str] = set()
    start = time.perf_counter()
    for seed in range(options.rounds):
        for name, row in _round(faces, options, seed, refused):
            rows[name].append(row)
        if seed == 0:
            print(f"one round: {time.perf_counter() - start:.0f} s", flush=True)
    for message in sorted(refused):
        print(f"refused: {message}")
    print("| stated | thresholds | others saw | / stated: median (range) | in theirs | agree |")
    print("|---|---|---|---|---|---|")
    for name, found in rows.items():
        print(_line(name, found))


def _round(
    faces: LabelledFaces, options: argparse.Namespace, seed: int, refused: set[str]
) -> list[tuple[str, Row]]:
    fmrs, galleries = list(options.fmr), [_plan(text) for text in options.gallery]
    while True:
        plan = CalibrationPlan(tuple(fmrs), tuple(galleries), options.held_out, seed)
        try:
            return _rows(calibrate(faces, plan))
        except CalibrationError as error:
            # What the people cannot carry is said once and left out.
            refused.add(str(error).split(",")[0])
            if str(error).startswith("FMR"):
                fmrs.remove(min(fmrs))
            else:
                galleries.pop()


def _rows(result: CalibrationResult) -> list[tuple[str, Row]]:
    rows: list[tuple[str, Row]] = [
        (
            f"FMR {check.target_fmr:.0e}",
            (check.stated.threshold, check.stated.fmr, check.stated_interval,
             check.held_out.fmr, check.held_out_interval),
        )
        for check in result.fmr
    ]  # fmt: skip
    for gallery in result.fpir:
        plan = gallery.plan
        if gallery.held_out is not None and gallery.held_out_interval is not None:
            name = f"FPIR {plan.fpir:g}, {plan.gallery_size:,} people, {plan.photos_per_person} ph."
            row = (gallery.threshold.similarity, plan.fpir, gallery.stated_interval,
                   gallery.held_out, gallery.held_out_interval)  # fmt: skip
            rows.append((name, row))
    return rows


def _line(name: str, rows: list[Row]) -> str:
    thresholds = np.array([row[0] for row in rows])
    ratios = np.array([row[3] / row[1] for row in rows])
    inside = np.mean([row[4].low <= row[1] <= row[4].high for row in rows])
    both = np.mean([_agree((row[3], row[4]), (row[1], row[2])) for row in rows])
    seen = math.exp(np.mean(np.log([max(row[3], 1e-12) for row in rows])))
    return (
        f"| {name} | {thresholds.min():.3f} - {thresholds.max():.3f} | {seen:.2e} | "
        f"{np.median(ratios):.2f} ({ratios.min():.2f} - {ratios.max():.2f}) | {inside:.0%} | "
        f"{both:.0%} |"
    )


def _agree(a: tuple[float, Interval], b: tuple[float, Interval]) -> bool:
    return not_higher(a, b) and not_higher(b, a)


def _plan(text: str) -> GalleryPlan:
    fpir, people, photos = text.split(",")
    return GalleryPlan(float(fpir), int(people), int(photos))


def _faces(options: argparse.Namespace) -> LabelledFaces:
    """Without the photos whose folder is left out, and with a few of each person."""
    everything = embedded_faces(options.embeddings)
    counts: defaultdict[str, int] = defaultdict(int)
    kept = []
    for row, person in enumerate(everything.identities.tolist()):
        if any(part in options.without for part in person.split("/")):
            continue
        counts[person] += 1
        if counts[person] <= options.max_photos:
            kept.append(row)
    return LabelledFaces(
        everything.embeddings[kept], everything.identities[kept], everything.name, everything.sha256
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--embeddings", type=Path, required=True, help="a file of `vultus embed`")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--held-out", type=float, default=0.5, help="share of the people")
    parser.add_argument("--fmr", type=float, nargs="*", default=[1e-2, 1e-3, 1e-4])
    parser.add_argument(
        "--gallery", nargs="*", default=["0.01,100,1", "0.01,1000,1"], help="FPIR,people,photos"
    )
    parser.add_argument("--max-photos", type=int, default=1000, help="of each person")
    parser.add_argument("--without", nargs="*", default=["_unlabelled"], help="folders left out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
