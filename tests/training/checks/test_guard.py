import json
import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vultus.core.errors import TrainingError
from vultus.data.loading.batch import FaceBatch
from vultus.training.checks.guard import NonFiniteGuard
from vultus.training.process.precision import new_scaler

NO_SCALER = new_scaler("f32", torch.device("cpu"))


class Bench:
    """A network with statistics, an optimiser, and a guard between them."""

    def __init__(self, folder: Path, *, max_in_a_row: int = 2) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)
        self.guard = NonFiniteGuard(
            [self.net], folder=folder, max_in_a_row=max_in_a_row, identities=("ann", "bob", "cy")
        )
        self.step = 0

    def make(
        self, images: Tensor, factor: float = 1.0, scaler: torch.amp.GradScaler = NO_SCALER
    ) -> bool:
        """One step of two batches, the second of them given."""
        self.step += 1
        self.optimizer.zero_grad()
        self.guard.start_step()
        for rows in (torch.randn(4, 3), images):
            count = len(rows)
            batch = FaceBatch(rows, torch.arange(count) % 4 - 1, torch.arange(count) + 100)
            features = self.net(rows)
            loss = features.square().sum() * factor
            self.guard.watch(batch, features, loss)
            loss.backward()
        norm = torch.stack([p.grad.norm() for p in self.net.parameters() if p.grad is not None])
        good = self.guard.passes(self.step, norm=norm.norm(), scaler=scaler)
        if good:
            self.optimizer.step()
        return good

    def state(self) -> list[Tensor]:
        return [value.clone() for value in self.net.state_dict().values()]


def bad_images(value: float = float("nan")) -> Tensor:
    images = torch.ones(5, 3)
    images[2, 1] = value
    return images


def test_a_bad_step_leaves_weights_and_statistics_as_they_were(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bad")
    assert bench.make(torch.randn(5, 3))
    before = bench.state()
    assert not bench.make(bad_images())
    assert all(map(torch.equal, bench.state(), before))
    assert bench.make(torch.randn(5, 3))
    assert not any(map(torch.equal, bench.state(), before))
    assert all(bool(value.isfinite().all()) for value in bench.state())


def test_the_batch_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path / "bad")
    with caplog.at_level(logging.WARNING):
        bench.make(bad_images())
    assert "step 1: the loss is no number, with the images 100, 101," in caplog.text
    (path,) = (tmp_path / "bad").iterdir()
    assert path.name == "step-00000001-rank-0.json"
    report = json.loads(path.read_text())
    first, second = report["batches"]
    assert first["rows_not_finite"] == []
    assert second["indices"] == [100, 101, 102, 103, 104]
    assert second["labels"] == [-1, 0, 1, 2, -1]
    assert second["identities"] == [None, "ann", "bob", "cy", None]
    # Batch normalisation spreads one bad image over its batch.
    assert second["rows_not_finite"] == [0, 1, 2, 3, 4]
    assert (first["loss"] == "nan", second["loss"]) == (False, "nan")
    assert "0.weight" in report["gradients_not_finite"]


def test_one_bad_step_too_many_in_a_row_stops_the_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_in_a_row=2)
    for _ in range(3):  # a good one between two pairs: never three in a row
        assert not bench.make(bad_images())
        assert not bench.make(bad_images(float("inf")))
        assert bench.make(torch.randn(5, 3))
    bench.make(bad_images())
    bench.make(bad_images())
    with pytest.raises(TrainingError, match=r"3 such steps in a row, at most 2 are left out"):
        bench.make(bad_images())


def test_no_bad_step_is_allowed_if_so_wished(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="1 such steps in a row, at most 0"):
        Bench(tmp_path, max_in_a_row=0).make(bad_images())


def test_an_infinite_gradient_of_a_finite_loss_is_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    next(bench.net.parameters()).register_hook(lambda gradient: gradient / 0)  # type: ignore[no-untyped-call]
    assert not bench.make(torch.randn(5, 3))
    assert "the gradient is no number" in caplog.text


def test_float16_overflow_halves_the_scale_and_is_no_error(tmp_path: Path) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(torch.ones(1))  # the scale exists from the first use on
    bench = Bench(tmp_path / "bad", max_in_a_row=0)
    next(bench.net.parameters()).register_hook(lambda gradient: gradient / 0)  # type: ignore[no-untyped-call]
    assert not bench.make(torch.randn(5, 3), scaler=scaler)
    assert not bench.make(torch.randn(5, 3), scaler=scaler)
    assert scaler.get_scale() == 1.0
    assert not (tmp_path / "bad").exists()
    with pytest.raises(TrainingError, match="the gradient is no number"):
        bench.make(torch.randn(5, 3), scaler=scaler)


def test_a_loss_that_is_no_number_is_an_error_in_float16_too(tmp_path: Path) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(torch.ones(1))
    with pytest.raises(TrainingError, match="the loss is no number"):
        Bench(tmp_path, max_in_a_row=0).make(bad_images(), scaler=scaler)
