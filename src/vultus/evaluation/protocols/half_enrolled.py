"""1:N on a folder per person: every second person is enrolled, the others are the strangers."""

from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.evaluation.identification import (
    Searches,
    cmc,
    open_set_curve,
    search_gallery,
)
from vultus.evaluation.intervals import smallest_claim
from vultus.evaluation.protocols.base import EmbeddedPhotos
from vultus.evaluation.rates import operating_point
from vultus.evaluation.summary import DECADES

__all__ = ["identification_figures", "search_half_enrolled"]

RANKS = (1, 5, 10)


def search_half_enrolled(
    embedded: EmbeddedPhotos, people: npt.NDArray[Any]
) -> tuple[Searches, int] | None:
    """Enrol the first photo of every second person and search all other photos.

    Args:
        embedded: The photos.
        people: (n,) of any dtype that sorts, who is on each photo.

    Returns:
        The searches and how many people are enrolled; None if no search is for one of them.
    """
    names, who = np.unique(people, return_inverse=True)
    firsts = np.unique(who, return_index=True)[1]
    enrolled = firsts[::2]
    probes = np.setdiff1d(np.arange(len(people)), firsts[np.arange(len(names)) % 2 == 0])
    if not np.isin(who[probes], who[enrolled]).any():
        return None
    return _search(embedded, who, enrolled, probes), len(enrolled)


def identification_figures(searches: Searches, n_enrolled: int) -> dict[str, Any]:
    """Rank-k of enrolled people and FNIR at FPIR against strangers, fit for JSON."""
    curve = cmc(searches, max_rank=max(RANKS))
    report: dict[str, Any] = {
        "n_enrolled": n_enrolled,
        "n_mated": curve.n_searches,
        "n_strangers": int((~searches.mated & ~searches.failed).sum()),
        "rank": {
            str(rank): {"rate": curve.rate(rank), "interval": curve.interval(rank).to_dict()}
            for rank in RANKS
        },
        "open_set": [],
    }
    if report["n_strangers"]:
        open_set = open_set_curve(searches)
        for fpir in DECADES:
            if fpir >= smallest_claim(report["n_strangers"]):
                point = operating_point(open_set, fmr=fpir)
                report["open_set"].append(
                    {"fpir": point.fmr, "target_fpir": fpir, "fnir": point.fnmr,
                     "threshold": point.to_dict()["threshold"]}
                )  # fmt: skip
    return report


def _search(
    embedded: EmbeddedPhotos,
    who: npt.NDArray[np.int64],
    enrolled: npt.NDArray[np.int64],
    probes: npt.NDArray[np.int64],
) -> Searches:
    rows, failed = embedded.rows(), embedded.failed
    return search_gallery(
        embedded.embeddings[rows[probes[~failed[probes]]]],
        embedded.embeddings[rows[enrolled[~failed[enrolled]]]],
        probe_identities=who[probes],
        gallery_identities=who[enrolled],
        failed_probes=failed[probes],
        failed_gallery=failed[enrolled],
    )
