"""BLUFR: LFW at low false accept rates, verification and open-set identification, ten trials."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vultus.core.checks import check_positive_int
from vultus.evaluation.measures.allpairs import AllPairs, all_pairs
from vultus.evaluation.measures.identification import Searches
from vultus.evaluation.measures.summary import summarise
from vultus.evaluation.protocols.base import (
    PROTOCOLS,
    EmbeddedPhotos,
    EmbedPhotos,
)
from vultus.evaluation.protocols.blufr.blufr_figures import open_set_figures, verification_figures
from vultus.evaluation.protocols.blufr.blufr_splits import (
    LIST_FILES,
    BlufrTrial,
    draw_trials,
    read_blufr_lists,
)
from vultus.evaluation.protocols.figures import ProtocolExtras, Setting
from vultus.evaluation.protocols.photos import PhotoRoot, people_of
from vultus.evaluation.protocols.protocol_files import archive, digests, folder_of
from vultus.evaluation.protocols.result import ProtocolResult
from vultus.evaluation.protocols.scoring import all_pairs_evidence, compare_all
from vultus.evaluation.protocols.search_figures import (
    GallerySearches,
    identification_figures,
    search_embedded,
)

FAR, FPIR = 1e-3, 1e-2


@PROTOCOLS.register("blufr")
class Blufr:
    """LFW by BLUFR's rules: TAR at FAR 1e-3, and DIR at rank 1 and FAR 1e-2, over random splits.

    In each trial every photo of the test set meets every other; and the probes are searched in a
    gallery of up to 1,000 people with one photo each, strangers among them. Figures are mean and
    standard deviation over the trials, and their difference, which the benchmark ranks by. Trials
    share people, so that the deviation is no standard error of the mean; the interval is from the
    bootstrap over people.

    A photo without a face costs its genuine comparisons and its searches.

    Args:
        root: Folder or zip of ``Name/Name_0001.jpg``, or ``.npz`` of their embeddings.
        lists: The benchmark's folder ``list/lfw``; None looks for it in the root and beside it,
            and draws splits by the same rules where it is not there.
        trials: How many splits to draw; the lists have their own.
        seed: Of the drawing.
        aligned: The photos are aligned crops already.

    Raises:
        InputError: If a file is missing or not of the layout, or the people are too few to split.

    Source:
        S. Liao et al., A Benchmark Study of Large-scale Unconstrained Face Recognition, IJCB 2014.
    """

    def __init__(
        self,
        *,
        root: Path,
        lists: Path | None = None,
        trials: int = 10,
        seed: int = 0,
        aligned: bool = False,
    ) -> None:
        check_positive_int("trials", trials)
        self._aligned = aligned
        self._photos = PhotoRoot(root)
        folder = _find_lists(root) if lists is None else lists
        if folder is None:
            self._names = self._photos.names
            self._people = people_of(self._names)
            generator = np.random.default_rng(seed)
            self._trials = tuple(draw_trials(self._people, trials=trials, generator=generator))
            self._settings: dict[str, Setting] = {"splits": "our own", "seed": seed}
            files = archive(root)
        else:
            listed = read_blufr_lists(folder)
            self._names = [self._photos.find(name) for name in listed.names]
            self._people = np.unique(listed.people, return_inverse=True)[1].astype(np.int64)
            self._trials = listed.trials
            self._settings = {"splits": "the benchmark's lists"}
            files = [*archive(root), *(folder / name for name in LIST_FILES)]
        self._settings["trials"] = len(self._trials)
        self._files = digests(files)

    def run(self, embed: EmbedPhotos) -> ProtocolResult:
        """Embed the photos and measure."""
        embedded = embed(self._photos.photos(self._names), aligned=self._aligned)
        whole = compare_all(embedded, self._people)
        tables = [self._compare(embedded, trial) for trial in self._trials]
        curves = tuple(table.curve() for table in tables)
        galleries = [self._search(embedded, number) for number in range(len(self._trials))]
        generator = np.random.default_rng(0)
        searches = Searches.concatenate([gallery.searches for gallery in galleries])
        return ProtocolResult(
            "blufr",
            embedded.embeddings.space,
            len(self._names),
            int(embedded.failed.sum()),
            summarise(whole.curve(), pairs=whole, generator=generator),
            None,
            extras=self._extras(tables, galleries, generator),
            files_sha256=self._files,
            evidence=all_pairs_evidence(embedded, self._people, self._names, whole, searches),
            settings=self._settings,
            trials=curves,
            usual_far=FAR,
        )

    def _extras(
        self,
        tables: Sequence[AllPairs],
        galleries: Sequence[GallerySearches],
        generator: np.random.Generator,
    ) -> ProtocolExtras:
        people = [self._people[trial.test] for trial in self._trials]
        return ProtocolExtras(
            n_people=int(self._people.max()) + 1,
            verification=verification_figures(tables, people, far=FAR, generator=generator),
            open_set_identification=open_set_figures(galleries, fpir=FPIR, generator=generator),
            identification=identification_figures(galleries, generator=generator),
            unmeasured=("verification", "open_set_identification"),
        )

    def _compare(self, embedded: EmbeddedPhotos, trial: BlufrTrial) -> AllPairs:
        rows, failed = embedded.rows()[trial.test], embedded.failed[trial.test]
        found = embedded.embeddings[rows[~failed]]
        return all_pairs(found, identities=self._people[trial.test], failed=failed)

    def _search(self, embedded: EmbeddedPhotos, number: int) -> GallerySearches:
        trial = self._trials[number]
        people, enrolled = self._people[trial.probes], self._people[trial.gallery]
        searches = search_embedded(
            embedded,
            trial.probes,
            trial.gallery,
            probe_identities=people,
            gallery_identities=enrolled,
        )
        return GallerySearches(f"trial {number + 1}", searches, people, len(np.unique(enrolled)))


def _find_lists(root: Path) -> Path | None:
    folder = folder_of(root)
    for place in (folder, folder / "list" / "lfw", folder.parent / "list" / "lfw"):
        if all((place / name).is_file() for name in LIST_FILES):
            return place
    return None
