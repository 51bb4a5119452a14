"""One thread (these tensors are tiny, and the machine is shared); a tiny data set and recipe."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from vultus.training.recipe.recipe import Recipe


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def face_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 identities of 8 images, 32 x 32: a blurred pattern each, shifted, with light and noise."""
    return write_faces(tmp_path_factory.mktemp("faces"), range(40))


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 other identities."""
    return write_faces(tmp_path_factory.mktemp("strangers"), range(100, 140))


def write_faces(root: Path, identities: range) -> Path:
    for identity in identities:
        generator = np.random.default_rng([7, identity])
        pattern = cv2.resize(generator.uniform(40, 215, (5, 5, 3)).astype(np.float32), (40, 40))
        (root / f"p{identity:03d}").mkdir()
        for number in range(8):
            y, x = generator.integers(0, 9, 2)
            light = generator.uniform(0.7, 1.2)
            noise = generator.normal(0, 12, (32, 32, 3))
            image = np.clip(pattern[y : y + 32, x : x + 32] * light + noise, 0, 255)
            path = root / f"p{identity:03d}" / f"{number}.png"
            assert cv2.imwrite(str(path), image.astype(np.uint8))
    return root


@pytest.fixture
def tiny_values(face_folder: Path, tmp_path: Path) -> dict[str, Any]:
    """A recipe's tables: 20 steps of a small net on the first 30 identities."""
    return {
        "run": {
            "output": str(tmp_path / "run"),
            "log_every_steps": 6,
            "device": "cpu",
            "alignment_sample": 0,  # there is no face in these patterns
        },
        "input": {"size_hw": [32, 32]},
        "data": {"kind": "folder", "root": str(face_folder), "max_identities": 30},
        "backbone": {
            "name": "vultusnet-s",
            "dim": 32,
            "widths": [8, 16, 24, 32],
            "units": [1, 1, 1, 1],
        },
        "sampler": {"name": "shuffled", "batch_size": 24},
        "loss": {"name": "cosface", "scale": 16.0, "margin_cos": 0.2},
        "optimizer": {"name": "sgd", "lr": 0.05},
        "schedule": {"name": "cosine", "warmup_steps": 2},
        "steps": 20,
    }


@pytest.fixture
def tiny_recipe(tiny_values: dict[str, Any]) -> Recipe:
    return Recipe.from_dict(tiny_values, source="tiny.toml")
