from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vultus.backbones.base import Backbone
from vultus.core.crops import AlignedCrops
from vultus.core.errors import InputError
from vultus.data.synthetic.dataset import SyntheticFaces
from vultus.embedding.embedder import open_embedder
from vultus.export.card import ExportSettings
from vultus.export.exporter import export_run
from vultus.export.whitening import Whitened, fit_whitening


def spread_out(count: int = 4000, *, dim: int = 6) -> np.ndarray:
    """(count, dim) features with a mean, and directions of very different spread."""
    generator = np.random.default_rng(0)
    axes = np.linalg.qr(generator.normal(size=(dim, dim)))[0]
    rows = generator.normal(size=(count, dim)) * np.geomspace(4.0, 0.25, dim)
    return np.asarray(rows @ axes + np.arange(dim))


class Columns(Backbone):
    """The first pixels of an image are its features."""

    def compute(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, : self.dim]


def test_the_mean_is_gone_and_spreads_are_nearer_to_each_other() -> None:
    rows = spread_out()
    mean, matrix = fit_whitening(rows)
    after = (rows - mean) @ matrix
    np.testing.assert_allclose(after.mean(axis=0), 0, atol=1e-9)
    before = np.linalg.eigvalsh(np.cov(rows.T))
    variances = np.linalg.eigvalsh(np.cov(after.T))
    # Each variance e becomes e / (e + t), up to a common factor that keeps their sum.
    expected = before / (before + before.mean())
    expected *= before.sum() / expected.sum()
    np.testing.assert_allclose(variances, np.sort(expected), rtol=1e-9)
    assert variances.max() / variances.min() < before.max() / before.min() / 3


def test_directions_of_equal_spread_are_only_centred() -> None:
    rows = np.concatenate([np.eye(4), -np.eye(4)] * 10) + 3.0
    mean, matrix = fit_whitening(rows)
    np.testing.assert_allclose(mean, 3.0)
    np.testing.assert_allclose(matrix, np.eye(4), atol=1e-12)


def test_the_matrix_does_not_turn_anything() -> None:
    _, matrix = fit_whitening(spread_out())
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() > 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((47, 6)), "at least 8 times dim, got shape"),
        (np.zeros(60), "at least 8 times dim"),
        (np.ones((60, 6)), "all equal"),
    ],
)
def test_what_cannot_be_whitened(rows: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_whitening(rows)


def test_the_network_gives_what_the_formula_says() -> None:
    mean, matrix = fit_whitening(spread_out())
    net = Whitened(Columns(dim=6, input_hw=(2, 2)), mean=mean, matrix=matrix)
    images = torch.randn(5, 3, 2, 2)
    expected = (images.flatten(1)[:, :6].double().numpy() - mean) @ matrix
    np.testing.assert_allclose(net(images).detach().numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """280 crops of 70 synthetic people."""
    faces = SyntheticFaces(identities=70, images=4, split="validation")
    root = tmp_path_factory.mktemp("crops")
    for index in range(len(faces)):
        folder = root / faces.identities[faces.labels[index]]
        folder.mkdir(exist_ok=True)
        (folder / f"{index}.png").write_bytes(faces.encoded(index))
    return root


@pytest.mark.parametrize("flip", ["none", "add"])
def test_an_exported_file_gives_centred_features_of_the_crops(
    run_folder: Path, crops: Path, tmp_path: Path, flip: str
) -> None:
    made = {}
    for name, whiten in (("plain", None), ("white", crops)):
        settings = ExportSettings(name=name, flip=flip, whiten=whiten)  # type: ignore[arg-type]
        made[name] = export_run(run_folder, tmp_path / f"{name}.onnx", settings=settings)
    faces = SyntheticFaces(identities=70, images=4, split="validation")
    pixels = np.stack([faces.image(index) for index in range(len(faces))])
    aligned = AlignedCrops(pixels, np.zeros((len(pixels), 2, 3), np.float32), "arcface-112")
    raw = {}
    for name, export in made.items():
        embedded = open_embedder(export.file).embed(aligned)
        raw[name] = embedded.vectors * embedded.norms[:, None]
    mean, matrix = fit_whitening(raw["plain"])
    np.testing.assert_allclose(raw["white"], (raw["plain"] - mean) @ matrix, rtol=2e-3, atol=2e-3)
    assert f"centred and whitened on {crops.name}" in made["white"].card.notes
    assert "whitened" not in made["plain"].card.notes
    assert made["white"].card.sha256 != made["plain"].card.sha256


def test_too_few_crops_leave_nothing_behind(run_folder: Path, crops: Path, tmp_path: Path) -> None:
    one_person = min(crops.iterdir())
    settings = ExportSettings(name="white", whiten=one_person)
    with pytest.raises(InputError, match="give it more crops"):
        export_run(run_folder, tmp_path / "white.onnx", settings=settings)
    assert not list(tmp_path.iterdir())
