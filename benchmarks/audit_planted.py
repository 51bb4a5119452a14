"""How much of what is planted in a data set does `vultus data audit` find, and what else?

Identities of a data set are taken, errors are planted (seeded), and the audit's findings are
compared with them. What it finds beside is either a false alarm or an error of the data set itself:
`--sheet` draws a sample of those to look at. `--synthetic` takes drawn faces instead.
"""

import argparse
import tempfile
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from benchmarks.planted.planted import Planted
from benchmarks.planted.planting import plant

from vultus import __version__
from vultus.core.faces import Image
from vultus.core.thresholds import ThresholdTable
from vultus.curation.audit.audit import Audit, AuditTools, audit
from vultus.curation.audit.findings import ACTIONS, KINDS, Finding
from vultus.data import open_dataset
from vultus.data.base import FaceDataset
from vultus.data.contact_sheet import contact_sheet
from vultus.data.synthetic import SyntheticFaces
from vultus.image.io import read_image, write_image
from vultus.pipeline.recognizer import Recognizer

SHEET_ROWS = 24
NON_FACES = (
    "brick.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png", "color.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "logo.png", "moon.png",
    "motorcycle_left.png", "page.png", "retina.jpg", "rocket.jpg", "text.png",
)  # fmt: skip


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "planted"
        source = _source(options)
        planted = plant(
            source,
            root,
            identities=options.identities,
            part=options.part,
            seed=options.seed,
            non_faces=_non_faces(options.seed),
        )
        dataset = open_dataset(root)
        print(
            f"vultus {__version__}; {len(dataset):,} images of {len(dataset.identities):,} "
            f"identities, part {options.part}, seed {options.seed}"
        )
        start = time.perf_counter()
        found = audit(dataset, _tools(options, options.cache or Path(folder) / "cache"))
        print(f"audit: {time.perf_counter() - start:.0f} s; rules {found.rules()}")
        print(f"merge ratio {found.ratio:.3f}\n")
        _print_table(found, planted)
        others = _unplanted(found, planted)
        if options.sheet is not None:
            _draw(others, dataset, options.sheet)


def _source(options: argparse.Namespace) -> FaceDataset:
    if options.synthetic:
        return SyntheticFaces(identities=2 * options.identities, images=8, difficulty=0.3)
    if options.source is None:
        raise SystemExit("give --source, a data set of aligned crops, or --synthetic")
    return open_dataset(options.source)


def _non_faces(seed: int) -> list[Image]:
    """Pieces of pictures without faces that lie inside scikit-image, noise and plain areas."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise SystemExit("needs scikit-image for pictures without faces: pip install scikit-image")
    generator = np.random.default_rng(seed)
    pictures = [read_image(Path(spec.origin).parent / "data" / name) for name in NON_FACES]
    found: list[Image] = []
    for number in range(200):
        picture = pictures[number % len(pictures)]
        side = int(generator.integers(56, min(picture.shape[:2]) + 1))
        top, left = (int(generator.integers(length - side + 1)) for length in picture.shape[:2])
        piece = picture[top : top + side, left : left + side]
        resized = cv2.resize(piece, (112, 112), interpolation=cv2.INTER_AREA)
        found.append(np.asarray(resized, np.uint8))
        if number % 10 == 0:
            found.append(generator.integers(0, 256, (112, 112, 3), dtype=np.uint8))
            found.append(np.full((112, 112, 3), generator.integers(0, 256, 3), np.uint8))
    return [found[i] for i in generator.permutation(len(found))]


def _tools(options: argparse.Namespace, cache: Path) -> AuditTools:
    recognizer = Recognizer(embedder=options.model, detector=options.detector, threads=1)
    # Drawn faces resemble each other more than people do: no card's thresholds hold for them.
    table = ThresholdTable() if options.synthetic else recognizer.embedder.thresholds
    return AuditTools(
        recognizer.embedder, table, cache, detector=recognizer.detector, fpir=options.fpir
    )


def _print_table(found: Audit, planted: Planted) -> None:
    print("| kind | planted | findings | of them planted | precision | recall | beside |")
    print("|---|---:|---:|---:|---:|---:|---|")
    proposals = {(finding.kind, finding.action) for finding in found.findings}
    rows = [(kind, action) for kind in KINDS for action in ACTIONS if (kind, action) in proposals]
    for kind, action in rows:
        truth = planted.keys(kind)
        findings = [f for f in found.findings if (f.kind, f.action) == (kind, action)]
        hits = {planted.key(finding) for finding in findings} & truth
        right = sum(planted.key(finding) in truth for finding in findings)
        beside = Counter(
            planted.role(finding) for finding in findings if planted.key(finding) not in truth
        )
        print(
            f"| {kind}: {action} | {len(truth)} | {len(findings)} | {right} "
            f"| {_share(right, len(findings))} | {_share(len(hits), len(truth))} | "
            f"{', '.join(f'{name}: {count}' for name, count in beside.items())} |"
        )
    for line in planted.remarks(found.findings):
        print(line)


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if total else "-"


def _unplanted(found: Audit, planted: Planted) -> list[Finding]:
    """Findings of clean images: false alarms, or errors of the data set itself."""
    return [
        finding
        for finding in found.findings
        if planted.key(finding) not in planted.keys(finding.kind)
        and planted.role(finding) == "clean"
    ]


def _draw(findings: list[Finding], dataset: FaceDataset, folder: Path) -> None:
    """A sheet a kind: the image (or three of the identity), then what it is compared with."""
    folder.mkdir(parents=True, exist_ok=True)
    index_of = {name: index for index, name in enumerate(dataset.files.names)}  # type: ignore[attr-defined]
    for kind in KINDS:
        chosen = [finding for finding in findings if finding.kind == kind]
        for page, start in enumerate(range(0, len(chosen), SHEET_ROWS)):
            rows = []
            for number, finding in enumerate(chosen[start : start + SHEET_ROWS], start + 1):
                names = [*(finding.images or ())[:3], *finding.evidence][:7]
                images = [dataset.image(index_of[name]) for name in names]
                images += [np.full((112, 112, 3), 255, np.uint8)] * (7 - len(images))
                rows.append((f"{number} {finding.score:.2f} {len(finding.images or ())}", images))
                print(kind, number, finding.identity, "->", finding.to, finding.reason, names[0])
            write_image(folder / f"{kind}-{page + 1}.png", contact_sheet(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, help="a data set of aligned crops (folder, zip ...)")
    parser.add_argument("--synthetic", action="store_true", help="drawn faces instead")
    parser.add_argument("--identities", type=int, default=500, help="with four images at least")
    parser.add_argument(
        "--part", type=int, default=1, help="0 or 1: even or odd identities; rules were chosen on 0"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="mobilefacenet-y1")
    parser.add_argument("--detector", default="mtcnn")
    parser.add_argument("--cache", type=Path, help="folder to keep embeddings in between runs")
    parser.add_argument("--fpir", type=float, default=0.01)
    parser.add_argument("--sheet", type=Path, help="folder for pictures of what was not planted")
    return parser.parse_args()


if __name__ == "__main__":
    main()
