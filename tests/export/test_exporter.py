import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor

from vultus.backbones.base import Backbone
from vultus.core.crops import AlignedCrops
from vultus.core.errors import ConfigError, InputError, ModelError
from vultus.data.loading.sizing import resized
from vultus.embedding.embedder import open_embedder
from vultus.export import exporter
from vultus.export.card import ExportSettings
from vultus.export.exporter import ResizedInput, export_run
from vultus.export.graph import onnx_graph
from vultus.export.parity import sample_crops
from vultus.models.cards import Licence, ModelCard
from vultus.models.digest import sha256_file
from vultus.models.store import ModelStore
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import load_recipe
from vultus.training.run.result import load_backbone


def test_the_file_gives_what_the_network_gives(run_folder: Path, tmp_path: Path) -> None:
    made = export_run(run_folder, tmp_path / "net.onnx")
    assert made.card == ModelCard.from_toml((tmp_path / "net.toml").read_text(encoding="utf-8"))
    assert {path.name for path in tmp_path.iterdir()} == {"net.onnx", "net.toml"}
    pixels = np.random.default_rng(0).integers(0, 255, (5, 112, 112, 3), np.uint8)
    crops = AlignedCrops(pixels, np.zeros((5, 2, 3), np.float32), "arcface-112")
    found = open_embedder(tmp_path / "net.onnx", flip="add").embed(crops)
    rows = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127.5) / 128.0
    net = load_backbone(run_folder, weights="ema")
    with torch.no_grad():
        expected = (net(rows) + net(rows.flip(3))).numpy()
    np.testing.assert_allclose(
        found.vectors * found.norms[:, None], expected, atol=1e-4 * np.abs(expected).max()
    )
    assert min(report.least_cosine for report in made.parity) > 0.99999


def test_the_card_says_what_the_run_knows(run_folder: Path, tmp_path: Path) -> None:
    card = export_run(run_folder, tmp_path / "net.onnx").card
    assert (card.name, card.task, card.embedding_dim, card.flip) == (
        "small-net_1", "embedding", 32, "none",
    )  # fmt: skip
    assert (card.mean, card.std, card.colour, card.template) == (127.5, 128.0, "rgb", "arcface-112")
    assert card.sha256 == sha256_file(tmp_path / "net.onnx")
    assert card.description == "A small network"
    assert card.training_data == "synthetic data, 48 images of 12 identities"
    assert "vultusnet-s trained with cosface in 12 steps; weights backbone-ema" in card.notes
    assert not card.licence.commercial_use
    said = ExportSettings(
        name="mine",
        flip="add",
        licence=Licence("MIT", commercial_use=True, source="me"),
        training_data="my photos",
        weights="last",
        replace=True,
    )
    card = export_run(run_folder, tmp_path / "net.onnx", settings=said).card
    assert (card.name, card.flip, card.licence.name) == ("mine", "add", "MIT")
    assert card.training_data == "my photos"
    assert "weights backbone stored" in card.notes


def test_without_a_name_it_lies_in_the_run_folder(run_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    assert export_run(run).file == run / "run.onnx"
    with pytest.raises(InputError, match=r"run\.onnx exists; .* --force"):
        export_run(run)


@pytest.mark.parametrize("storage", ["f16", "int8"])
def test_smaller_files_are_near_enough(run_folder: Path, tmp_path: Path, storage: Any) -> None:
    whole = export_run(run_folder, tmp_path / "whole.onnx")
    small = export_run(
        run_folder, tmp_path / "small.onnx", settings=ExportSettings(storage=storage)
    )
    assert small.file.stat().st_size < 0.8 * whole.file.stat().st_size
    assert small.parity[0].max_difference > whole.parity[0].max_difference
    assert f"stored as {storage}" in small.card.notes


def test_a_file_that_differs_is_not_written(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(backbone: Any) -> onnx.ModelProto:
        model = onnx_graph(backbone)
        tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
        values = numpy_helper.to_array(tensor).copy()
        values[:4] *= 1.3
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        return model

    monkeypatch.setattr(exporter, "onnx_graph", spoilt)
    with pytest.raises(ModelError, match="not the network that was trained, nothing was written"):
        export_run(run_folder, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_smaller_crops_takes_those_of_the_template(
    train: Callable[..., Path], tmp_path: Path
) -> None:
    run = train(tmp_path / "half", input={"size_hw": [56, 56]})
    made = export_run(run, tmp_path / "net.onnx")
    crops = sample_crops("arcface-112")
    found = open_embedder(made.file).embed(crops).vectors
    small = np.stack([resized(image, (56, 56)) for image in crops.pixels])
    rows = (torch.from_numpy(small).permute(0, 3, 1, 2).float() - 127.5) / 127.5
    with torch.no_grad():
        expected = torch.nn.functional.normalize(load_backbone(run)(rows)).numpy()
    # Up to the rounding of the small crops to whole grey levels.
    assert np.einsum("nd,nd->n", found, expected).min() > 0.9999


def test_what_cannot_be_exported(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="is no run folder"):
        export_run(tmp_path)
    with pytest.raises(ConfigError, match=r"has no backbone-best\.safetensors"):
        export_run(run_folder, tmp_path / "a.onnx", settings=ExportSettings(weights="best"))
    with pytest.raises(InputError, match=r"called NAME\.onnx, got 'a\.bin'"):
        export_run(run_folder, tmp_path / "a.bin")
    with pytest.raises(InputError, match="there is no folder"):
        export_run(run_folder, tmp_path / "nowhere" / "a.onnx")
    (tmp_path / "a.toml").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.toml exists"):
        export_run(run_folder, tmp_path / "a.onnx")

    def other_size(path: str) -> Recipe:
        recipe = load_recipe(path)
        values = {**recipe.to_dict(), "input": {"size_hw": [112, 96]}}
        return Recipe.from_dict(values, source="")

    monkeypatch.setattr(exporter, "load_recipe", other_size)
    with pytest.raises(ConfigError, match=r"trained on \(112, 96\), of another .*=\[112, 112\]"):
        export_run(run_folder, tmp_path / "b.onnx")


def test_an_export_goes_into_the_store(run_folder: Path, tmp_path: Path) -> None:
    made = export_run(run_folder, tmp_path / "net.onnx", settings=ExportSettings(name="mine"))
    store = ModelStore(tmp_path / "store", mirror=())
    assert store.import_model(made.file, made.card.to_dict()) == made.card
    assert store.card("mine") == made.card
    assert json.loads(json.dumps(made.parity[0].to_dict()))["crops"] == 12


class Same(Backbone):
    """Gives its input."""

    def compute(self, images: Tensor) -> Tensor:
        return images


@pytest.mark.parametrize("size_hw", [(56, 56), (56, 48), (100, 70), (130, 150)])
def test_crops_are_resized_as_the_trainer_does(size_hw: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (112, 96, 3), np.uint8)
    pixels = np.asarray(cv2.GaussianBlur(pixels, (5, 5), 2), np.uint8)
    net = ResizedInput(Same(dim=1, input_hw=size_hw), crop_hw=(112, 96))
    found = net(torch.from_numpy(pixels).permute(2, 0, 1)[None].float())
    expected = resized(pixels, size_hw).transpose(2, 0, 1)
    assert found.shape[2:] == size_hw
    # Both round to whole grey levels; OpenCV interpolates with weights of 11 bits besides.
    most = 0.501 if size_hw[0] < 112 else 1
    assert np.abs(found[0].numpy() - expected).max() <= most
