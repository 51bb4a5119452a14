from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from vultus.core.errors import ConfigError, ModelError, RegistryError
from vultus.models.cards import Licence, ModelCard
from vultus.models.digest import sha256_file
from vultus.models.store import ModelStore
from vultus.training.objectives import graph_network
from vultus.training.objectives.teacher import (
    CommitteeNetwork,
    Teacher,
    TeacherNetwork,
    open_teacher,
)
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.stage_config import DistillationConfig
from vultus.training.run.result import load_backbone
from vultus.training.trainer import Trainer


def opened(name: Path, *, template: str = "arcface-112", flip: bool = True) -> Teacher:
    config = DistillationConfig(teacher=str(name), flip=flip)
    return open_teacher(config, template=template, device=torch.device("cpu"))


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """Mean colours of 16 x 16 patches: (b, 3, 112, 112) -> (b, 147)."""
    graph = helper.make_graph(
        [
            helper.make_node(
                "AveragePool", ["x"], ["patches"], kernel_shape=[16, 16], strides=[16, 16]
            ),
            helper.make_node("Flatten", ["patches"], ["y"]),
        ],
        "patches",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 3, 112, 112])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 147])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "patches.onnx"
    path.write_bytes(model.SerializeToString())
    card = ModelCard(
        name="patches", task="embedding", description="For a test", file_name=path.name,
        sha256=sha256_file(path), licence=Licence("MIT", commercial_use=True, source="the test"),
        template="arcface-112", mean=100.0, std=50.0, embedding_dim=147, flip="concat",
    )  # fmt: skip
    path.with_suffix(".toml").write_text(card.to_toml(), encoding="utf-8")
    return path


def patches(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    planes = (pixels.transpose(0, 3, 1, 2) - 100.0) / 50
    means = planes.reshape(-1, 3, 7, 16, 7, 16).mean(axis=(3, 5))
    return np.asarray(means.reshape(len(pixels), -1))


def test_a_model_file_teaches_plain_plus_mirrored(model_file: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 112, 112, 3), np.uint8)
    for flip in (True, False):
        teacher = opened(model_file, flip=flip)
        assert (teacher.space.dim, teacher.size_hw) == (147, (112, 112))
        assert teacher.space.preprocessing.endswith("flip=add" if flip else "flip=none")
        found = teacher.embed(pixels)
        expected = patches(pixels) + (patches(pixels[:, :, ::-1]) if flip else 0)
        np.testing.assert_allclose(
            found.vectors * found.norms[:, None], expected, rtol=1e-4, atol=1e-4
        )


def test_a_run_teaches_what_it_left(tiny_recipe: Recipe) -> None:
    folder = Trainer(tiny_recipe).run().folder
    before = torch.random.get_rng_state()
    teacher = opened(folder)
    pixels = np.random.default_rng(0).integers(0, 255, (70, 32, 32, 3), np.uint8)
    found = teacher.embed(pixels)
    assert torch.equal(torch.random.get_rng_state(), before)
    net = load_backbone(folder)
    rows = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127.5) / 127.5
    with torch.no_grad():
        expected = net(rows) + net(rows.flip(3))
    torch.testing.assert_close(
        torch.from_numpy(found.vectors * found.norms[:, None]), expected, rtol=1e-3, atol=1e-3
    )
    assert teacher.space == opened(folder).space
    assert teacher.space.weights_sha256 == sha256_file(folder / "backbone.safetensors")


def rows_of(teacher: Teacher, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What `Teacher.embed` says, not normalised."""
    found = teacher.embed(pixels)
    return np.asarray(found.vectors * found.norms[:, None])


def images_of(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize("flip", [True, False])
def test_the_network_of_a_model_file_says_what_it_embeds(
    model_file: Path, flip: bool, colour: str
) -> None:
    card = model_file.with_suffix(".toml")
    text = card.read_text(encoding="utf-8")
    assert text.count('colour = "rgb"') == 1
    card.write_text(text.replace('colour = "rgb"', f'colour = "{colour}"'), encoding="utf-8")
    teacher = opened(model_file, flip=flip)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 112, 112, 3), np.uint8)
    found = teacher.network()(images_of(pixels))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), rows_of(teacher, pixels), rtol=1e-4, atol=1e-4)
    ordered = pixels if colour == "rgb" else pixels[..., ::-1]
    expected = patches(ordered) + (patches(ordered[:, :, ::-1]) if flip else 0)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("flip", [True, False])
def test_the_network_of_a_run_says_what_it_embeds_and_never_trains(
    tiny_recipe: Recipe, flip: bool
) -> None:
    teacher = opened(Trainer(tiny_recipe).run().folder, flip=flip)
    before = torch.random.get_rng_state()
    network = teacher.network()
    assert torch.equal(torch.random.get_rng_state(), before)
    pixels = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), np.uint8)
    expected = rows_of(teacher, pixels)
    assert network.train() is network
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    state = {name: value.clone() for name, value in network.state_dict().items()}
    for images in (images_of(pixels), images_of(pixels).float().requires_grad_()):
        found = network(images)
        assert not found.requires_grad
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-3)
    for name, value in network.state_dict().items():  # running statistics too
        assert torch.equal(value, state[name])


def test_a_network_that_torch_cannot_compute_is_refused_only_when_asked_for(
    model_file: Path,
) -> None:
    model = onnx.load(model_file)
    model.graph.node[1].op_type = "Softmax"
    model.graph.node[1].output[0] = "shares"
    model.graph.node.append(helper.make_node("Flatten", ["shares"], ["y"]))
    onnx.save(model, model_file)
    card = model_file.with_suffix(".toml")
    text = card.read_text(encoding="utf-8").splitlines()
    digest = f'sha256 = "{sha256_file(model_file)}"'
    card.write_text("\n".join(digest if s.startswith("sha256") else s for s in text), "utf-8")
    teacher = opened(model_file)
    assert len(teacher.embed(np.zeros((1, 112, 112, 3), np.uint8))) == 1
    with pytest.raises(ModelError, match="operation 'Softmax'"):
        teacher.network()


@pytest.fixture
def committee_home(model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two models of the store: patches, and the same upside down; the name of both together."""
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    model = onnx.load(model_file)
    model.graph.node[0].input[0] = "turned"
    sides = [helper.make_tensor(n, TensorProto.INT64, [1], [v]) for n, v in _TURN.items()]
    model.graph.initializer.extend(sides)
    model.graph.node.insert(0, helper.make_node("Slice", ["x", *_TURN], ["turned"]))
    other = tmp_path / "turned.onnx"
    onnx.save(model, other)
    values = ModelCard.from_file(model_file.with_suffix(".toml")).to_dict()
    for key in ("sha256", "file_name", "size_bytes"):
        values.pop(key, None)
    store = ModelStore()
    store.import_model(model_file, {**values, "name": "upright", "min_norm": 2.0})
    store.import_model(other, {**values, "name": "turned"})
    return "upright@3+turned@1"


_TURN = {"start": -1, "end": -200, "axis": 2, "step": -1}


@pytest.mark.parametrize("flip", [True, False])
def test_a_committee_teaches_its_members_unit_vectors_joined_with_weights(
    committee_home: str, flip: bool
) -> None:
    teacher = opened(Path(committee_home), flip=flip)
    assert teacher.space.dim == 294
    assert teacher.space.model == "turned@0.25+upright@0.75"
    assert teacher.space.preprocessing.count("flip=add" if flip else "flip=none") == 2
    pixels = np.random.default_rng(0).integers(0, 255, (3, 112, 112, 3), np.uint8)
    rows = [patches(p) + (patches(p[:, :, ::-1]) if flip else 0) for p in (pixels, pixels[:, ::-1])]
    lengths = [np.linalg.norm(row, axis=1, keepdims=True) for row in rows]
    units = [row / length for row, length in zip(rows, lengths, strict=True)]
    # Of the members the first alone states a least norm, and the norm counts in it.
    joined = np.concatenate([units[1] * 0.5, units[0] * 0.75**0.5], axis=1) * lengths[0] / 2
    np.testing.assert_allclose(rows_of(teacher, pixels), joined, rtol=1e-3, atol=1e-4)
    teacher_space = opened(Path("upright@1+turned@1"), flip=flip).space
    assert teacher_space.weights_sha256 != teacher.space.weights_sha256


def test_the_network_of_a_committee_says_what_it_embeds(
    committee_home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(graph_network._MAKERS, "Slice", lambda _: lambda maps, *_: maps.flip(2))
    teacher = opened(Path(committee_home))
    network = teacher.network()
    assert network.train() is network
    assert not any(module.training for module in network.modules())
    assert not list(network.parameters())
    pixels = np.random.default_rng(0).integers(0, 255, (3, 112, 112, 3), np.uint8)
    found = network(images_of(pixels))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), rows_of(teacher, pixels), rtol=1e-3, atol=1e-4)


def test_where_no_member_states_a_least_norm_norms_are_the_weighted_means() -> None:
    member = TeacherNetwork(nn.Flatten(), mean=0.0, std=1.0, flip=False)
    other = TeacherNetwork(nn.Flatten(), mean=0.0, std=0.5, flip=False)
    images = torch.arange(1, 13).reshape(1, 3, 2, 2).float()
    length = images.norm()
    both = CommitteeNetwork([member, other], weights=[0.75, 0.25], least_norms=[0.0, 0.0])
    assert both(images).norm().item() == pytest.approx(1.25 * length.item(), rel=1e-5)
    least = CommitteeNetwork([member, other], weights=[0.75, 0.25], least_norms=[2.0, 5.0])
    assert least(images).norm().item() == pytest.approx(0.4 * length.item(), rel=1e-5)


def test_who_cannot_teach(model_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"template 'arcface-112', and input\.template is 'sph"):
        opened(model_file, template="sphereface-112x96")
    with pytest.raises(ConfigError, match="no run folder and no model"):
        opened(tmp_path)
    with pytest.raises(RegistryError, match="no 'nobody'"):
        opened(Path("nobody"))
    card = model_file.with_suffix(".toml")
    card.write_text(card.read_text().replace('"embedding"', '"quality"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="must be an embedding model"):
        opened(model_file)
