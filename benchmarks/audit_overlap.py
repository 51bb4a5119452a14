"""How much overlap with an evaluation set does `vultus data audit --against` find?

Identities of a data set are divided into one to train on and one to evaluate on. Some people are
put into both, in different photos, and some pictures of others are copied into the second, altered.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from benchmarks.planted.altered import altered_copy

from vultus import __version__
from vultus.curation.audit.audit import AuditTools, audit
from vultus.data import open_dataset
from vultus.data.base import FaceDataset
from vultus.data.formats.writers import image_ending
from vultus.embedding.embedder import open_embedder

MOST = 20


def main() -> None:
    options = _options()
    source = open_dataset(options.source)
    with tempfile.TemporaryDirectory() as folder:
        train, test = Path(folder) / "train", Path(folder) / "test"
        people, copies = _write(source, train, test, options)
        sets = open_dataset(train), open_dataset(test)
        for name, data in zip(("train", "evaluate"), sets, strict=True):
            print(f"{name}: {len(data):,} images of {len(data.identities):,} identities")
        embedder = open_embedder(options.model, threads=1)
        cache = options.cache or Path(folder) / "cache"
        tools = AuditTools(embedder, embedder.thresholds, cache, fpir=options.fpir)
        found = audit(sets[0], tools, against={"test": sets[1]})
        print(f"vultus {__version__}; {found.rules()}\n")
        print("| kind | planted | findings | of them planted | precision | recall |")
        print("|---|---:|---:|---:|---:|---:|")
        for kind, truth in (("overlap_person", people), ("overlap_copy", copies)):
            findings = [finding for finding in found.findings if finding.kind == kind]
            keys = {str(f.identity) if f.images is None else f.images[0] for f in findings}
            hits = len(keys & truth)
            print(
                f"| {kind} | {len(truth)} | {len(findings)} | {hits} "
                f"| {hits / max(len(findings), 1):.1%} | {hits / max(len(truth), 1):.1%} |"
            )
            for finding in findings:
                if (finding.identity if finding.images is None else finding.images[0]) not in truth:
                    print("not planted:", finding.identity, finding.reason, finding.evidence[-1])


def _write(
    source: FaceDataset, train: Path, test: Path, options: argparse.Namespace
) -> tuple[set[str], set[str]]:
    """Write both sets; the people and the images of the first that are in the second, too."""
    generator = np.random.default_rng(options.seed)
    counts = np.bincount(source.labels[source.labels >= 0], minlength=len(source.identities))
    labels = np.flatnonzero(counts >= 4)
    chosen = generator.permutation(labels[labels % 2 == options.part])
    n = options.identities
    own, foreign = chosen[:n], chosen[n : n + n // 2]
    shared, copied = own[: n // 20], own[n // 20 : n // 10]
    for label in own.tolist():
        rows = generator.permutation(np.flatnonzero(source.labels == label))[:MOST].tolist()
        both = label in set(shared.tolist())
        for row in rows[len(rows) // 2 if both else 0 :]:
            _put(train / source.identities[label], source.encoded(row))
        for row in rows[: len(rows) // 2] if both else []:
            _put(test / f"shared-{label}", source.encoded(row))
    for label in foreign.tolist():
        for row in np.flatnonzero(source.labels == label)[:MOST].tolist():
            _put(test / source.identities[label], source.encoded(row))
    copies = set()
    for label in copied.tolist():
        path = generator.choice(sorted((train / source.identities[label]).iterdir()))
        copies.add(path.relative_to(train).as_posix())
        _put(test / f"copy-{label}", altered_copy(path.read_bytes(), generator))
    return {source.identities[label] for label in (*shared, *copied)}, copies


def _put(folder: Path, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.iterdir()))
    (folder / f"{number:03}{image_ending(data, 'an image')}").write_bytes(data)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True, help="a data set of aligned crops")
    parser.add_argument("--identities", type=int, default=400, help="to train on")
    parser.add_argument("--part", type=int, default=1, help="0 or 1: even or odd identities")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="mobilefacenet-y1")
    parser.add_argument("--fpir", type=float, default=0.01)
    parser.add_argument("--cache", type=Path, help="folder to keep embeddings in between runs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
