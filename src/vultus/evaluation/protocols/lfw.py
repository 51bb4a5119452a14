"""Labeled Faces in the Wild: accuracy over ten folds, and TAR at low FAR over all pairs."""

import dataclasses
from pathlib import Path

from vultus.core.choices import Selection
from vultus.core.errors import InputError
from vultus.core.text import argument
from vultus.evaluation.measures.summary import summarise
from vultus.evaluation.protocols.base import PROTOCOLS, EmbedPhotos
from vultus.evaluation.protocols.pairs.pair_lists import read_lfw_pairs
from vultus.evaluation.protocols.pairs.pairs import pairs_of_bin
from vultus.evaluation.protocols.photos import PhotoRoot, people_of
from vultus.evaluation.protocols.protocol_files import archive, digests, folder_of
from vultus.evaluation.protocols.result import ProtocolResult
from vultus.evaluation.protocols.scoring import compare_all, score_pairs


@PROTOCOLS.register("lfw")
class Lfw:
    """LFW, View 2 (unrestricted, outside data): 6,000 pairs in ten folds.

    Besides, with ``all_pairs``, every photo below the root against every other, for error rates
    far below what 3,000 impostor pairs can carry.

    Args:
        root: Folder or zip of ``Name/Name_0001.jpg`` (or PNG, WebP ...); or ``lfw.bin`` or its
            folder: the pairs as aligned crops, and no other photos to compare.
        pairs: ``pairs.txt``; None looks for it in the root, or beside the zip.
        aligned: The photos are aligned crops already.
        all_pairs: Also compare all photos with each other; all photos of the root are then
            embedded, not only those that the pairs name. Left out where another score takes the
            cosine's place (`ScoredBy`).

    Raises:
        InputError: If a file is missing or not of the layout.

    Source:
        G. B. Huang et al., UMass TR 07-49, 2007; low FAR after S. Liao et al., BLUFR, IJCB 2014,
        without its ten trials (those are the protocol ``blufr``).
    """

    select: Selection = "central"
    scores_listed_pairs = True

    def __init__(
        self,
        *,
        root: Path,
        pairs: Path | None = None,
        aligned: bool = False,
        all_pairs: bool = True,
    ) -> None:
        stored = root if root.suffix == ".bin" else root / "lfw.bin"
        listed = pairs is not None or (folder_of(root) / "pairs.txt").is_file()
        self._stored = None
        if stored.is_file() and not listed:
            self._stored = pairs_of_bin("lfw", stored)
            return
        self._root = root
        self._pairs_file = _find_pairs(root) if pairs is None else pairs
        self._pairs = read_lfw_pairs(self._pairs_file)
        self._photos = PhotoRoot(root)
        self._aligned = aligned
        self._all_pairs = all_pairs

    def run(self, embed: EmbedPhotos) -> ProtocolResult:
        """Embed the photos and measure."""
        if self._stored is not None:
            return self._stored.run(embed)
        named = {pair.first for pair in self._pairs} | {pair.second for pair in self._pairs}
        files = {name: self._photos.find(name) for name in sorted(named)}
        chosen = self._photos.names if self._all_pairs else sorted(set(files.values()))
        embedded = embed(self._photos.photos(chosen), aligned=self._aligned)
        index = {file: place for place, file in enumerate(chosen)}
        result = score_pairs(
            "lfw",
            self._pairs,
            embedded,
            places={name: index[file] for name, file in files.items()},
            files=digests([self._pairs_file, *archive(self._root)]),
        )
        if not self._all_pairs or embedded.scorer is not None:
            return result
        table = compare_all(embedded, people_of(chosen))
        return dataclasses.replace(result, all_pairs=summarise(table.curve(), pairs=table))


def _find_pairs(root: Path) -> Path:
    path = folder_of(root) / "pairs.txt"
    if not path.is_file():
        raise InputError(
            f"LFW's list of pairs must be {path}, or be given with {argument('pairs')}"
        )
    return path
