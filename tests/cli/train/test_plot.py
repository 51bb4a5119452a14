from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from vultus.cli.train.plot import app
from vultus.core.errors import InputError

RUN = CliRunner()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_target_logit_writes_a_png(tmp_path: Path) -> None:
    path = tmp_path / "logits.png"
    result = RUN.invoke(app, ["target-logit", "-o", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.strip() == str(path)
    with Image.open(path) as image:
        assert image.format == "PNG"


def test_toy_draws_one_column_a_loss_and_sweep_value(tmp_path: Path) -> None:
    path = tmp_path / "toy.png"
    arguments = ["toy", "--loss", "cosface:scale=16", "--loss", "arcface:margin_rad=0.1"]
    arguments += ["--steps", "1", "-o", str(path)]
    RUN.invoke(app, arguments, catch_exceptions=False)
    with Image.open(path) as image:
        two = image.width
    sweep = ["toy", "--loss", "cosface:scale=16", "--sweep", "margin_cos=0,0.2,0.45"]
    RUN.invoke(app, [*sweep, "--steps", "1", "-o", str(path)], catch_exceptions=False)
    with Image.open(path) as image:
        assert image.width == pytest.approx(two * 1.5, abs=2)


@pytest.mark.parametrize(
    ("loss", "message"),
    [("cosface:margin_cos", "name=value"), ("cosface:margin=1", "it takes"), ("no", "no 'no'")],
)
def test_a_wrong_loss_or_setting_is_named(tmp_path: Path, loss: str, message: str) -> None:
    with pytest.raises((InputError, LookupError), match=message):
        RUN.invoke(
            app,
            ["toy", "--loss", loss, "--steps", "1", "-o", str(tmp_path / "x.png")],
            catch_exceptions=False,
        )
