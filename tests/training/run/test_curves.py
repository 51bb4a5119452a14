from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vultus.training.run.curves import curves_figure
from vultus.training.toys.plots import save_png


def step(number: int, **values: Any) -> dict[str, Any]:
    return {"kind": "step", "step": number, "loss": 3.0 / number, "lr": 0.1, **values}


def evaluation(number: int, name: str) -> dict[str, Any]:
    accuracy = {"accuracy": 0.9, "accuracy_low": 0.85, "accuracy_high": 0.92}
    return {"kind": "evaluation", "step": number, "set": name, **accuracy}


def test_every_kind_of_line_gets_its_panel(tmp_path: Path) -> None:
    log = [step(n, target_angle_deg=90.0 - n) for n in (1, 2, 3)]
    log += [evaluation(2, "lfw"), evaluation(3, "lfw"), evaluation(3, "other")]
    log.append({"kind": "note", "step": 3, "text": "hello"})
    figure = curves_figure(log, title="a run")
    labels = [axis.get_ylabel() for axis in figure.axes]
    assert labels == ["loss", "target angle (deg)", "learning rate", "accuracy"]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [3.0, 1.5, 1.0]  # type: ignore[union-attr]
    legend = figure.axes[3].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["lfw", "other"]
    save_png(figure, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert np.asarray(image.convert("L")).std() > 5


@pytest.mark.parametrize("log", [[], [step(1, loss=None)]], ids=["nothing", "a loss that is none"])
def test_little_to_draw_is_no_error(log: list[dict[str, Any]], tmp_path: Path) -> None:
    save_png(curves_figure(log, title=""), tmp_path / "curves.png")
