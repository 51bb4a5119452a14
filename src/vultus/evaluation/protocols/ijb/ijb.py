"""IJB-B and IJB-C: templates of several faces, 1:1 and 1:N."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.choices import Selection
from vultus.core.errors import InputError
from vultus.evaluation.measures.identification import Searches
from vultus.evaluation.measures.summary import summarise
from vultus.evaluation.protocols.base import PROTOCOLS, EmbeddedPhotos, EmbedPhotos, embed_sets
from vultus.evaluation.protocols.figures import ProtocolExtras
from vultus.evaluation.protocols.ijb.ijb_files import (
    find_photos,
    meta_folder,
    read_faces,
    read_galleries,
    read_landmarks,
    read_pairs,
)
from vultus.evaluation.protocols.ijb.ijb_templates import (
    ComparedTemplates,
    compare_templates,
    fuse_templates,
)
from vultus.evaluation.protocols.photos import Photos
from vultus.evaluation.protocols.protocol_files import digests
from vultus.evaluation.protocols.result import Evidence, ProtocolResult
from vultus.evaluation.protocols.scoring import listed_evidence
from vultus.evaluation.protocols.search_figures import (
    GallerySearches,
    gallery_figures,
    identification_figures,
    search_embedded,
)


class Ijb:
    """Templates from the meta files of IJB, see `ijb_c`.

    Args:
        name: For the result; without its hyphen the beginning of the files' names.
        root: The folder with ``meta`` and ``loose_crop``, or the folder above.
        images: Folder, zip or ``.npz`` of the photos; None takes ``loose_crop``.
        mode: What weighs a face in its template.
        detect: Find the faces, although a list of landmarks may be there.
        aligned: The photos are aligned crops already.

    Raises:
        InputError: If a file is missing or not of the layout.
    """

    select: Selection = "central"

    def __init__(
        self,
        name: str,
        *,
        root: Path,
        images: Path | None,
        mode: str | None,
        detect: bool,
        aligned: bool,
    ) -> None:
        self.name = name
        prefix = name.replace("-", "")
        self._mode, self._aligned = mode, aligned
        meta = meta_folder(root, prefix)
        listed = [
            meta / f"{prefix}_{words}.txt" for words in ("face_tid_mid", "template_pair_label")
        ]
        self._faces = read_faces(listed[0])
        self._pairs = read_pairs(listed[1], self._faces)
        self._galleries, self._probes, searched = read_galleries(meta, prefix)
        points = meta / f"{prefix}_name_5pts_score.txt"
        known = read_landmarks(points, self._faces.names) if points.is_file() else None
        self._scores = None if known is None or detect else known.scores
        place = meta.parent / "loose_crop" if images is None else images
        names, read = find_photos(place, self._faces.names)
        landmarks = None if known is None or detect or aligned else known.landmarks
        self._photos = Photos(names, read, landmarks=landmarks)
        self._source = (
            "aligned crops" if aligned else "list" if landmarks is not None else "detector"
        )
        used = [] if self._scores is None else [points]
        self._files = digests([*listed, *used, *searched])

    def run(self, embed: EmbedPhotos) -> ProtocolResult:
        """Embed the faces and measure."""
        sizes = self._faces.sizes.tolist()
        sets = embed_sets(embed, self._photos, sizes=sizes, aligned=self._aligned)
        templates, mode, norms, n_missing = fuse_templates(
            sets, media=self._faces.media, scores=self._scores, mode=self._mode
        )
        compared = compare_templates(templates, self._pairs)
        if not len(compared.genuine) or not len(compared.impostors):
            raise InputError(f"{self.name} needs genuine and impostor pairs with faces")
        finite = compared.genuine[np.isfinite(compared.genuine)]
        curve = compared.impostors.curve(finite, n_genuine=len(compared.genuine))
        generator = np.random.default_rng(0)
        galleries = self._search(templates)
        return ProtocolResult(
            self.name,
            templates.embeddings.space,
            len(self._photos),
            n_missing,
            summarise(curve, pairs=compared, generator=generator),
            None,
            extras=ProtocolExtras(
                sets="templates",
                n_sets=len(templates.failed),
                failed_sets=int(templates.failed.sum()),
                identification=identification_figures(galleries, generator=generator, rank=None)
                if galleries
                else None,
                galleries=gallery_figures(galleries, generator=generator, rank=None),
                unmeasured=("identification",),
            ),
            files_sha256=self._files,
            evidence=self._evidence(compared, norms, galleries),
            settings={"mode": str(mode), "landmarks": self._source},
            usual_far=1e-4,
        )

    def _search(self, templates: EmbeddedPhotos) -> list[GallerySearches]:
        """Every probe template in every gallery."""
        if not self._galleries:
            return []
        probes = self._faces.places(np.array(list(self._probes), np.int64), "the list of probes")
        subjects = np.array(list(self._probes.values()), np.int64)
        people = np.unique(subjects, return_inverse=True)[1].astype(np.int64)
        found = []
        for name, gallery in self._galleries.items():
            enrolled = self._faces.places(np.array(list(gallery), np.int64), f"gallery {name}")
            searches = search_embedded(
                templates,
                probes,
                enrolled,
                probe_identities=subjects,
                gallery_identities=np.array(list(gallery.values()), np.int64),
            )
            n_enrolled = len(set(gallery.values()))
            found.append(GallerySearches(name, searches, people, n_enrolled))
        return found

    def _evidence(
        self,
        compared: ComparedTemplates,
        norms: npt.NDArray[np.float64],
        galleries: Sequence[GallerySearches],
    ) -> Evidence:
        pairs = np.stack([self._pairs.first, self._pairs.second], axis=1)[self._pairs.genuine]
        impostors = compared.impostors
        return listed_evidence(
            [f"template {number}" for number in self._faces.templates.tolist()],
            genuine=(pairs.astype(np.int64), compared.genuine),
            impostors=(impostors.tail_pairs, impostors.tail),
            qualities={"feature norm": norms},
            searches=Searches.concatenate([gallery.searches for gallery in galleries])
            if galleries
            else None,
        )


@PROTOCOLS.register("ijb-b")
def ijb_b(
    *,
    root: Path,
    images: Path | None = None,
    mode: str | None = None,
    detect: bool = False,
    aligned: bool = False,
) -> Ijb:
    """IJB-B, 1:1 on listed pairs of templates and 1:N over the galleries S1 and S2.

    Args:
        root: As `ijb_c`; files begin with ``ijbb_``.
        images: As `ijb_c`.
        mode: As `ijb_c`.
        detect: As `ijb_c`.
        aligned: As `ijb_c`.

    Raises:
        InputError: If a file is missing or not of the layout.

    Source:
        C. Whitelam et al., IARPA Janus Benchmark-B, CVPR Workshops 2017.
    """
    return Ijb("ijb-b", root=root, images=images, mode=mode, detect=detect, aligned=aligned)


@PROTOCOLS.register("ijb-c")
def ijb_c(
    *,
    root: Path,
    images: Path | None = None,
    mode: str | None = None,
    detect: bool = False,
    aligned: bool = False,
) -> Ijb:
    """IJB-C, 1:1 on listed pairs of templates and 1:N over the galleries G1 and G2.

    A template is the sum over its media of the mean feature of each. Faces that are not found are
    left out; a template without any makes its genuine pairs and its searches misses. 1:N figures
    are means over the galleries; a mate counts at or above the threshold, at any rank.

    Args:
        root: The folder with ``meta`` (``ijbc_face_tid_mid.txt``, ``ijbc_template_pair_label.txt``;
            for 1:N ``ijbc_1N_gallery_G1.csv``, ``ijbc_1N_gallery_G2.csv`` and
            ``ijbc_1N_probe_mixed.csv``) and ``loose_crop``, or the folder above.
        images: Folder, zip or ``.npz`` of the photos; None takes ``loose_crop``.
        mode: Letters of N (faces weigh by their feature's norm), D (by the detector's score) and F
            (the mirrored view is used, as ``--flip`` has it), or ``none``; None takes N, D where
            there are scores, and F as the embedder has it.
        detect: Find the faces on the loose crops. Else ``ijbc_name_5pts_score.txt`` gives landmarks
            and scores, where it is there.
        aligned: The photos are aligned crops already; the list still gives the scores for D.

    Raises:
        InputError: If a file is missing or not of the layout.

    Source:
        B. Maze et al., IARPA Janus Benchmark-C, ICB 2018.
    """
    return Ijb("ijb-c", root=root, images=images, mode=mode, detect=detect, aligned=aligned)
