from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from vultus.core.errors import ConfigError
from vultus.training.recipe.config import InitialConfig
from vultus.training.recipe.recipe import Recipe
from vultus.training.run.checkpoint import CheckpointFolder
from vultus.training.run.result import (
    build_backbone,
    load_backbone,
    load_initial_weights,
    save_backbone,
)
from vultus.training.run.run_folder import RunFolder


@pytest.fixture
def folder(tiny_recipe: Recipe, tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    made.begin(tiny_recipe, resume=False)
    return made


def starting(recipe: Recipe, place: Path, *, skip: tuple[str, ...] = ()) -> Recipe:
    return replace(recipe, initial=InitialConfig(weights=str(place), skip=skip))


def no_crops() -> torch.Tensor:
    raise AssertionError("weights that were not exported need no crops")


def constant(recipe: Recipe, value: float) -> dict[str, torch.Tensor]:
    return {n: torch.full_like(v, value) for n, v in build_backbone(recipe).state_dict().items()}


def test_the_mean_of_the_weights_comes_before_the_last_ones(
    folder: RunFolder, tiny_recipe: Recipe
) -> None:
    save_backbone(constant(tiny_recipe, 1), folder.backbone)
    assert load_backbone(folder.path).state_dict()["project.0.weight"].unique().tolist() == [1]
    save_backbone(constant(tiny_recipe, 2), folder.ema)
    save_backbone(constant(tiny_recipe, 3), folder.best)
    for weights, value in {"auto": 2, "last": 1, "ema": 2, "best": 3}.items():
        backbone = load_backbone(folder.path, weights=weights)  # type: ignore[arg-type]
        assert backbone.state_dict()["project.0.weight"].unique().tolist() == [value]
        assert not backbone.training


@pytest.mark.parametrize("mean", [True, False])
def test_a_stopped_run_gives_its_newest_checkpoint_and_says_so(
    folder: RunFolder, tiny_recipe: Recipe, caplog: pytest.LogCaptureFixture, mean: bool
) -> None:
    checkpoints = CheckpointFolder(folder.checkpoints)
    for step in (10, 20):
        means = {"updates": step, "means": constant(tiny_recipe, step + 1)}
        ema = means if mean else None
        checkpoints.save({"backbone": constant(tiny_recipe, step), "ema": ema}, step=step)
    for weights, value in {"auto": 20 + mean, "last": 20}.items():
        caplog.clear()
        backbone = load_backbone(folder.path, weights=weights)  # type: ignore[arg-type]
        assert backbone.state_dict()["project.0.weight"].unique().tolist() == [value]
        assert "is not complete: its weights are taken from step-00000020" in caplog.text
    other = build_backbone(tiny_recipe)
    load_initial_weights(other, starting(tiny_recipe, folder.path), crops=no_crops)
    assert other.state_dict()["project.0.weight"].unique().tolist() == [20 + mean]
    if not mean:
        with pytest.raises(ConfigError, match="keeps no mean of the weights"):
            load_backbone(folder.path, weights="ema")
    with pytest.raises(ConfigError, match=r"no backbone-best\.safetensors; the run was stopped: "):
        load_backbone(folder.path, weights="best")
    # A run that went on to its end is what it ended with.
    save_backbone(constant(tiny_recipe, 7), folder.backbone)
    caplog.clear()
    assert load_backbone(folder.path).state_dict()["project.0.weight"].unique().tolist() == [7]
    assert caplog.text == ""


def test_what_is_no_complete_run_is_said(folder: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no checkpoint, go on with --resume"):
        load_backbone(folder.path)
    with pytest.raises(ConfigError, match="is no run folder"):
        load_backbone(tmp_path)
    folder.backbone.write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match="must be a safetensors file"):
        load_backbone(folder.path)
    save_file({"other": torch.ones(1)}, folder.backbone)
    with pytest.raises(ConfigError, match="does not fit the recipe beside it"):
        load_backbone(folder.path)


def test_initial_weights_come_from_runs_and_files(folder: RunFolder, tiny_recipe: Recipe) -> None:
    save_backbone(constant(tiny_recipe, 2), folder.backbone)
    for place in (folder.path, folder.backbone):
        backbone = build_backbone(tiny_recipe)
        load_initial_weights(backbone, starting(tiny_recipe, place), crops=no_crops)
        assert all((value == 2).all() for value in backbone.state_dict().values())


def test_skipped_parameters_keep_their_start(
    folder: RunFolder, tiny_recipe: Recipe, tiny_values: dict[str, Any]
) -> None:
    save_backbone(constant(tiny_recipe, 2), folder.backbone)
    tiny_values["backbone"]["dim"] = 24
    other = Recipe.from_dict(tiny_values, source="")
    backbone = build_backbone(other)
    before = backbone.state_dict()["project.0.weight"].clone()
    with pytest.raises(ConfigError, match=r"in \d tensors \(project\.0\.weight"):
        load_initial_weights(backbone, starting(other, folder.backbone), crops=no_crops)
    skipping = starting(other, folder.backbone, skip=("project.*",))
    load_initial_weights(backbone, skipping, crops=no_crops)
    state = backbone.state_dict()
    assert torch.equal(state["project.0.weight"], before)
    assert (state["stages.0.weight"] == 2).all()


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    strided = torch.arange(12.0).reshape(3, 4).T
    save_backbone({"a": strided}, tmp_path / "w.safetensors")
    assert torch.equal(load_file(tmp_path / "w.safetensors")["a"], strided)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
