"""1:N on a folder per person: every second person is enrolled, the others are the strangers."""

from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.evaluation.measures.identification import Searches, search_gallery
from vultus.evaluation.protocols.base import EmbeddedPhotos
from vultus.evaluation.protocols.search_figures import GallerySearches


def search_half_enrolled(
    embedded: EmbeddedPhotos, people: npt.NDArray[Any]
) -> GallerySearches | None:
    """Enrol the first photo of every second person and search all other photos.

    Args:
        embedded: The photos.
        people: (n,) of any dtype that sorts, who is on each photo.

    Returns:
        The searches; None if no search is for one of those enrolled.
    """
    names, who = np.unique(people, return_inverse=True)
    firsts = np.unique(who, return_index=True)[1]
    enrolled = firsts[::2]
    probes = np.setdiff1d(np.arange(len(people)), firsts[np.arange(len(names)) % 2 == 0])
    if not np.isin(who[probes], who[enrolled]).any():
        return None
    searches = search_embedded(embedded, who, enrolled, probes)
    return GallerySearches("every second person", searches, who[probes], len(enrolled))


def search_embedded(
    embedded: EmbeddedPhotos,
    who: npt.NDArray[np.int64],
    enrolled: npt.NDArray[np.int64],
    probes: npt.NDArray[np.int64],
) -> Searches:
    """Search some of the photos among others.

    Args:
        embedded: The photos.
        who: (n,) int64, who is on each photo.
        enrolled: (g,) int64, places of the enrolled photos.
        probes: (p,) int64, places of those to search for.
    """
    rows, failed = embedded.rows(), embedded.failed
    return search_gallery(
        embedded.embeddings[rows[probes[~failed[probes]]]],
        embedded.embeddings[rows[enrolled[~failed[enrolled]]]],
        probe_identities=who[probes],
        gallery_identities=who[enrolled],
        failed_probes=failed[probes],
        failed_gallery=failed[enrolled],
    )
