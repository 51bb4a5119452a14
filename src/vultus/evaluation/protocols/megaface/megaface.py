"""MegaFace, challenge 1: a few probes among up to a million distractors."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.choices import Selection
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.evaluation.measures.distractors import (
    DistractorScores,
    DistractorStream,
    ProbeIntervals,
    check_sizes,
)
from vultus.evaluation.measures.identification import Searches
from vultus.evaluation.measures.summary import summarise
from vultus.evaluation.protocols.base import (
    PROTOCOLS,
    EmbeddedPhotos,
    EmbedPhotos,
    embed_in_portions,
)
from vultus.evaluation.protocols.figures import DistractorFigures, ProtocolExtras
from vultus.evaluation.protocols.megaface.megaface_parts import DISTRACTORS, PROBES, find_part
from vultus.evaluation.protocols.photos import people_of
from vultus.evaluation.protocols.result import Evidence, ProtocolResult
from vultus.evaluation.protocols.scoring import (
    LISTED_IMPOSTORS,
    genuine_pairs,
    listed_evidence,
    pair_scores,
)
from vultus.evaluation.protocols.search_figures import GallerySearches, rank_figures

SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)


class ProbeScores:
    """Probes, whose they are, and their scores against each other and the distractors.

    Args:
        probes: The photos to search for.
        people: (n,) int64, who is on each, 0 ...
        scores: Of those that did not fail against the distractors.

    Attributes:
        probes: As given.
        scores: As given.
        pairs: (g, 2) int64, places of every two photos of one person.
        genuine: (g,) float32, their similarity; ``-inf`` for a pair that failed.
    """

    def __init__(
        self, probes: EmbeddedPhotos, people: npt.NDArray[np.int64], scores: DistractorScores
    ) -> None:
        self.probes = probes
        self._people = people
        self.scores = scores
        self.pairs = genuine_pairs(people)
        self.genuine = pair_scores(probes, self.pairs[:, 0], self.pairs[:, 1])

    def searches(self, size: int) -> GallerySearches:
        """Every photo searched for among so many distractors and each other photo in turn."""
        probes = np.concatenate([self.pairs[:, 0], self.pairs[:, 1]])
        mates = np.concatenate([self.genuine, self.genuine])
        rows = self.probes.rows()[probes]
        failed = rows < 0
        found = np.isfinite(mates)
        top = np.full(len(probes), -np.inf)
        highest = self.scores.highest[self.scores.sizes.index(size)][:, 0]
        top[~failed] = np.maximum(highest[rows[~failed]], mates[~failed])
        # A failed probe has no row; its mate's score is -inf, which alone makes it a miss.
        ranks = self.scores.ranks(np.where(found, rows, 0), mates, size=size)
        searches = Searches(
            np.ones(len(probes), np.bool_), ranks, mates.astype(np.float64), top, failed
        )
        return GallerySearches(f"{size}", searches, self._people[probes], size + 1)

    def rank_figures(self, size: int, generator: np.random.Generator) -> DistractorFigures:
        """How often the mate is among the first k."""
        gallery = self.searches(size)
        return DistractorFigures(
            n_distractors=size,
            n_searches=len(gallery.searches),
            rank=rank_figures([gallery], generator=generator),
        )

    def intervals(self) -> ProbeIntervals:
        """Of the error rates."""
        return ProbeIntervals(
            self.scores.impostors,
            self._people[~self.probes.failed],
            self.scores.sizes[-1],
            self.genuine,
            self._people[self.pairs[:, 0]],
        )


@PROTOCOLS.register("megaface")
class MegaFace:
    """MegaFace challenge 1: rank among distractors, and TAR at FAR 1e-6.

    - Rank: every photo of a person is searched for in galleries of the distractors and one other
      photo of that person, each of them in turn: a person with m photos makes m (m - 1) searches.
      Photos of other probe people are never in the gallery. A distractor with the mate's score
      ranks before it.
    - TAR: genuine comparisons are all pairs of photos of one person, impostor comparisons are all
      probes against all distractors.

    A probe without a face misses in each of its searches, as probe and as mate. Distractors without
    a face are left out and others take their place: sizes count those that were compared.

    Args:
        root: Folder that holds all that is not given by name.
        probes: Folder, zip or ``.npz`` of ``person/photo.png``; None looks for
            ``facescrub_images`` in the root.
        distractors: Folder, zip or ``.npz`` of photos; None looks for ``megaface_images`` or
            ``FlickrFinal2``.
        probe_list: Which of the probes take part; None looks for ``facescrub_lst`` or the devkit's
            JSON, and takes all photos where there is none.
        distractor_list: Likewise, ``megaface_lst`` or ``megaface_features_list.json_1000000_1``.
        probe_noises: Photos to remove; None looks for ``facescrub_noises.txt``.
        distractor_noises: Photos to remove; None looks for ``megaface_noises.txt``.
        clean: Remove what the lists of noises name.
        sizes: Numbers of distractors to rank among; no more than the largest are embedded.
        seed: Of the order of the distractors; None takes them in the order of list or names.
        aligned: The photos are aligned crops already.

    Raises:
        InputError: If a file is missing or not of the layout, or nobody has two photos.

    Source:
        I. Kemelmacher-Shlizerman et al., The MegaFace Benchmark, CVPR 2016; cleaned lists after
        J. Deng et al., ArcFace, CVPR 2019.
    """

    select: Selection = "central"

    def __init__(
        self,
        *,
        root: Path,
        probes: Path | None = None,
        distractors: Path | None = None,
        probe_list: Path | None = None,
        distractor_list: Path | None = None,
        probe_noises: Path | None = None,
        distractor_noises: Path | None = None,
        clean: bool = True,
        sizes: tuple[int, ...] = SIZES,
        seed: int | None = 0,
        aligned: bool = False,
    ) -> None:
        check_sizes(sizes)
        self._aligned, self._sizes, self._seed = aligned, sizes, seed
        self._clean = clean
        self._probes = find_part(
            root, PROBES, photos=probes, listed=probe_list, noises=probe_noises, clean=clean
        )
        self._distractors = find_part(
            root,
            DISTRACTORS,
            photos=distractors,
            listed=distractor_list,
            noises=distractor_noises,
            clean=clean,
        )
        self._people = people_of(self._probes.photos.names)
        if np.bincount(self._people).max(initial=0) < 2:
            raise InputError(f"probes must hold a person with two photos, {root} has none")

    def run(self, embed: EmbedPhotos) -> ProtocolResult:
        """Embed probes and distractors and measure."""
        probes = embed(self._probes.photos, aligned=self._aligned)
        order = np.arange(len(self._distractors.photos))
        if self._seed is not None:
            np.random.default_rng(self._seed).shuffle(order)
        stream = DistractorStream(probes.embeddings, sizes=self._sizes)
        counts = {"photos": 0, "failed": 0}
        numbers = []
        distractors = self._distractors.photos.take(order)
        for portion in embed_in_portions(embed, distractors, aligned=self._aligned):
            found, used = _needed(portion, self._sizes[-1] - stream.n_distractors)
            stream.add(found)
            places = order[counts["photos"] : counts["photos"] + used]
            numbers.append(places[~portion.failed[:used]])
            counts["photos"] += used
            counts["failed"] += int(portion.failed[:used].sum())
            if stream.n_distractors == self._sizes[-1]:
                break
        measured = ProbeScores(probes, self._people, stream.finish())
        compared = np.concatenate(numbers)
        return self._result(measured, compared, counts)

    def _result(
        self,
        measured: ProbeScores,
        compared: npt.NDArray[np.int64],
        counts: dict[str, int],
    ) -> ProtocolResult:
        generator = np.random.default_rng(0)
        probes, scores = measured.probes, measured.scores
        genuine, impostors = measured.genuine, scores.impostors
        known = genuine[np.isfinite(genuine)]
        curve = impostors.curve(known, n_genuine=len(genuine))
        intervals = measured.intervals()
        failed_probes = int(probes.failed.sum())
        return ProtocolResult(
            "megaface",
            probes.embeddings.space,
            len(probes.failed) + counts["photos"],
            failed_probes + counts["failed"],
            summarise(curve, pairs=intervals, generator=generator),
            None,
            extras=ProtocolExtras(
                n_people=int(self._people.max()) + 1,
                n_probes=len(probes.failed),
                failed_probes=failed_probes,
                failed_distractors=counts["failed"],
                removed_probes=self._probes.n_removed,
                removed_distractors=self._distractors.n_removed,
                distractors=tuple(measured.rank_figures(size, generator) for size in scores.sizes),
            ),
            files_sha256={**self._probes.files, **self._distractors.files},
            evidence=self._evidence(measured, compared),
            settings={
                "sizes": list(self._sizes),
                "seed": self._seed,
                "clean": self._clean,
            },
            usual_far=1e-6,
        )

    def _evidence(self, measured: ProbeScores, compared: npt.NDArray[np.int64]) -> Evidence:
        probes, impostors = measured.probes, measured.scores.impostors
        tail = impostors.tail_pairs[:LISTED_IMPOSTORS]
        numbers, columns = np.unique(tail[:, 1], return_inverse=True)
        rows = np.flatnonzero(~probes.failed)
        n_probes = len(probes.failed)
        names = [self._distractors.photos.names[compared[number]] for number in numbers]
        norms = np.full(n_probes + len(names), np.nan)
        norms[:n_probes] = -np.inf
        norms[rows] = probes.embeddings.norms
        return listed_evidence(
            (*self._probes.photos.names, *names),
            genuine=(measured.pairs, measured.genuine),
            impostors=(np.stack([rows[tail[:, 0]], n_probes + columns], axis=1), impostors.tail),
            qualities={"feature norm": norms},
            searches=measured.searches(measured.scores.sizes[-1]).searches,
        )


def _needed(portion: EmbeddedPhotos, most: int) -> tuple[Embeddings, int]:
    """At most so many embeddings, and how many photos it took."""
    found = np.flatnonzero(~portion.failed)
    if len(found) <= most:
        return portion.embeddings, len(portion.failed)
    return portion.embeddings[:most], int(found[most - 1]) + 1
