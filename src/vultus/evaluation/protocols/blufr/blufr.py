"""BLUFR: LFW at low false accept rates, verification and open-set identification, ten trials."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.core.choices import Selection
from vultus.evaluation.measures.allpairs import AllPairs, all_pairs
from vultus.evaluation.measures.identification import Searches, open_set_curve
from vultus.evaluation.measures.intervals import Interval, mean_rate_interval, trials_interval
from vultus.evaluation.measures.rates import OperatingPoint, operating_point
from vultus.evaluation.measures.summary import default_fmr, summarise
from vultus.evaluation.protocols.base import (
    PROTOCOLS,
    EmbeddedPhotos,
    EmbedPhotos,
)
from vultus.evaluation.protocols.blufr.blufr_splits import (
    LIST_FILES,
    BlufrTrial,
    draw_trials,
    read_blufr_lists,
)
from vultus.evaluation.protocols.figures import (
    IdentificationTrials,
    ProtocolExtras,
    Setting,
    TrialFigures,
    VerificationTrials,
)
from vultus.evaluation.protocols.photos import PhotoRoot, people_of
from vultus.evaluation.protocols.protocol_files import archive, digests, folder_of
from vultus.evaluation.protocols.result import ProtocolResult
from vultus.evaluation.protocols.scoring import all_pairs_evidence, compare_all
from vultus.evaluation.protocols.search_figures import (
    GallerySearches,
    identification_figures,
    identified,
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

    select: Selection = "central"

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


def verification_figures(
    tables: Sequence[AllPairs],
    people: Sequence[npt.NDArray[np.int64]],
    *,
    far: float,
    generator: np.random.Generator,
) -> VerificationTrials | None:
    """TAR at a FAR over trials.

    Args:
        tables: All pairs of each trial's test set.
        people: (n,) int64 of each trial, who is on the photos of its test set; the same number for
            a person in every trial.
        far: The rate, or the strictest that every trial carries.
        generator: Source of randomness of the interval.

    Returns:
        The figures; None where the trials carry no rate at all.
    """
    rate = default_fmr(min(table.n_impostor for table in tables), usual=far)
    if rate is None:
        return None
    points = [operating_point(table.curve(), fmr=rate) for table in tables]
    n_people = 1 + max(int(numbers.max()) for numbers in people)
    hits = np.zeros((len(tables), n_people), np.int64)
    trials = np.zeros_like(hits)
    for row, (table, numbers, point) in enumerate(zip(tables, people, points, strict=True)):
        # A table numbers the people of its own test set, in their order.
        own = np.unique(numbers)
        matched = table.genuine_identities[table.genuine >= point.threshold]
        hits[row, own] = np.bincount(matched, minlength=len(own))
        trials[row, own] = table.genuine_trials
    interval = mean_rate_interval(hits, trials, generator=generator)
    return VerificationTrials(
        far=rate,
        tar=tuple(point.tar for point in points),
        n_genuine=tuple(table.n_genuine for table in tables),
        n_impostor=tuple(table.n_impostor for table in tables),
        **vars(_over_trials(points, interval)),
    )


def open_set_figures(
    galleries: Sequence[GallerySearches], *, fpir: float, generator: np.random.Generator
) -> IdentificationTrials | None:
    """Detection and identification rate at rank 1 over trials.

    Args:
        galleries: The searches of each trial.
        fpir: The rate, or the strictest that every trial carries.
        generator: Source of randomness of the interval.

    Returns:
        The figures; None where the trials carry no rate at all.
    """
    curves = [open_set_curve(gallery.searches) for gallery in galleries]
    rate = default_fmr(min(curve.n_impostor for curve in curves), usual=fpir)
    if rate is None:
        return None
    points = [operating_point(curve, fmr=rate) for curve in curves]
    found = [
        gallery.of_mates(identified(gallery.searches, point, rank=1))
        for gallery, point in zip(galleries, points, strict=True)
    ]
    interval = trials_interval(found, generator=generator)
    return IdentificationTrials(
        fpir=rate,
        rank=1,
        dir=tuple(point.tar for point in points),
        n_enrolled=tuple(gallery.n_enrolled for gallery in galleries),
        n_mated=tuple(curve.n_genuine for curve in curves),
        n_strangers=tuple(curve.n_impostor for curve in curves),
        **vars(_over_trials(points, interval)),
    )


def _over_trials(points: Sequence[OperatingPoint], interval: Interval) -> TrialFigures:
    rates = [point.tar for point in points]
    mean = float(np.mean(rates))
    std = float(np.std(rates, ddof=1)) if len(rates) > 1 else None
    return TrialFigures(
        mean=mean,
        std=std,
        mean_minus_std=None if std is None else mean - std,
        interval=interval,
        thresholds=tuple(point.finite_threshold for point in points),
    )
