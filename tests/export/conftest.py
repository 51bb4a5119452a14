"""A run folder of a small network, and one thread."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.liveness.conftest import prepared, recipe, site, trained  # noqa: F401

from vultus.export import parity
from vultus.training.recipe.recipe import Recipe
from vultus.training.trainer import Trainer


@pytest.fixture(autouse=True)
def small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "SAMPLE", 12)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _train(output: Path, **more: Any) -> Path:
    """A few steps on synthetic people."""
    torch.set_num_threads(1)
    values = {
        "about": {"title": "A small network"},
        "run": {"output": str(output), "device": "cpu"},
        "input": {"std": 128.0},
        "data": {"kind": "synthetic", "identities": 12, "images": 4, "keep": True},
        "backbone": {
            "name": "vultusnet-s", "dim": 32, "widths": [8, 16, 24, 32], "units": [1, 1, 1, 1],
        },
        "sampler": {"name": "shuffled", "batch_size": 24},
        "loss": {"name": "cosface", "scale": 16.0, "margin_cos": 0.2},
        "optimizer": {"name": "sgd", "lr": 0.05},
        "training": {"ema_decay": 0.5},
        "steps": 12,
        **more,
    }  # fmt: skip
    return Trainer(Recipe.from_dict(values, source="small.toml")).run().folder


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _train(tmp_path_factory.mktemp("runs") / "Small Net_1")


@pytest.fixture
def train() -> Callable[..., Path]:
    """Trains into a folder, with other sections."""
    return _train
