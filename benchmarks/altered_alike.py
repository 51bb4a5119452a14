"""How often strangers match whose faces were altered alike, at the threshold of clean ones.

Nothing judges the faces: no gate, no trust, no other shape is tried. The threshold has this false
match rate among the clean crops. The first crops of each person are taken (`--of-each`).

    python -m benchmarks.altered_alike --crops dev --model vultus-s2 --model mobilefacenet-y1
"""

import argparse
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from benchmarks.altered_faces import altered_crops

from vultus.data.base import FaceDataset, open_dataset
from vultus.embedding.embedder import Embedder, open_embedder

KINDS: Mapping[str, Sequence[dict[str, Any]]] = {
    "clean": (),
    "1.5 x as wide": ({"name": "stretch", "factor": [1.5, 1.5]},),
    "1.8 x as wide": ({"name": "stretch", "factor": [1.8, 1.8]},),
    "1.5 x as tall": ({"name": "stretch", "factor": [2 / 3, 2 / 3]},),
    "noise, sd 40": ({"name": "noise", "sigma": [40.0, 40.0]},),
    "mask": ({"name": "mask"},),
    "sunglasses": ({"name": "sunglasses"},),
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=Path, required=True, help="aligned, a folder per person")
    parser.add_argument("--model", action="append", required=True, help="repeat to compare")
    parser.add_argument("--fmr", type=float, default=1e-3, help="among the clean crops")
    parser.add_argument("--of-each", type=int, default=3, help="crops of a person at most")
    options = parser.parse_args()
    dataset = open_dataset(options.crops)
    chosen = first_of_each(dataset.labels, options.of_each)
    labels = dataset.labels[chosen]
    print(
        f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; "
        f"{len(chosen):,} crops of {len(np.unique(labels)):,} people; threshold of FMR "
        f"{options.fmr:g} among the clean ones\n"
    )
    print("| model | " + " | ".join(f"{kind}: FMR, matches" for kind in KINDS) + " |")
    print("|---|" + "---:|" * len(KINDS))
    for name in options.model:
        embedder = open_embedder(name)
        cells = " | ".join(_cells(dataset, chosen, embedder, options.fmr))
        print(f"| {embedder.card.name} | {cells} |", flush=True)


def first_of_each(labels: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Where the first ``n`` crops of every person stand; those of nobody are left out."""
    people = np.unique(labels[labels >= 0])
    return np.concatenate([np.flatnonzero(labels == person)[:n] for person in people])


def _cells(
    dataset: FaceDataset, chosen: npt.NDArray[np.int64], embedder: Embedder, fmr: float
) -> list[str]:
    labels = dataset.labels[chosen]
    same = labels[:, None] == labels
    strangers, mates = np.triu(~same, 1), np.triu(same, 1)
    threshold, cells = None, []
    for tables in KINDS.values():
        crops = altered_crops(dataset, chosen, tables, template=embedder.card.template)
        vectors = embedder.embed(crops).vectors
        scores = vectors @ vectors.T
        if threshold is None:
            threshold = np.quantile(scores[strangers], 1 - fmr)
        cells.append(
            f"{(scores[strangers] > threshold).mean():.2%}, "
            f"{(scores[mates] > threshold).mean():.1%}"
        )
    return cells


if __name__ == "__main__":
    main()
