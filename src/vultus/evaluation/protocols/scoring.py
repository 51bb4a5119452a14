"""From a list of pairs and embedded photos to figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.similarity import paired_similarity
from vultus.evaluation.accuracy import FoldAccuracy, fold_accuracy
from vultus.evaluation.protocols.base import EmbeddedPhotos, ProtocolResult
from vultus.evaluation.protocols.evidence import Evidence, photo_qualities
from vultus.evaluation.protocols.pair_lists import Pair, consecutive_folds
from vultus.evaluation.rates import roc_curve
from vultus.evaluation.summary import summarise
from vultus.models.digest import sha256_file

__all__ = ["digests", "pair_scores", "score_pairs"]


def pair_scores(
    embedded: EmbeddedPhotos, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Similarity of pairs of photos, ``-inf`` where either photo failed.

    Args:
        embedded: The photos.
        first: (n,) int64, places of photos.
        second: (n,) int64, places of the others.
    """
    rows = embedded.rows()
    found = ~(embedded.failed[first] | embedded.failed[second])
    scores = np.full(len(first), -np.inf, np.float32)
    vectors = embedded.embeddings
    scores[found] = paired_similarity(vectors[rows[first[found]]], vectors[rows[second[found]]])
    return scores


def score_pairs(
    protocol: str,
    pairs: Sequence[Pair],
    embedded: EmbeddedPhotos,
    *,
    places: Mapping[str, int],
    files: Mapping[str, str],
) -> ProtocolResult:
    """Measure on a list of pairs.

    A failed photo makes each of its pairs a wrong decision in the accuracy; a genuine pair with
    one never matches in the TAR, an impostor pair with one is left out of the FMR.

    Args:
        protocol: Name for the result.
        pairs: Their photos by name.
        embedded: The photos.
        places: Name of each photo -> its place in ``embedded``.
        files: SHA-256 of the protocol's files, by name.

    Raises:
        InputError: If there is no genuine or no impostor pair with faces.
    """
    first = np.array([places[pair.first] for pair in pairs], np.int64)
    second = np.array([places[pair.second] for pair in pairs], np.int64)
    genuine = np.array([pair.genuine for pair in pairs], np.bool_)
    scores = pair_scores(embedded, first, second)
    impostor = scores[~genuine]
    if not genuine.any() or not np.isfinite(impostor).any():
        raise InputError(
            f"{protocol} needs genuine pairs and impostor pairs whose faces were found, got "
            f"{int(genuine.sum())} and {int(np.isfinite(impostor).sum())}"
        )
    curve = roc_curve(scores[genuine], impostor[np.isfinite(impostor)])
    qualities = photo_qualities(embedded.embeddings, embedded.failed)
    names = _names(places, len(embedded.failed))
    return ProtocolResult(
        protocol,
        embedded.embeddings.space,
        len(embedded.failed),
        int(embedded.failed.sum()),
        summarise(curve),
        _accuracy(pairs, scores, genuine),
        files_sha256=files,
        evidence=Evidence(names, first, second, genuine, scores, qualities),
    )


def digests(files: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of protocol files by file name; by path where two have the same name."""
    names = [path.name for path in files]
    unique = len(set(names)) == len(names)
    return {path.name if unique else str(path): sha256_file(path) for path in files}


def _names(places: Mapping[str, int], n_photos: int) -> tuple[str, ...]:
    """The first name of each photo; empty for one that no pair names."""
    names = [""] * n_photos
    for name, place in places.items():
        names[place] = names[place] or name
    return tuple(names)


def _accuracy(
    pairs: Sequence[Pair], scores: npt.NDArray[np.float32], genuine: npt.NDArray[np.bool_]
) -> FoldAccuracy | None:
    listed = [pair.fold for pair in pairs if pair.fold is not None]
    if listed:
        folds = np.array(listed, np.int64)
    elif min(genuine.sum(), (~genuine).sum()) >= 2:
        folds = consecutive_folds(genuine)
    else:
        return None
    return fold_accuracy(scores, genuine, folds=folds) if len(np.unique(folds)) > 1 else None
