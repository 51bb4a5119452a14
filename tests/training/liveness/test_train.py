"""Training learns, goes on after a stop to the very same weights, and refuses other runs."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tests.training.liveness.world import LONGER, recipe_of

from vultus.core.errors import ConfigError
from vultus.training.liveness.prepared import PreparedPhotos, prepare_photos
from vultus.training.liveness.train import LivenessRun, train_liveness, trained_network


def weights(run: LivenessRun, prepared: PreparedPhotos) -> dict[str, torch.Tensor]:
    return dict(trained_network(run, prepared)[0].state_dict())


def test_the_loss_falls_and_every_epoch_is_logged(trained: LivenessRun) -> None:
    log = [json.loads(line) for line in trained.log.read_text().splitlines()]
    assert [line["epoch"] for line in log] == list(range(1, 31))
    losses = [line["loss"] for line in log]
    # Batches are small and each processor rounds otherwise: single epochs scatter by a fifth.
    assert sum(losses[-5:]) / 5 < 0.8 * sum(losses[:3]) / 3


def test_a_run_that_was_stopped_ends_with_the_same_weights(site: Path, tmp_path: Path) -> None:
    whole = train_liveness(recipe_of(site, tmp_path / "whole"))
    recipe = recipe_of(site, tmp_path / "parts")
    shutil.copytree(tmp_path / "whole" / "crops", tmp_path / "parts" / "crops")

    class StopError(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if what.startswith("training") and done == 1:
            raise StopError

    for resume in (False, True):
        with pytest.raises(StopError):
            train_liveness(recipe, resume=resume, progress=stop)
    stopped = train_liveness(recipe, resume=True)
    prepared = prepare_photos(recipe, stopped.path)
    wanted, found = weights(whole, prepared), weights(stopped, prepared)
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert [json.loads(line)["epoch"] for line in stopped.log.read_text().splitlines()] == [1, 2, 3]


def test_a_folder_with_a_run_is_gone_on_with_only_as_it_was(
    site: Path, trained: LivenessRun, tmp_path: Path
) -> None:
    output = shutil.copytree(trained.path, tmp_path / "door")
    same = recipe_of(site, output, *LONGER)
    with pytest.raises(ConfigError, match="go on with it by --resume"):
        train_liveness(same)
    with pytest.raises(ConfigError, match="holds a run of another recipe"):
        train_liveness(recipe_of(site, output, "fit.epochs=26"), resume=True)
    assert train_liveness(same, resume=True).path == output
    # The threshold is set at export: another share is no other run.
    looser = recipe_of(site, output, *LONGER, "apcer=0.3")
    assert train_liveness(looser, resume=True).path == output


def test_other_photos_are_refused(site: Path, tmp_path: Path) -> None:
    root = shutil.copytree(site, tmp_path / "site")
    recipe = recipe_of(root, tmp_path / "run", "fit.epochs=1")
    run = train_liveness(recipe)
    next((root / "live" / "p3").glob("*.png")).unlink()
    with pytest.raises(ConfigError, match="the photos are not those that the run"):
        train_liveness(recipe, resume=True)
    with pytest.raises(ConfigError, match="the photos are not those that the run"):
        trained_network(run, prepare_photos(recipe, run.path))


def test_a_run_without_weights_has_no_network(
    prepared: PreparedPhotos, trained: LivenessRun, tmp_path: Path
) -> None:
    shutil.copy(trained.config, tmp_path / "config.toml")
    with pytest.raises(ConfigError, match="no trained weights yet"):
        trained_network(LivenessRun(tmp_path), prepared)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said(site: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="takes a GPU that torch can use"):
        train_liveness(recipe_of(site, tmp_path, "run.device=cuda"))
