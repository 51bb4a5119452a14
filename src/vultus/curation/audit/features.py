"""What an audit knows about each image: digest, embedding, thumbnail; kept in a cache."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vultus.alignment.crop_templates import crop_template
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import ImageError, InputError
from vultus.core.faces import Image
from vultus.core.progress import Progress, tracked
from vultus.curation.audit.feature_store import FeatureStore
from vultus.data.base import FaceDataset
from vultus.data.decode import decode_image
from vultus.embedding.embedder import Embedder

_CHUNK = 256

_THUMBNAIL_PX = 16
_FLAT = 4.0
"""Standard deviation, in grey levels, below which a picture has no pattern to compare."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ImageFeatures:
    """The images of a data set that can be read, and why the others cannot.

    Attributes:
        rows: (m,) int64, indices of the readable images in the data set, rising.
        digests: Their SHA-256 digests, 32 bytes each.
        embeddings: Of them.
        thumbnails: (m, 256) uint8, of them; see `thumbnail`.
        problems: Reason by index, for each image that cannot be used.
    """

    rows: npt.NDArray[np.int64]
    digests: tuple[bytes, ...]
    embeddings: Embeddings
    thumbnails: npt.NDArray[np.uint8]
    problems: dict[int, str]


def open_features(cache: Path, embedder: Embedder) -> FeatureStore:
    """The store of what an audit knows about images: ``vector``, ``norm``, ``thumbnail``.

    Args:
        cache: Its folder; made when needed.
        embedder: Makes the vectors.

    Raises:
        InputError: If the folder cannot be made.
    """
    return FeatureStore(
        cache,
        name="embeddings",
        key=str(sorted(embedder.space.to_dict().items())),
        fields={
            "vector": (np.float32, (embedder.space.dim,)),
            "norm": (np.float32, ()),
            "thumbnail": (np.uint8, (_THUMBNAIL_PX**2,)),
        },
    )


def read_features(
    dataset: FaceDataset,
    embedder: Embedder,
    *,
    cache: Path,
    set_aside: Mapping[bytes, str] | None = None,
    progress: Progress | None = None,
) -> ImageFeatures:
    """Read every image and embed those that the cache does not know.

    Memory grows with the number of images by their features alone: some 900 bytes an image at 128
    dimensions.

    Args:
        dataset: Crops aligned to the embedder's template.
        embedder: Makes the vectors.
        cache: Folder of `FeatureStore` files.
        set_aside: Images that are not to be decoded, by digest, and why.
        progress: Told how many images are done.

    Raises:
        InputError: If no image can be used: the data set does not hold crops of this template.
        ModelError: If the network fails.
    """
    store = open_features(cache, embedder)
    digests: dict[int, bytes] = {}
    problems: dict[int, str] = {}
    pending: dict[bytes, Image] = {}
    aside = set_aside or {}
    for index in tracked(range(len(dataset)), "reading", total=len(dataset), progress=progress):
        try:
            data = dataset.encoded(index)
            digest = hashlib.sha256(data).digest()
            if digest in aside:
                raise ImageError(aside[digest])
            if digest not in store and digest not in pending:
                pending[digest] = read_crop(data, embedder)
            digests[index] = digest
        except ImageError as error:
            problems[index] = str(error)
        if len(pending) == _CHUNK:
            _embed_into(store, pending, embedder)
    _embed_into(store, pending, embedder)
    store.save()
    if not digests:
        raise InputError(_no_crops(dataset, problems, embedder))
    taken = store.take(list(digests.values()))
    return ImageFeatures(
        np.fromiter(digests, np.int64, len(digests)),
        tuple(digests.values()),
        Embeddings(taken["vector"], taken["norm"], embedder.space),
        taken["thumbnail"],
        problems,
    )


def feature_rows(images: Sequence[Image], embedder: Embedder) -> list[dict[str, Any]]:
    """What `open_features` keeps of each image.

    Args:
        images: As `embed_images`; at least one.
        embedder: Makes the vectors.
    """
    embeddings = embed_images(images, embedder)
    rows = zip(images, embeddings.vectors, embeddings.norms, strict=True)
    return [
        {"vector": vector, "norm": norm, "thumbnail": thumbnail(image)}
        for image, vector, norm in rows
    ]


def embed_images(images: Sequence[Image], embedder: Embedder) -> Embeddings:
    """Embed crops that are aligned already.

    Args:
        images: (h, w, 3) uint8 RGB each, of the size of the embedder's template.
        embedder: Makes the vectors.
    """
    pixels = np.stack(images)
    transforms = np.repeat(np.eye(2, 3, dtype=np.float32)[None], len(pixels), axis=0)
    return embedder.embed(AlignedCrops(pixels, transforms, embedder.card.template))


def images_in_chunks(
    dataset: FaceDataset, indices: Iterable[int]
) -> Iterator[tuple[list[int], list[Image]]]:
    """Decoded images some hundred at a time; all must be readable."""
    chunk: list[int] = []
    for index in indices:
        chunk.append(int(index))
        if len(chunk) == _CHUNK:
            yield chunk, [dataset.image(i) for i in chunk]
            chunk = []
    if chunk:
        yield chunk, [dataset.image(i) for i in chunk]


def thumbnail(image: Image) -> Bytes:
    """Shrink an image to 16 x 16 grey pixels by averaging.

    Args:
        image: (h, w, 3) uint8, RGB.

    Returns:
        (256,) uint8, row by row.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    size = (_THUMBNAIL_PX, _THUMBNAIL_PX)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8).reshape(-1)


def has_pattern(picture: Bytes) -> bool:
    """Whether there is anything in a (256,) thumbnail to compare."""
    return bool(picture.std() >= _FLAT)


def correlations(a: Bytes, b: Bytes) -> npt.NDArray[np.float32]:
    """How alike the patterns of row i of ``a`` and row i of ``b`` are, mirrored or not.

    Correlation does not see brightness and contrast, which copies often differ in.

    Args:
        a: (n, 256) uint8.
        b: (n, 256) uint8.

    Returns:
        (n,) float32 in [-1, 1]: the higher of the two correlations, with ``b`` as it is and
        mirrored left to right.
    """
    square = b.reshape(len(b), _THUMBNAIL_PX, _THUMBNAIL_PX)
    mirrored = square[:, :, ::-1].reshape(len(b), -1)
    first = _standardised(a)
    as_it_is, reflected = (
        np.einsum("nd,nd->n", first, _standardised(other)) / a.shape[1] for other in (b, mirrored)
    )
    return np.asarray(np.clip(np.maximum(as_it_is, reflected), -1, 1), np.float32)


def read_crop(data: bytes, embedder: Embedder) -> Image:
    """An image's bytes as a crop of the embedder's template.

    Raises:
        ImageError: If it cannot be decoded or has another size.
    """
    image = decode_image(data)
    wanted = crop_template(embedder.card.template).size_hw
    if image.shape[:2] != wanted:
        height, width = image.shape[:2]
        raise ImageError(
            f"it has {height} x {width} pixels, and crops of {embedder.card.template} have "
            f"{wanted[0]} x {wanted[1]}"
        )
    return image


def _embed_into(store: FeatureStore, pending: dict[bytes, Image], embedder: Embedder) -> None:
    if not pending:
        return
    for digest, row in zip(pending, feature_rows(list(pending.values()), embedder), strict=True):
        store.add(digest, row)
    pending.clear()


def _no_crops(dataset: FaceDataset, problems: dict[int, str], embedder: Embedder) -> str:
    index, problem = next(iter(problems.items()))
    return (
        f"none of the {len(dataset):,} images is a crop of {embedder.card.template} that can be "
        f"read; {dataset.source(index)}: {problem}. Raw photos are aligned by `vultus data align`"
    )


def _standardised(pictures: Bytes) -> npt.NDArray[np.float32]:
    values = pictures.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return np.asarray(values / np.maximum(values.std(axis=1, keepdims=True), _FLAT), np.float32)
