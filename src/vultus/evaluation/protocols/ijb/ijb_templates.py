"""Templates of IJB: faces averaged within their media, media added up; and 1:1 of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.evaluation.measures.intervals import Interval, trials_interval
from vultus.evaluation.measures.score_stream import ImpostorScores, ImpostorStream
from vultus.evaluation.protocols.base import EmbeddedPhotos
from vultus.evaluation.protocols.ijb.ijb_files import TemplatePairs

FLIPS = {"none": 0, "concat": 1, "add": 2}
"""insightface's numbers: F1 = features of both views concatenated, F2 = added."""


@dataclass(frozen=True, slots=True)
class IjbMode:
    """What weighs a face in its template, and whether the mirrored view is used.

    Attributes:
        norm: N: faces count by their feature's norm, not all alike.
        score: D: faces count by the detector's score.
        flip: F: what is done with the mirrored view: ``none``, ``concat`` or ``add``.
    """

    norm: bool
    score: bool
    flip: str

    def __str__(self) -> str:
        return f"N{self.norm:d}D{self.score:d}F{FLIPS[self.flip]}"

    @classmethod
    def choose(cls, wanted: str | None, *, space: EmbeddingSpace, scored: bool) -> "IjbMode":
        """The mode that was asked for.

        Args:
            wanted: Letters of N, D and F, or ``none``; None takes N, D where there are scores, and
                F as the embedder has it.
            space: Of the embeddings; it says what was done with the mirrored view.
            scored: There are detector scores.

        Raises:
            InputError: If the letters are others, there are no scores for D, or F is not what the
                embedder does.
        """
        found = re.search(r"flip=(none|concat|add)\b", space.preprocessing)
        flip = found[1] if found else "none"
        if wanted is None:
            return cls(True, scored, flip)
        letters = "" if wanted.lower() == "none" else wanted.upper()
        if set(letters) - set("NDF") or len(set(letters)) != len(letters):
            raise InputError(f"mode must be letters of N, D and F, or none, got {wanted!r}")
        if "D" in letters and not scored:
            raise InputError(
                "mode D needs detector scores: the list of landmarks beside the meta files, or "
                "faces that are detected"
            )
        if ("F" in letters) != (flip != "none"):
            advice = "--flip add or concat" if "F" in letters else "--flip none"
            raise InputError(
                f"mode {wanted!r} does not fit embeddings with flip={flip}; run with {advice}"
            )
        return cls("N" in letters, "D" in letters, flip)


def media_feature(
    embeddings: Embeddings,
    *,
    media: npt.NDArray[np.int64],
    weights: npt.NDArray[np.floating[Any]],
) -> npt.NDArray[np.float64]:
    """The sum over media of the mean weighted feature of each.

    Args:
        embeddings: (n, dim) of the faces that were found.
        media: (n,) int64, where each comes from.
        weights: (n,) floating.

    Returns:
        (dim,) float64, not scaled.
    """
    _, places, counts = np.unique(media, return_inverse=True, return_counts=True)
    shares = weights.astype(np.float64) / counts[places]
    feature: npt.NDArray[np.float64] = shares @ embeddings.vectors.astype(np.float64)
    return feature


def fuse_templates(
    sets: Iterator[EmbeddedPhotos],
    *,
    media: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float32] | None,
    mode: str | None,
) -> tuple[EmbeddedPhotos, IjbMode, npt.NDArray[np.float64], int]:
    """Make one vector of each template; faces that were not found are left out.

    Args:
        sets: The faces of template after template.
        media: (n,) int64, of all faces in order.
        scores: (n,) float32, likewise, or None: then those of the detector are taken.
        mode: As `IjbMode.choose` takes it.

    Returns:
        The templates, those without a face as failures; the mode; (t,) float64 mean norm of each
        template's faces, ``-inf`` where it has none; and how many faces were not found.

    Raises:
        InputError: If there is no template, or the mode cannot be.
    """
    features, norms, failed = [], [], []
    start, n_missing = 0, 0
    chosen: IjbMode | None = None
    space: EmbeddingSpace | None = None
    for faces in sets:
        stop = start + len(faces.failed)
        known = faces.detector_scores if scores is None else scores[start:stop][~faces.failed]
        if chosen is None:
            space = faces.embeddings.space
            chosen = IjbMode.choose(mode, space=space, scored=known is not None)
        weights = np.ones(len(faces.embeddings))
        if chosen.norm:
            weights = weights * faces.embeddings.norms
        if chosen.score and known is not None:
            weights = weights * known
        where = media[start:stop][~faces.failed]
        feature = media_feature(faces.embeddings, media=where, weights=weights)
        failed.append(not np.linalg.norm(feature) > 0)
        if not failed[-1]:
            features.append(feature)
        norms.append(faces.embeddings.norms.mean() if len(faces.embeddings) else -np.inf)
        n_missing += int(faces.failed.sum())
        start = stop
    if chosen is None or space is None:
        raise InputError("templates need faces, got none")
    fused = Embeddings.from_raw(np.stack(features), space) if features else Embeddings.empty(space)
    templates = EmbeddedPhotos(fused, np.array(failed, np.bool_))
    return templates, chosen, np.array(norms, np.float64), n_missing


def linked_people(
    n: int, first: npt.NDArray[np.int32], second: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Who is who, from genuine pairs alone: what is linked is one person.

    Args:
        n: How many templates.
        first: (g,) int32, one side of each genuine pair.
        second: (g,) int32, the other.

    Returns:
        (n,) int64, the same number for templates of one person.
    """
    parent = list(range(n))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        parent[root(a)] = root(b)
    return np.array([root(place) for place in range(n)], np.int64)


PAIRS_AT_ONCE = 1 << 12


@dataclass(frozen=True, slots=True, eq=False)
class ComparedTemplates:
    """Scores of listed pairs of templates, and intervals of their rates.

    People are those that genuine pairs link.

    Attributes:
        genuine: (g,) float32, ``-inf`` for a pair that failed.
        people: (g,) int64, whose each is.
        impostors: Those that could be compared.
    """

    genuine: npt.NDArray[np.float32]
    people: npt.NDArray[np.int64]
    impostors: ImpostorScores

    @property
    def tail_floor(self) -> float:
        """Nowhere: whose the impostor pairs are is known, but not how many any two people have."""
        return np.inf

    def fmr_interval(self, threshold: float, *, generator: np.random.Generator) -> Interval:
        """Refuses: see `tail_floor`."""
        raise InputError("pairs that are listed have no interval over people")

    def tar_interval(self, threshold: float, *, generator: np.random.Generator) -> Interval:
        """95 % interval of the TAR, people drawn with replacement."""
        return trials_interval([(self.genuine >= threshold, self.people)], generator=generator)


def compare_templates(templates: EmbeddedPhotos, pairs: TemplatePairs) -> ComparedTemplates:
    """Compare listed pairs, some thousand at a time.

    A genuine pair with a template that has no face never matches; such an impostor pair is left
    out.

    Args:
        templates: All templates; failures have no face.
        pairs: Places of templates.
    """
    stream = ImpostorStream()
    rows, vectors = templates.rows(), templates.embeddings.vectors
    genuine = np.full(int(pairs.genuine.sum()), -np.inf, np.float32)
    places = np.cumsum(pairs.genuine) - 1
    # One side after the other, so that its vectors are still in the cache.
    order = np.argsort(pairs.first, kind="stable")
    for start in range(0, len(order), PAIRS_AT_ONCE):
        part = order[start : start + PAIRS_AT_ONCE]
        first, second, same = pairs.first[part], pairs.second[part], pairs.genuine[part]
        found = (rows[first] >= 0) & (rows[second] >= 0)
        part, first, second, same = part[found], first[found], second[found], same[found]
        scores = np.einsum("nd,nd->n", vectors[rows[first]], vectors[rows[second]]).clip(-1, 1)
        genuine[places[part[same]]] = scores[same]
        stream.add_listed(scores[~same], first[~same], second[~same])
    same = pairs.genuine
    people = linked_people(len(templates.failed), pairs.first[same], pairs.second[same])
    return ComparedTemplates(genuine, people[pairs.first[same]], stream.collect())
