"""MegaFace, challenge 1: a few probes among up to a million distractors."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.evaluation.measures.distractors import DistractorStream, check_sizes
from vultus.evaluation.measures.summary import summarise
from vultus.evaluation.protocols.base import (
    PROTOCOLS,
    EmbeddedPhotos,
    EmbedPhotos,
)
from vultus.evaluation.protocols.figures import ProtocolExtras
from vultus.evaluation.protocols.grouped import PORTION
from vultus.evaluation.protocols.megaface.megaface_parts import DISTRACTORS, PROBES, find_part
from vultus.evaluation.protocols.megaface.megaface_scores import ProbeScores
from vultus.evaluation.protocols.result import Evidence, ProtocolResult

SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
_LISTED_IMPOSTORS = 1000


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
        self._people = np.array(
            [PurePosixPath(name).parent.name for name in self._probes.photos.names]
        )
        if np.unique(self._people, return_counts=True)[1].max(initial=0) < 2:
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
        for portion, places in self._portions(embed, order):
            found, used = _needed(portion, self._sizes[-1] - stream.n_distractors)
            stream.add(found)
            numbers.append(places[:used][~portion.failed[:used]])
            counts["photos"] += used
            counts["failed"] += int(portion.failed[:used].sum())
            if stream.n_distractors == self._sizes[-1]:
                break
        measured = ProbeScores(probes, self._people, stream.finish())
        compared = np.concatenate(numbers)
        return self._result(measured, compared, counts)

    def _portions(
        self, embed: EmbedPhotos, order: npt.NDArray[np.int64]
    ) -> Iterator[tuple[EmbeddedPhotos, npt.NDArray[np.int64]]]:
        for start in range(0, len(order), PORTION):
            places = order[start : start + PORTION]
            yield embed(self._distractors.photos.take(places), aligned=self._aligned), places

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
                n_people=len(np.unique(self._people)),
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
        """All genuine pairs, and the highest impostor pairs."""
        probes, impostors = measured.probes, measured.scores.impostors
        tail = impostors.tail_pairs[:_LISTED_IMPOSTORS]
        numbers, columns = np.unique(tail[:, 1], return_inverse=True)
        rows = np.flatnonzero(~probes.failed)
        n_probes = len(probes.failed)
        names = [self._distractors.photos.names[compared[number]] for number in numbers]
        norms = np.full(n_probes + len(names), np.nan)
        norms[:n_probes] = -np.inf
        norms[rows] = probes.embeddings.norms
        pairs = measured.pairs
        return Evidence(
            (*self._probes.photos.names, *names),
            np.concatenate([pairs[:, 0], rows[tail[:, 0]]]),
            np.concatenate([pairs[:, 1], n_probes + columns]),
            np.arange(len(pairs) + len(tail)) < len(pairs),
            np.concatenate([measured.genuine, impostors.tail[: len(tail)]]),
            {"feature norm": norms},
            measured.searches(measured.scores.sizes[-1]).searches,
        )


def _needed(portion: EmbeddedPhotos, most: int) -> tuple[Embeddings, int]:
    """At most so many embeddings, and how many photos it took."""
    found = np.flatnonzero(~portion.failed)
    if len(found) <= most:
        return portion.embeddings, len(portion.failed)
    return portion.embeddings[:most], int(found[most - 1]) + 1
