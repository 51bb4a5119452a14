import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from vultus.core.errors import ConfigError
from vultus.training.process.distributed import World, join_world

WORKER = Path(__file__).with_name("world_worker.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def run_two(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*TORCHRUN, str(WORKER), *arguments], capture_output=True, text=True, env=environment
    )


def test_two_processes_agree(tmp_path: Path) -> None:
    done = run_two(str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "done-0").exists()
    assert (tmp_path / "done-1").exists()


@pytest.mark.slow
def test_an_error_of_one_process_ends_all(tmp_path: Path) -> None:
    done = run_two(str(tmp_path), "fail")
    assert done.returncode != 0
    assert "ValueError: planted" in done.stderr
    assert not list(tmp_path.iterdir())


def test_alone_everything_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    net = nn.Linear(2, 2)
    with join_world("cpu") as world:
        assert world == World(0, 1, torch.device("cpu"), None)
        assert world.wrap(net) is net
        assert world.gather("piece") == ["piece"]
        assert world.on_first(lambda: 3) == 3
        assert world.any_of(torch.tensor([True, False])) == [True, False]
        assert (world.any_rank(True), world.any_rank(False)) == (True, False)
        world.copy_from_first(net.parameters())
        world.average_gradients(net.parameters())
    assert net.weight.grad is None


def test_half_of_torchruns_variables_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(ConfigError, match=r"must all be set.*only RANK found"), join_world("cpu"):
        pass


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ConfigError, match="device must be"), join_world(device):
        pass
