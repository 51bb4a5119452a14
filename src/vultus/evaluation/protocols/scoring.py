"""From a list of pairs and embedded photos to figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.similarity import paired_similarity
from vultus.evaluation.measures.accuracy import FoldAccuracy, fold_accuracy
from vultus.evaluation.measures.allpairs import AllPairs, all_pairs
from vultus.evaluation.measures.identification import Searches
from vultus.evaluation.measures.rates import roc_curve
from vultus.evaluation.measures.summary import Summary, summarise
from vultus.evaluation.protocols.base import EmbeddedPhotos
from vultus.evaluation.protocols.pairs.pair_lists import Pair, consecutive_folds
from vultus.evaluation.protocols.result import Evidence, ProtocolResult, photo_qualities

LISTED_IMPOSTORS = 1000


def pair_scores(
    embedded: EmbeddedPhotos, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Similarity (or the scorer's score) of pairs of photos, ``-inf`` where either photo failed.

    Args:
        embedded: The photos.
        first: (n,) int64, places of photos.
        second: (n,) int64, places of the others.
    """
    rows = embedded.rows()
    found = ~(embedded.failed[first] | embedded.failed[second])
    scores = np.full(len(first), -np.inf, np.float32)
    vectors = embedded.embeddings
    score = paired_similarity if embedded.scorer is None else embedded.scorer
    scores[found] = score(vectors[rows[first[found]]], vectors[rows[second[found]]])
    return scores


def score_pairs(
    protocol: str,
    pairs: Sequence[Pair],
    embedded: EmbeddedPhotos,
    *,
    places: Mapping[str, int],
    files: Mapping[str, str],
) -> ProtocolResult:
    """Measure on a list of pairs of photos, as `pair_figures` does.

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
    evidence = Evidence(
        _names(places, len(embedded.failed)),
        first,
        second,
        np.array([pair.genuine for pair in pairs], np.bool_),
        pair_scores(embedded, first, second),
        photo_qualities(embedded.embeddings, embedded.failed),
    )
    comparisons, accuracy = pair_figures(protocol, evidence, folds=[pair.fold for pair in pairs])
    return ProtocolResult(
        protocol,
        embedded.embeddings.space,
        len(embedded.failed),
        int(embedded.failed.sum()),
        comparisons,
        accuracy,
        files_sha256=files,
        evidence=evidence,
    )


def pair_figures(
    protocol: str, evidence: Evidence, *, folds: Sequence[int | None]
) -> tuple[Summary, FoldAccuracy | None]:
    """Rates, and accuracy over folds, of a whole list of pairs.

    A pair that failed is a wrong decision in the accuracy; a genuine one never matches in the TAR,
    an impostor one is left out of the FMR.

    Args:
        protocol: What messages call it.
        evidence: All pairs of the list, in its order.
        folds: Of each pair, or None where the list has none.

    Returns:
        The rates; the accuracy, or None where the pairs are too few for folds.

    Raises:
        InputError: If there is no genuine or no impostor pair with faces.
    """
    scores, genuine = evidence.scores, evidence.genuine
    impostor = scores[~genuine]
    if not genuine.any() or not np.isfinite(impostor).any():
        raise InputError(
            f"{protocol} needs genuine pairs and impostor pairs whose faces were found, got "
            f"{int(genuine.sum())} and {int(np.isfinite(impostor).sum())}"
        )
    curve = roc_curve(scores[genuine], impostor[np.isfinite(impostor)])
    return summarise(curve), _accuracy(folds, scores, genuine)


def _names(places: Mapping[str, int], n_photos: int) -> tuple[str, ...]:
    """The first name of each photo; empty for one that no pair names."""
    names = [""] * n_photos
    for name, place in places.items():
        names[place] = names[place] or name
    return tuple(names)


def _accuracy(
    folds: Sequence[int | None], scores: npt.NDArray[np.float32], genuine: npt.NDArray[np.bool_]
) -> FoldAccuracy | None:
    listed = [fold for fold in folds if fold is not None]
    if listed:
        numbers = np.array(listed, np.int64)
    elif min(genuine.sum(), (~genuine).sum()) >= 2:
        numbers = consecutive_folds(genuine)
    else:
        return None
    return fold_accuracy(scores, genuine, folds=numbers) if len(np.unique(numbers)) > 1 else None


def compare_all(embedded: EmbeddedPhotos, people: npt.NDArray[np.int64]) -> AllPairs:
    """Every photo against every other.

    Raises:
        InputError: If fewer than two have a face.
    """
    if (~embedded.failed).sum() < 2:
        n_photos = len(embedded.failed)
        raise InputError(f"a face was found on fewer than two of the {n_photos} photos")
    return all_pairs(embedded.embeddings, identities=people, failed=embedded.failed)


def genuine_pairs(people: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """(n, 2) places of every two photos of one person.

    Args:
        people: (photos,) of any dtype that sorts, who is on each photo.
    """
    who = np.unique(people, return_inverse=True)[1]
    groups = np.split(np.argsort(who, kind="stable"), np.cumsum(np.bincount(who))[:-1])
    pairs = [group[np.stack(np.triu_indices(len(group), 1), axis=1)] for group in groups]
    return np.concatenate(pairs).astype(np.int64)


def listed_evidence(
    photos: Sequence[str],
    *,
    genuine: tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]],
    impostors: tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]],
    qualities: Mapping[str, npt.NDArray[np.float64]],
    searches: Searches | None,
) -> Evidence:
    """All genuine comparisons, and the highest impostor comparisons: `LISTED_IMPOSTORS` at most.

    Args:
        photos: Name of each.
        genuine: (g, 2) places of photos, and (g,) scores.
        impostors: (i, 2) places of photos, and (i,) scores or more, highest first.
        qualities: As `Evidence` has them.
        searches: 1:N searches, or None.
    """
    pairs, scores = impostors[0][:LISTED_IMPOSTORS], impostors[1][:LISTED_IMPOSTORS]
    places = np.concatenate([genuine[0], pairs])
    return Evidence(
        tuple(photos),
        places[:, 0],
        places[:, 1],
        np.arange(len(places)) < len(genuine[0]),
        np.concatenate([genuine[1], scores]),
        qualities,
        searches,
    )


def all_pairs_evidence(
    embedded: EmbeddedPhotos,
    people: npt.NDArray[Any],
    photos: Sequence[str],
    table: AllPairs,
    searches: Searches | None,
) -> Evidence:
    """`listed_evidence` of photos that all met each other.

    Args:
        embedded: The photos.
        people: (n,) of any dtype that sorts, who is on each.
        photos: Name of each.
        table: Every photo against every other.
        searches: 1:N searches, or None.
    """
    genuine = genuine_pairs(people)
    return listed_evidence(
        photos,
        genuine=(genuine, pair_scores(embedded, genuine[:, 0], genuine[:, 1])),
        impostors=(table.impostors.tail_pairs, table.impostors.tail),
        qualities=photo_qualities(embedded.embeddings, embedded.failed),
        searches=searches,
    )
