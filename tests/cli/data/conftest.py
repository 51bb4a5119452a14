"""A data set with faults, and its audit."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vultus.image.io import write_image

Run = Callable[..., Any]


def block_face(person: int, number: int) -> Any:
    own = np.random.default_rng([person, 0]).uniform(0, 255, (8, 8, 3))
    other = np.random.default_rng([person, number + 1]).uniform(0, 255, (8, 8, 3))
    blocks = (0.75 * own + 0.25 * other).astype(np.uint8)
    return cv2.resize(blocks, (112, 112), interpolation=cv2.INTER_NEAREST)


@pytest.fixture(name="block_face")
def block_face_fixture() -> Callable[[int, int], Any]:
    return block_face


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Six people, six crops each; one crop twice, one under a wrong label, one file cut short."""
    root = tmp_path / "crops"
    for person in range(6):
        (root / f"p{person}").mkdir(parents=True)
        for number in range(6):
            write_image(root / f"p{person}" / f"{number}.png", block_face(person, number))
    shutil.copy(root / "p0" / "1.png", root / "p0" / "9.png")
    write_image(root / "p1" / "wrong.png", block_face(2, 50))
    (root / "p3" / "cut.png").write_bytes((root / "p3" / "0.png").read_bytes()[:200])
    return root


@pytest.fixture
def audited(run: Run, crops: Path, tiny_model: Path, tmp_path: Path) -> Path:
    outcome = run(
        "data", "audit", crops, "-o", tmp_path / "audit", "--model", tiny_model,
        "--detector", "none",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    for text in ("39 images of 6 identities", "(wrong_label): 1", "(duplicate): 1"):
        assert text in outcome.out
    return tmp_path / "audit" / "manifest.jsonl"


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for identity, count in {"web/anna": 3, "web/bo": 2}.items():
        (tmp_path / "faces" / identity).mkdir(parents=True)
        for number in range(count):
            image = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            write_image(tmp_path / "faces" / identity / f"{number}.png", image)
    return tmp_path / "faces"
