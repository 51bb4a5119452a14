"""What a trust head sees of crops: pools of inner maps and norms, kept between runs."""

import hashlib
import io
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.crops import AlignedCrops
from vultus.core.errors import VultusError
from vultus.core.files import write_bytes
from vultus.core.npz_file import read_npz
from vultus.core.progress import Progress, tracked
from vultus.embedding.embedder import Embedder

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

TEMPLATE = "arcface-112"
_AT_A_TIME = 128
_SAVED_EVERY = 4_000
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """Features of crops by their digests; rows in any order."""

    digests: npt.NDArray[np.uint8]
    features: Floats
    vectors: Floats

    def places(self) -> dict[bytes, int]:
        return {digest.tobytes(): place for place, digest in enumerate(self.digests)}

    def with_more(self, digests: list[bytes], features: Floats, vectors: Floats) -> "_Known":
        added = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, _DIGEST_BYTES)
        return self.joined(_Known(added, features, vectors))

    def joined(self, other: "_Known") -> "_Known":
        if not len(self.digests):
            return other
        return _Known(
            np.concatenate([self.digests, other.digests]),
            np.concatenate([self.features, other.features]),
            np.concatenate([self.vectors, other.vectors]),
        )


_NOTHING = _Known(
    np.zeros((0, _DIGEST_BYTES), np.uint8),
    np.zeros((0, 0), np.float32),
    np.zeros((0, 0), np.float32),
)


def crop_features(
    embedder: Embedder,
    pixels: npt.NDArray[np.uint8],
    *,
    kept: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Floats, Floats]:
    """Embed crops by a model whose inner maps are pooled.

    Args:
        embedder: Opened with taps.
        pixels: (n, 112, 112, 3) uint8, RGB.
        kept: Folder in which what was found is kept by the crops' content, so that a fit with
            other settings embeds nothing; None keeps nothing.
        progress: Told about batches.

    Returns:
        (n, d + 1) float32, pools and log norm; (n, dim) float32, rows of length 1.
    """
    digests = [_digest(crop) for crop in pixels]
    name = f"features-{_name(embedder)}"
    known = _read(kept, name)
    seen = known.places()
    missing = np.array([row for row, one in enumerate(digests) if one not in seen], np.int64)
    step = _SAVED_EVERY - _SAVED_EVERY % _AT_A_TIME
    for start in range(0, len(missing), step):
        rows = missing[start : start + step]
        found = _embedded(embedder, pixels[rows], progress)
        new = _NOTHING.with_more([digests[row] for row in rows], *found)
        _write(kept, name, new)
        known = known.joined(new)
    places = known.places()
    order = [places[digest] for digest in digests]
    return known.features[order], known.vectors[order]


def _digest(crop: npt.NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(crop).tobytes(), digest_size=_DIGEST_BYTES).digest()


def _name(embedder: Embedder) -> str:
    engine = embedder.description.split(",")[0]  # without threads, which change nothing
    told = repr((embedder.card.sha256, str(embedder.space), engine))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _embedded(
    embedder: Embedder, pixels: npt.NDArray[np.uint8], progress: Progress | None
) -> tuple[Floats, Floats]:
    features, vectors = [], []
    starts = range(0, len(pixels), _AT_A_TIME)
    for start in tracked(starts, "embedding", total=len(starts), progress=progress):
        part = pixels[start : start + _AT_A_TIME]
        crops = AlignedCrops(part, np.zeros((len(part), 2, 3), np.float32), TEMPLATE)
        embedded, pools = embedder.embed_with_pools(crops)
        if pools is not None:
            features.append(np.concatenate([pools, np.log(embedded.norms)[:, None]], axis=1))
            vectors.append(embedded.vectors)
    return np.concatenate(features), np.concatenate(vectors)


def _read(kept: Path | None, name: str) -> _Known:
    known = _NOTHING
    for file in [] if kept is None else sorted(kept.glob(f"{name}-*.npz")):
        try:
            arrays = read_npz(file, ["digests", "features", "vectors"])
        except VultusError as error:  # of a stopped run: embed anew
            logger.warning("%s is not used: %s", file.name, error)
            continue
        known = known.joined(_Known(arrays["digests"], arrays["features"], arrays["vectors"]))
    return known


def _write(kept: Path | None, name: str, new: _Known) -> None:
    if kept is None:
        return
    stream = io.BytesIO()
    np.savez(stream, digests=new.digests, features=new.features, vectors=new.vectors)
    kept.mkdir(parents=True, exist_ok=True)
    write_bytes(kept / f"{name}-{_digest(new.digests).hex()}.npz", stream.getvalue())
