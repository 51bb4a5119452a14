"""Protocols that are a list of pairs: CFP-FP, AgeDB-30, CALFW, CPLFW, and one's own list."""

from collections.abc import Sequence
from pathlib import Path

from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.errors import InputError
from vultus.core.text import argument
from vultus.data.formats.pair_set import distinct_images, read_pair_set
from vultus.evaluation.protocols.base import PROTOCOLS, EmbedPhotos
from vultus.evaluation.protocols.pairs.pair_lists import Pair, read_cfp_pairs, read_pair_list
from vultus.evaluation.protocols.photos import PhotoRoot, Photos
from vultus.evaluation.protocols.protocol_files import digests, first_file, folder_of
from vultus.evaluation.protocols.result import ProtocolResult
from vultus.evaluation.protocols.scoring import score_pairs


class PairProtocol:
    """Pairs of photos with labels, and folds where the list has them.

    Args:
        name: For the result.
        pairs: Their photos by name.
        photos: Name of each photo in ``pairs`` -> its place in ``sources``.
        sources: The photos.
        aligned: They are aligned crops already.
        files: The files that define the protocol.
    """

    scores_listed_pairs = True

    def __init__(
        self,
        name: str,
        pairs: Sequence[Pair],
        *,
        photos: dict[str, int],
        sources: Photos,
        aligned: bool,
        files: Sequence[Path],
    ) -> None:
        self.name = name
        # The published sets show their person in the middle; nothing is known of other lists.
        self.select: Selection = DEFAULT_SELECT if name == "pairs" else "central"
        self._pairs = pairs
        self._photos = photos
        self._sources = sources
        self._aligned = aligned
        self._files = files

    def run(self, embed: EmbedPhotos) -> ProtocolResult:
        """Embed the photos and measure."""
        embedded = embed(self._sources, aligned=self._aligned)
        return score_pairs(
            self.name, self._pairs, embedded, places=self._photos, files=digests(self._files)
        )


@PROTOCOLS.register("pairs")
def pairs(*, root: Path, pairs: Path | None = None, aligned: bool = False) -> PairProtocol:
    """A list of one's own: ``photo photo label [fold]`` a line, photos below ``root``.

    Args:
        root: Folder or zip of the photos, or a ``*.bin`` verification set.
        pairs: The list; None takes ``pairs.tsv`` or ``pairs.txt`` in the root.
        aligned: The photos are aligned crops already; always so in a ``*.bin``.

    Raises:
        InputError: If a file is missing or not of the layout.
    """
    if root.suffix == ".bin":
        return pairs_of_bin("pairs", root)
    names = ("pairs.tsv", "pairs.txt")
    return _from_list("pairs", root, _listed(root, pairs, names), aligned=aligned)


@PROTOCOLS.register("cfp-fp")
def cfp_fp(*, root: Path, pairs: Path | None = None, aligned: bool = False) -> PairProtocol:
    """CFP, frontal against profile: ``cfp_fp.bin``, the data set's own folder, or a list.

    Args:
        root: ``cfp_fp.bin`` or its folder; or the folder above ``Data`` and ``Protocol``.
        pairs: A list in the layout of `pairs`, instead of the protocol's.
        aligned: The photos are aligned crops already; always so in a ``*.bin``.

    Raises:
        InputError: If a file is missing or not of the layout.

    Source:
        S. Sengupta et al., Frontal to Profile Face Verification in the Wild, WACV 2016.
    """
    if pairs is None and (root / "Protocol").is_dir():
        listed, files = read_cfp_pairs(root)
        images = root / "Data" / "Images"
        photos = PhotoRoot(images if images.is_dir() else root)
        return _located("cfp-fp", listed, photos, aligned=aligned, files=files)
    return _bin_or_list("cfp-fp", root, pairs, aligned=aligned, names=("cfp_fp.bin",))


@PROTOCOLS.register("agedb-30")
def agedb_30(*, root: Path, pairs: Path | None = None, aligned: bool = False) -> PairProtocol:
    """AgeDB, pairs 30 years apart: ``agedb_30.bin``, or a list.

    Args:
        root: ``agedb_30.bin`` or its folder; or, with ``pairs``, the folder of the photos.
        pairs: A list in the layout of `pairs`.
        aligned: The photos are aligned crops already; always so in a ``*.bin``.

    Raises:
        InputError: If a file is missing or not of the layout.

    Source:
        S. Moschoglou et al., AgeDB, CVPR Workshops 2017.
    """
    return _bin_or_list("agedb-30", root, pairs, aligned=aligned, names=("agedb_30.bin",))


@PROTOCOLS.register("calfw")
def calfw(*, root: Path, pairs: Path | None = None, aligned: bool = False) -> PairProtocol:
    """Cross-Age LFW: ``calfw.bin``, or photos with ``pairs_CALFW.txt``.

    Args:
        root: ``calfw.bin``, or the folder that holds it or the photos.
        pairs: The list; None looks for ``pairs_CALFW.txt`` in the root and the folder above.
        aligned: The photos are aligned crops already; always so in a ``*.bin``.

    Raises:
        InputError: If a file is missing or not of the layout.

    Source:
        T. Zheng et al., Cross-Age LFW, arXiv 1708.08197.
    """
    names = ("calfw.bin", "pairs_CALFW.txt")
    return _bin_or_list("calfw", root, pairs, aligned=aligned, names=names)


@PROTOCOLS.register("cplfw")
def cplfw(*, root: Path, pairs: Path | None = None, aligned: bool = False) -> PairProtocol:
    """Cross-Pose LFW: ``cplfw.bin``, or photos with ``pairs_CPLFW.txt``.

    Args:
        root: ``cplfw.bin``, or the folder that holds it or the photos.
        pairs: The list; None looks for ``pairs_CPLFW.txt`` in the root and the folder above.
        aligned: The photos are aligned crops already; always so in a ``*.bin``.

    Raises:
        InputError: If a file is missing or not of the layout.

    Source:
        T. Zheng and W. Deng, Cross-Pose LFW, BUPT TR 18-01, 2018.
    """
    names = ("cplfw.bin", "pairs_CPLFW.txt")
    return _bin_or_list("cplfw", root, pairs, aligned=aligned, names=names)


def _bin_or_list(
    name: str, root: Path, given: Path | None, *, aligned: bool, names: tuple[str, ...]
) -> PairProtocol:
    if root.suffix == ".bin":
        return pairs_of_bin(name, root)
    found = _listed(root, given, names)
    if found.suffix == ".bin":
        return pairs_of_bin(name, found)
    return _from_list(name, root, found, aligned=aligned)


def _listed(root: Path, given: Path | None, names: tuple[str, ...]) -> Path:
    if given is not None:
        return given
    folder = folder_of(root)
    # Published archives keep the list beside the folder of photos.
    found = first_file((folder, folder.parent), names)
    if found is None:
        raise InputError(
            f"{folder} must hold {' or '.join(names)}; or give a list with {argument('pairs')}"
        )
    return found


def _from_list(name: str, root: Path, listed: Path, *, aligned: bool) -> PairProtocol:
    photos = PhotoRoot(root)
    return _located(name, read_pair_list(listed), photos, aligned=aligned, files=[listed])


def _located(
    name: str, listed: Sequence[Pair], root: PhotoRoot, *, aligned: bool, files: Sequence[Path]
) -> PairProtocol:
    wanted = dict.fromkeys(photo for pair in listed for photo in (pair.first, pair.second))
    found = {photo: root.find(photo) for photo in wanted}
    chosen = list(dict.fromkeys(found.values()))
    index = {file: place for place, file in enumerate(chosen)}
    return PairProtocol(
        name,
        listed,
        photos={photo: index[file] for photo, file in found.items()},
        sources=root.photos(chosen),
        aligned=aligned,
        files=files,
    )


def pairs_of_bin(name: str, path: Path) -> PairProtocol:
    """The pairs of a ``*.bin``, whose photos are aligned crops; each is embedded once."""
    images, flags = read_pair_set(path)
    firsts, places = distinct_images(images)  # each is embedded once
    photos = {f"{number}": images[number] for number in firsts}
    listed = [Pair(f"{2 * i}", f"{2 * i + 1}", bool(genuine)) for i, genuine in enumerate(flags)]
    return PairProtocol(
        name,
        listed,
        photos={f"{number}": place for number, place in enumerate(places)},
        sources=Photos(list(photos), photos.__getitem__),
        aligned=True,
        files=[path],
    )
