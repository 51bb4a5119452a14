from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_target_logit_writes_a_png(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "logits.png"
    result = run("plot", "target-logit", "-o", str(path))
    assert result.code == 0
    assert result.out.strip() == str(path)
    with Image.open(path) as image:
        assert image.format == "PNG"


def test_toy_draws_one_column_a_loss_and_sweep_value(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "toy.png"
    arguments = ["toy", "--loss", "cosface:scale=16", "--loss", "arcface:margin_rad=0.1"]
    arguments += ["--steps", "1", "-o", str(path)]
    run("plot", *arguments)
    with Image.open(path) as image:
        two = image.width
    sweep = ["toy", "--loss", "cosface:scale=16", "--sweep", "margin_cos=0,0.2,0.45"]
    run("plot", *sweep, "--steps", "1", "-o", str(path))
    with Image.open(path) as image:
        assert image.width == pytest.approx(two * 1.5, abs=2)


@pytest.mark.parametrize(
    ("loss", "message"),
    [("cosface:margin_cos", "key=value"), ("cosface:margin=1", "it takes"), ("no", "no 'no'")],
)
def test_a_wrong_loss_or_setting_is_named(
    run: Run, tmp_path: Path, loss: str, message: str
) -> None:
    outcome = run("plot", "toy", "--loss", loss, "--steps", "1", "-o", tmp_path / "x.png")
    assert outcome.code == 2
    assert message in outcome.err
