"""Crops that are no faces, a folder a "person"."""

from pathlib import Path

import numpy as np
import pytest

from vultus.image.io import write_image

PEOPLE, PHOTOS, SIDE = 60, 2, 112


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each person is a coarse pattern, each photo of it has its own noise; one is no image."""
    root = tmp_path_factory.mktemp("people")
    for person in range(PEOPLE):
        folder = root / f"person{person}"
        folder.mkdir()
        coarse = np.random.default_rng(person).integers(0, 200, (8, 8, 3))
        for photo in range(PHOTOS):
            noise = np.random.default_rng(1000 * person + photo).integers(0, 55, (SIDE, SIDE, 3))
            crop = np.kron(coarse, np.ones((14, 14, 1))) + noise
            write_image(folder / f"{photo}.png", crop.astype(np.uint8))
    (root / "person0" / "broken.png").write_bytes(b"no image")
    return root
