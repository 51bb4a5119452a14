"""Small data sets made by code."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vultus.image.io import write_image

MakeFolder = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Writes ``identity/00.png`` ...; every image is another, told apart by its pixels."""

    def make(counts: dict[str, int], *, name: str = "faces", ending: str = ".png") -> Path:
        root = tmp_path / name
        generator = np.random.default_rng(0)
        for identity, count in counts.items():
            (root / identity).mkdir(parents=True)
            for number in range(count):
                image = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                write_image(root / identity / f"{number:02}{ending}", image)
        return root

    return make
