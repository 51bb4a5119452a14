"""What an audit knows about each image: digest, embedding, thumbnail; kept in a cache."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.alignment.crop_templates import crop_template
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import ImageError, InputError
from vultus.core.faces import Image
from vultus.core.progress import Progress, tracked
from vultus.curation.audit.feature_store import FeatureStore
from vultus.curation.audit.thumbnails import THUMBNAIL_PX, thumbnail
from vultus.data.base import FaceDataset
from vultus.data.decode import decode_image
from vultus.embedding.embedder import Embedder

_CHUNK = 256


@dataclass(frozen=True, slots=True, eq=False)
class ImageFeatures:
    """The images of a data set that can be read, and why the others cannot.

    Attributes:
        rows: (m,) int64, indices of the readable images in the data set, rising.
        digests: Their SHA-256 digests, 32 bytes each.
        embeddings: Of them.
        thumbnails: (m, 256) uint8, of them; see `vultus.curation.audit.thumbnails`.
        problems: Reason by index, for each image that cannot be used.
    """

    rows: npt.NDArray[np.int64]
    digests: tuple[bytes, ...]
    embeddings: Embeddings
    thumbnails: npt.NDArray[np.uint8]
    problems: dict[int, str]


def read_features(
    dataset: FaceDataset, embedder: Embedder, *, cache: Path, progress: Progress | None = None
) -> ImageFeatures:
    """Read every image and embed those that the cache does not know.

    Memory grows with the number of images by their features alone: some 900 bytes an image at 128
    dimensions.

    Args:
        dataset: Crops aligned to the embedder's template.
        embedder: Makes the vectors.
        cache: Folder of `FeatureStore` files.
        progress: Told how many images are done.

    Raises:
        InputError: If no image can be used: the data set does not hold crops of this template.
        ModelError: If the network fails.
    """
    store = FeatureStore(
        cache,
        name="embeddings",
        key=str(sorted(embedder.space.to_dict().items())),
        fields={
            "vector": (np.float32, (embedder.space.dim,)),
            "norm": (np.float32, ()),
            "thumbnail": (np.uint8, (THUMBNAIL_PX**2,)),
        },
    )
    digests: dict[int, bytes] = {}
    problems: dict[int, str] = {}
    pending: dict[bytes, Image] = {}
    for index in tracked(range(len(dataset)), "reading", total=len(dataset), progress=progress):
        try:
            data = dataset.encoded(index)
            digest = hashlib.sha256(data).digest()
            if digest not in store and digest not in pending:
                pending[digest] = _crop(data, embedder)
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


def _crop(data: bytes, embedder: Embedder) -> Image:
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
    embeddings = embed_images(list(pending.values()), embedder)
    for (digest, image), vector, norm in zip(
        pending.items(), embeddings.vectors, embeddings.norms, strict=True
    ):
        store.add(digest, {"vector": vector, "norm": norm, "thumbnail": thumbnail(image)})
    pending.clear()


def _no_crops(dataset: FaceDataset, problems: dict[int, str], embedder: Embedder) -> str:
    index, problem = next(iter(problems.items()))
    return (
        f"none of the {len(dataset):,} images is a crop of {embedder.card.template} that can be "
        f"read; {dataset.source(index)}: {problem}. Raw photos are aligned by `vultus data align`"
    )
