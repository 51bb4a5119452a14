"""Models beside each other on covered, coarse, blurred and compressed copies of the same faces.

Every crop is altered once, by the augmentation of that name with a fixed seed, and compared with
every clean crop but its own. TAR is taken at the false match rate of these same comparisons; the
interval draws people anew.

    python benchmarks/altered_faces.py --crops DIR --model vultus-s2 --model mobilefacenet-y1
"""

import argparse
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.crops import AlignedCrops
from vultus.data.augmentation.sequence import Augmentation
from vultus.data.base import FaceDataset, open_dataset
from vultus.embedding.embedder import Embedder, open_embedder
from vultus.evaluation.measures.intervals import Interval, mean_rate_interval
from vultus.evaluation.measures.rates import operating_point, roc_curve
from vultus.evaluation.plot_style import new_figure, plain_text, series_styles
from vultus.evaluation.plots import save_figure

ALTERATIONS: Mapping[str, Sequence[dict[str, Any]]] = {
    "clean": (),
    "mask": ({"name": "mask"},),
    "sunglasses": ({"name": "sunglasses"},),
    "half resolution": ({"name": "low-resolution", "scale": [0.5, 0.5]},),
    "quarter resolution": ({"name": "low-resolution", "scale": [0.25, 0.25]},),
    "blur, sigma 2 px": ({"name": "blur", "sigma_px": [2.0, 2.0]},),
    "JPEG, quality 10": ({"name": "jpeg", "quality": [10, 10]},),
}


@dataclass(frozen=True)
class Row:
    """What one model did on one alteration."""

    alteration: str
    model: str
    tars: tuple[float, ...]
    intervals: tuple[Interval, ...]


def main() -> None:
    """Print a table, and draw it."""
    options = _options()
    dataset = open_dataset(options.crops)
    embedders = [open_embedder(name) for name in options.model]
    chosen = _chosen(dataset, options.limit)
    labels = dataset.labels[chosen]
    print(
        f"{len(chosen):,} crops of {len(np.unique(labels)):,} people in {options.crops.name}; "
        f"{embedders[0].description}; Python {platform.python_version()}"
    )
    rates = " | ".join(f"TAR at FMR {fmr:g}" for fmr in options.fmr)
    print(f"\n| probes | model | {rates} |\n|---|---|{'---|' * len(options.fmr)}")
    rows = []
    for row in _measured(dataset, chosen, embedders, options.fmr):
        rows.append(row)
        found = zip(row.tars, row.intervals, strict=True)
        cells = " | ".join(f"{tar:.1%} ({i.low:.1%} to {i.high:.1%})" for tar, i in found)
        print(f"| {row.alteration} | {row.model} | {cells} |", flush=True)
    if options.plot is not None:
        _draw(options.plot, rows, label=f"TAR at FMR {options.fmr[-1]:g}")


def _draw(path: Path, rows: Sequence[Row], *, label: str) -> None:
    figure, axes = new_figure(label, "")
    names = list(ALTERATIONS)
    styles = series_styles(row.model for row in rows)
    height = 0.8 / len(styles)
    for place, (model, style) in enumerate(styles.items()):
        own = [row for row in rows if row.model == model]
        tars = np.array([row.tars[-1] for row in own])
        bounds = np.array([(row.intervals[-1].low, row.intervals[-1].high) for row in own])
        y = np.array([names.index(row.alteration) for row in own]) + place * height
        errors = np.abs(bounds.T - tars)
        axes.barh(y, tars, height, color=style.colour, label=plain_text(model), xerr=errors)
    axes.set_yticks(np.arange(len(names)) + 0.4 - height / 2, names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=len(styles))
    save_figure(figure, path)


def _measured(
    dataset: FaceDataset,
    chosen: npt.NDArray[np.int64],
    embedders: Sequence[Embedder],
    fmrs: Sequence[float],
) -> Iterator[Row]:
    clean = altered_crops(dataset, chosen, (), template=embedders[0].card.template)
    gallery = [embedder.embed(clean).vectors for embedder in embedders]
    labels = dataset.labels[chosen]
    for name, tables in ALTERATIONS.items():
        altered = altered_crops(dataset, chosen, tables, template=embedders[0].card.template)
        for embedder, vectors in zip(embedders, gallery, strict=True):
            scores = embedder.embed(altered).vectors @ vectors.T
            tars, intervals = _rates(scores, labels, fmrs)
            yield Row(name, embedder.card.name, tars, intervals)


def _rates(
    scores: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], fmrs: Sequence[float]
) -> tuple[tuple[float, ...], tuple[Interval, ...]]:
    same = labels[:, None] == labels[None, :]
    impostor = scores[~same]
    np.fill_diagonal(same, val=False)
    curve = roc_curve(scores[same], impostor)
    points = [operating_point(curve, fmr=fmr) for fmr in fmrs]
    people = np.unique(labels, return_inverse=True)[1]
    trials = np.bincount(people, weights=same.sum(axis=1)).astype(np.int64)
    intervals = []
    for point in points:
        accepted = (same & (scores >= point.threshold)).sum(axis=1)
        hits = np.bincount(people, weights=accepted).astype(np.int64)
        generator = np.random.default_rng(0)
        intervals.append(mean_rate_interval(hits[None], trials[None], generator=generator))
    return tuple(point.tar for point in points), tuple(intervals)


def altered_crops(
    dataset: FaceDataset,
    chosen: npt.NDArray[np.int64],
    tables: Sequence[Mapping[str, Any]],
    *,
    template: str,
) -> AlignedCrops:
    """Crops as the augmentations of these tables alter them, with a seed for each."""
    augmentation = Augmentation.from_tables(tables)
    pixels = [
        augmentation(dataset.image(int(index)), np.random.default_rng([0, int(index)]))
        for index in chosen
    ]
    return AlignedCrops(np.stack(pixels), np.zeros((len(chosen), 2, 3), np.float32), template)


def _chosen(dataset: FaceDataset, limit: int | None) -> npt.NDArray[np.int64]:
    """Labelled crops; of fewer people where there is a limit."""
    labelled = np.flatnonzero(dataset.labels >= 0)
    if limit is None or len(labelled) <= limit:
        return labelled
    people = np.unique(dataset.labels[labelled])
    share = limit / len(labelled)
    kept = np.random.default_rng(0).permutation(people)[: max(2, round(share * len(people)))]
    return labelled[np.isin(dataset.labels[labelled], kept)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--crops", type=Path, required=True, help="aligned crops, a folder each")
    parser.add_argument("--model", action="append", required=True, help="repeat to compare")
    parser.add_argument("--fmr", type=float, nargs="+", default=[1e-2, 1e-3])
    parser.add_argument("--limit", type=int, help="about so many crops at most")
    parser.add_argument("--plot", type=Path, help="picture to write")
    return parser.parse_args()


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - started:.0f} s")
