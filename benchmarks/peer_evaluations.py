"""What other projects' evaluations say of the same embeddings, beside what Vultus says.

The peers' own code is run, from files that you bring; nothing of it is copied here. What they
import and these functions do not need (a GUI, another framework) is replaced by empty modules.

    python benchmarks/peer_evaluations.py --embeddings lfw.npz --pairs pairs.txt \
        --insightface-verification insightface/recognition/arcface_torch/eval/verification.py \
        --insightface-gui insightface/python-package/insightface/gui/core/evaluation.py \
        --deepface-thresholds deepface/deepface/config/threshold.py

`lfw.npz` is a file of `vultus embed` with one face of each photo of LFW.
"""

import argparse
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path, PurePosixPath
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import interp1d
from sklearn.metrics import roc_curve as sklearn_roc_curve

from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError
from vultus.core.similarity import paired_similarity
from vultus.embedding.embedding_file import load_embeddings
from vultus.evaluation.measures.accuracy import fold_accuracy
from vultus.evaluation.measures.rates import RocCurve, operating_point, point_at, roc_curve
from vultus.evaluation.protocols.pairs.pair_lists import Pair, read_lfw_pairs

Row = tuple[str, str, str]
"""Who says it, of what, and what."""

N_FOLDS = 10


def main() -> None:
    options = _options()
    pairs = read_lfw_pairs(options.pairs)
    first, second = _both_sides(options.embeddings, pairs)
    genuine = np.array([pair.genuine for pair in pairs])
    scores = paired_similarity(first, second)
    curve = roc_curve(scores[genuine], scores[~genuine])
    rows = [*_vultus(scores, genuine, pairs, curve), *_nearest_rate(scores, genuine)]
    if options.insightface_verification is not None:
        rows += _insightface_verification(options.insightface_verification, first, second, genuine)
    if options.insightface_gui is not None:
        rows += _insightface_gui(options.insightface_gui, scores, genuine)
    if options.deepface_thresholds is not None:
        rows += _deepface(options.deepface_thresholds, curve)
    print(f"{first.space}, {len(pairs):,} pairs\n\n| by | figure | value |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--embeddings", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--insightface-verification", type=Path)
    parser.add_argument("--insightface-gui", type=Path)
    parser.add_argument("--deepface-thresholds", type=Path)
    return parser.parse_args()


def _both_sides(path: Path, pairs: Sequence[Pair]) -> tuple[Embeddings, Embeddings]:
    """The first and the second photo of each pair."""
    embeddings, sources = load_embeddings(path)
    rows = {_stem(source.photo): row for row, source in enumerate(sources)}
    return (
        embeddings[[rows[_stem(pair.first)] for pair in pairs]],
        embeddings[[rows[_stem(pair.second)] for pair in pairs]],
    )


def _stem(photo: str) -> str:
    return PurePosixPath(photo).stem


def _vultus(
    scores: npt.NDArray[np.float32],
    genuine: npt.NDArray[np.bool_],
    pairs: Sequence[Pair],
    curve: RocCurve,
) -> Iterator[Row]:
    folds = np.array([pair.fold for pair in pairs], np.int64)
    found = fold_accuracy(scores, genuine, folds=folds)
    told = f"{found.mean:.3%} +- {found.standard_error:.3%}, std {found.std:.3%}"
    yield "Vultus", "accuracy, 10 folds, +- standard error", told
    for rate in (1e-2, 1e-3, 1e-4):
        try:
            point = operating_point(curve, fmr=rate)
        except CalibrationError:
            yield "Vultus", f"TAR at FMR {rate:g}", "refused: below 3 / n"
        else:
            interval = point.tar_interval
            told = f"{point.tar:.3%} ({interval.low:.3%} - {interval.high:.3%}), "
            told += f"threshold {point.threshold:.4f}, FMR {point.fmr:.2e}"
            yield "Vultus", f"TAR at FMR {rate:g}", told


def _nearest_rate(scores: npt.NDArray[np.float32], genuine: npt.NDArray[np.bool_]) -> Iterator[Row]:
    """The rule of insightface's IJB scripts, restated: the nearest FPR, highest TPR of equals."""
    fpr, tpr, _ = sklearn_roc_curve(genuine, scores)
    for rate in (1e-2, 1e-3, 1e-4, 1e-5):
        distance = np.abs(fpr - rate)
        place = int(np.flatnonzero(distance == distance.min())[-1])
        told = f"{tpr[place]:.3%}, at FPR {fpr[place]:.2e}"
        yield "insightface's IJB rule", f"TAR at FAR {rate:g}", told


def _insightface_verification(
    path: Path, first: Embeddings, second: Embeddings, genuine: npt.NDArray[np.bool_]
) -> Iterator[Row]:
    peer = _load(path, missing=("mxnet",))
    name = "insightface arcface_torch"
    both = np.stack([first.vectors, second.vectors], axis=1).reshape(-1, first.space.dim)
    try:
        peer.evaluate(both, genuine, nrof_folds=N_FOLDS)
    except ValueError as error:
        yield name, "`evaluate` as it stands", f"fails: {error}"
    sides = (first.vectors, second.vectors, genuine)
    accuracy = peer.calculate_roc(np.arange(0, 4, 0.01), *sides, nrof_folds=N_FOLDS)[2]
    yield name, "accuracy, 10 folds, +- std", f"{accuracy.mean():.3%} +- {accuracy.std():.3%}"
    # Current SciPy refuses equal abscissae in the spline that is asked for; a line does not mind.
    peer.interpolate = SimpleNamespace(interp1d=lambda x, y, kind: interp1d(x, y, kind="linear"))
    val, std, far = peer.calculate_val(np.arange(0, 4, 0.001), *sides, 1e-3, nrof_folds=N_FOLDS)
    yield name, "TAR at FAR 1e-3, +- std", f"{val:.3%} +- {std:.3%}, FAR {far:.2e}"


def _insightface_gui(
    path: Path, scores: npt.NDArray[np.float32], genuine: npt.NDArray[np.bool_]
) -> Iterator[Row]:
    peer = _load(path, missing=("peer.",))
    rows = [
        {"label": int(same), "similarity": float(score)}
        for same, score in zip(genuine, scores, strict=True)
    ]
    name = "insightface package"
    threshold = peer.recommend_threshold(rows)
    accuracy = peer._metrics_at_threshold(rows, threshold)["accuracy"]
    yield name, "recommended threshold, its accuracy", f"{threshold:.4f}, {accuracy:.3%}"
    for rate in (1e-2, 1e-3, 1e-4):
        found = peer.tar_at_far(rows, rate)
        yield name, f"TAR at FAR {rate:g}", found if isinstance(found, str) else f"{found:.3%}"


def _deepface(path: Path, curve: RocCurve) -> Iterator[Row]:
    for model, thresholds in _load(path, missing=()).thresholds.items():
        # Their rule is distance <= threshold, and their cosine distance is 1 - similarity.
        point = point_at(curve, threshold=1 - thresholds["cosine"])
        told = f"similarity {point.threshold:.3f}: FMR {point.fmr:.2e}, TAR {point.tar:.2%}"
        yield "deepface", f"cosine threshold of {model}", told


class _Empty(MetaPathFinder, Loader):
    """Gives an empty module for each name that begins with one of the prefixes."""

    def __init__(self, prefixes: Sequence[str]) -> None:
        self._prefixes = tuple(prefixes)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith(self._prefixes):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        module.__getattr__ = _anything  # type: ignore[method-assign]
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass


def _anything(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return object


def _load(path: Path, *, missing: Sequence[str]) -> Any:
    """One file of a peer as a module of its own, without the rest of its package."""
    finder = _Empty(missing)
    sys.meta_path.insert(0, finder)
    try:
        package = ModuleType("peer")
        package.__path__ = []
        sys.modules["peer"] = package
        spec = importlib.util.spec_from_file_location(f"peer.{path.stem}", path)
        if spec is None or spec.loader is None:
            sys.exit(f"{path} must be a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        sys.meta_path.remove(finder)
    return module


if __name__ == "__main__":
    main()
