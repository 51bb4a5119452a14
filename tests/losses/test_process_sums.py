from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from vultus.core.errors import InputError
from vultus.losses import LOSSES
from vultus.losses.base import IGNORED
from vultus.losses.centres.center import center_update
from vultus.losses.margins.adaptive import AdaCos, AdaFace
from vultus.losses.process_sums import sum_over_processes


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    x = 9 * torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(8) % 3


def adacos() -> AdaCos:
    torch.manual_seed(1)
    return AdaCos(num_classes=30, dim=4)


def two_part_scale() -> torch.Tensor:
    """AdaCos's scale after a step on two ranks, from the formula."""
    loss = adacos()
    logs, medians = [], []
    for rank in range(2):
        x, labels = (part[rank::2] for part in batch())
        cos = torch.nn.functional.cosine_similarity(x[:, None], loss.weight.detach()[None], dim=2)
        others = torch.exp(loss.dynamic_scale * cos).scatter(1, labels[:, None], 0).sum(dim=1)
        logs.append(others.mean().log())
        own = cos.gather(1, labels[:, None])[:, 0]
        medians.append(own.acos().median().clamp_max(torch.pi / 4))
    return torch.stack(logs).mean() / torch.stack(medians).mean().cos()


def run(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    x, labels = (part[rank::2] for part in batch())
    loss = AdaFace(num_classes=3, dim=4)
    loss(x, labels)
    update = center_update(x, labels, torch.ones(3, 4))
    own_scale = adacos()
    own_scale(x, labels)
    state = [loss.norm_mean, loss.norm_std, update, own_scale.dynamic_scale]
    torch.save(state, f"{folder}/{rank}.pt")
    check_refusal(rank)
    check_empty(rank)
    distributed.destroy_process_group()


def check_refusal(rank: int) -> None:
    """Wrong labels on one rank are an error on both, in each loss that sums over them."""
    x, labels = batch()
    for name in ("adaface", "adacos", "curricularface", "center"):
        loss = LOSSES.create(name, num_classes=3, dim=4)
        said = "refused theirs" if rank == 0 else r"labels must lie in \[0, 3\)"
        with pytest.raises(InputError, match=said):
            loss(x, labels + rank)


def check_empty(rank: int) -> None:
    """A batch that is empty on one rank counts for nothing on both."""
    x, labels = batch()
    loss = AdaFace(num_classes=3, dim=4)
    output = loss(x, torch.where(torch.tensor(rank == 0), labels, IGNORED))
    assert output.loss == 0
    assert loss.norm_mean == 20


def test_alone_the_sum_is_a_copy() -> None:
    values = torch.ones(2, requires_grad=True)
    total = sum_over_processes(values)
    assert total.tolist() == [1, 1]
    assert not total.requires_grad


@pytest.mark.slow
def test_two_processes_keep_the_statistics_of_the_whole_batch(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=run, args=(rank, str(tmp_path))) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=100)
        assert process.exitcode == 0
    loss = AdaFace(num_classes=3, dim=4)
    loss(*batch())
    expected = [loss.norm_mean, loss.norm_std, center_update(*batch(), torch.ones(3, 4))]
    expected.append(two_part_scale())
    for rank in range(2):
        given = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for value, wanted in zip(given, expected, strict=True):
            assert torch.allclose(value, wanted, rtol=1e-5), rank
    assert loss.norm_mean.item() != pytest.approx(20.0)
