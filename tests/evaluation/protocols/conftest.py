"""Faces made of noise: each person has a pattern, each photo shows it with some noise."""

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.evaluation.protocols.base import EmbeddedPhotos
from vultus.evaluation.protocols.photos import PhotoFile, Photos
from vultus.image.io import read_image, write_image

SIDE = 16
SPACE = EmbeddingSpace("pixels", "0" * 64, "none", SIDE * SIDE)


def person_image(person: int, photo: int, *, noise: float = 40.0) -> np.ndarray:
    pattern = np.random.default_rng(person).normal(128, 60, (SIDE, SIDE))
    dirt = np.random.default_rng(1000 * person + photo + 7).normal(0, noise, (SIDE, SIDE))
    grey = np.clip(pattern + dirt, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def make_person(folder: Path, name: str, person: int, photos: int, *, ending: str = "png") -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    for photo in range(1, photos + 1):
        write_image(folder / name / f"{name}_{photo:04d}.{ending}", person_image(person, photo))


def make_bin(path: Path, *, people: int, protocol: int = 4) -> tuple[list[bytes], list[bool]]:
    images, flags = [], []
    for k in range(people):
        images += [_png(k, 1), _png(k, 2), _png(k, 1), _png((k + 1) % people, 2)]
        flags += [True, False]
    path.write_bytes(pickle.dumps((images, flags), protocol=protocol))
    return images, flags


def _png(person: int, photo: int) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(person_image(person, photo)).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class PixelEmbedder:
    """Embeds pixels; a photo that is all one colour has no face. Remembers what it was asked."""

    seen: list[PhotoFile] = field(default_factory=list)
    aligned: list[bool] = field(default_factory=list)
    asked: list[Photos] = field(default_factory=list)
    space: EmbeddingSpace = SPACE
    scored: bool = False
    """Give detector scores: the brightest pixel / 255."""

    def __call__(self, photos: Photos, *, aligned: bool) -> EmbeddedPhotos:
        self.aligned.append(aligned)
        self.asked.append(photos)
        rows, failed, scores = [], [], []
        for photo in photos:
            self.seen.append(photo)
            raw = read_image(photo)[..., 0].ravel().astype(np.float64)
            failed.append(bool(np.ptp(raw) == 0))
            if not failed[-1]:
                rows.append(raw - raw.mean())
                scores.append(raw.max() / 255)
        vectors = np.array(rows) if rows else np.zeros((0, self.space.dim))
        return EmbeddedPhotos(
            Embeddings.from_raw(vectors, self.space) if rows else Embeddings.empty(self.space),
            np.array(failed, np.bool_),
            np.array(scores, np.float32) if self.scored else None,
        )


WritePerson = Callable[..., None]
WriteBin = Callable[..., tuple[list[bytes], list[bool]]]


@pytest.fixture
def write_person() -> WritePerson:
    """Writes ``folder/name/name_0001.png`` ...: (folder, name, person, photos)."""
    return make_person


@pytest.fixture
def write_bin() -> WriteBin:
    """Writes a verification set of ``people`` genuine and impostor pairs; returns its content."""
    return make_bin


@pytest.fixture
def embed() -> PixelEmbedder:
    return PixelEmbedder()


@pytest.fixture
def face_photo() -> Callable[..., np.ndarray]:
    """Pixels of a photo: (person, photo, noise=40)."""
    return person_image


@pytest.fixture
def blank() -> Callable[[Path], None]:
    """Makes a photo without a face."""

    def overwrite(path: Path) -> None:
        write_image(path, np.full((SIDE, SIDE, 3), 128, np.uint8))

    return overwrite
