"""People made of coloured blocks, which the tiny embedder tells apart, and a detector to match."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from vultus.core.faces import Faces, Image
from vultus.image.io import write_image

Draw = Callable[[int, int], Image]
MakePeople = Callable[..., Path]


def draw_person(person: int, number: int, *, spread: float = 0.25) -> Image:
    """A crop: 8 x 8 blocks of random colour, the person's own, mixed with the image's own."""
    own = np.random.default_rng([person, 0]).uniform(0, 255, (8, 8, 3))
    other = np.random.default_rng([person, number + 1]).uniform(0, 255, (8, 8, 3))
    blocks = ((1 - spread) * own + spread * other).astype(np.uint8)
    return np.asarray(cv2.resize(blocks, (112, 112), interpolation=cv2.INTER_NEAREST), np.uint8)


class BlockDetector:
    """Sees a face wherever a crop is not all of one colour; its boxes fill the unpadded crop."""

    name = "blocks"

    def detect(self, image: Image) -> Faces:
        height, width = image.shape[:2]
        inner = image[height // 3 : -height // 3, width // 3 : -width // 3]
        if inner.std() < 2:
            return Faces.empty()
        size = width / 1.5
        low, high = (width - size) / 2, (width + size) / 2
        points = [[0.34, 0.46], [0.66, 0.46], [0.5, 0.64], [0.37, 0.82], [0.63, 0.82]]
        return Faces(
            np.array([[low, low, high, high]], np.float32),
            (low + size * np.array([points])).astype(np.float32),
            np.array([0.9], np.float32),
        )

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        return [self.detect(image) for image in images]


@pytest.fixture
def detector() -> BlockDetector:
    return BlockDetector()


@pytest.fixture
def draw() -> Callable[..., Image]:
    return draw_person


@pytest.fixture
def make_people(tmp_path: Path) -> MakePeople:
    """Writes ``p00/00.png`` ...: images of one person lie in one folder."""

    def make(people: int, images: int, *, name: str = "faces", first: int = 0) -> Path:
        root = tmp_path / name
        for person in range(first, first + people):
            folder = root / f"p{person:02}"
            folder.mkdir(parents=True)
            for number in range(images):
                write_image(folder / f"{number:02}.png", draw_person(person, number))
        return root

    return make
