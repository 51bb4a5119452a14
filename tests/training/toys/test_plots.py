import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vultus.core.errors import InputError
from vultus.training.toys.plots import TARGET_LOGITS, save_png, target_logit_figure, toy_figure
from vultus.training.toys.toys import synthetic_identities, train_toy


def test_target_logit_curves_are_the_formulas() -> None:
    figure = target_logit_figure()
    top, bottom = figure.axes[:3], figure.axes[3:]
    for axes, below, curves in zip(top, bottom, TARGET_LOGITS.values(), strict=True):
        assert [line.get_label() for line in axes.lines] == list(curves)
        assert len(below.lines) == len(curves)
    cosface = top[0].lines[1]
    degrees, values = np.asarray(cosface.get_xdata()), np.asarray(cosface.get_ydata())
    assert values == pytest.approx(np.cos(np.radians(degrees)) - 0.35)
    slopes = np.asarray(bottom[0].lines[1].get_ydata())
    assert slopes == pytest.approx(-np.sin(np.radians(degrees)), abs=1e-9)


def test_a_jump_is_a_gap_and_nothing_else_is() -> None:
    axes = target_logit_figure().axes[0]
    gaps = {line.get_label(): np.isnan(np.asarray(line.get_ydata())).sum() for line in axes.lines}
    assert gaps["ArcFace and Curricular, m = 0.5"] == 1
    assert gaps["ArcFace, easy"] == 1
    assert gaps["ArcFace, smooth"] == gaps["NormFace, COCO"] == 0


def test_margin_arcs_narrow_with_the_margin() -> None:
    data = synthetic_identities(num_classes=4, per_class=5)
    lengths = []
    for margin in (0.0, 0.3):
        toy = train_toy(data, "cosface", settings={"margin_cos": margin}, steps=1)
        toy.loss.step = 10
        toy.loss.load_state_dict(
            {"weight": torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])},
            strict=False,
        )
        circle = toy_figure([toy]).axes[1]
        arcs = [
            len(points)
            for points in (np.asarray(c.get_offsets()) for c in circle.collections)
            if len(points) and np.hypot(*points.T).min() > 1.1
        ]
        lengths.append(sum(arcs) / 1441)
    assert lengths[0] == pytest.approx(1.0, abs=0.01)
    # cos(t) - 0.3 > cos(90 deg - t) = sin(t): 45 deg less asin(0.3 / sqrt(2)) on either side
    left = math.degrees(math.pi / 4 - math.asin(0.3 / math.sqrt(2))) / 45
    assert lengths[1] == pytest.approx(left, abs=0.01)


def test_pictures_are_small_and_not_empty(tmp_path: Path) -> None:
    toys = [
        train_toy(synthetic_identities(num_classes=4, per_class=5), name, steps=2)
        for name in ("softmax", "subcenter-arcface", "contrastive")
    ]
    save_png(toy_figure(toys), tmp_path / "toy.png")
    with Image.open(tmp_path / "toy.png") as image:
        assert image.size == (round(2.6 * 3 * 80), round(5.6 * 80))
        assert len(image.convert("RGB").getcolors(10**6) or []) > 10
    assert (tmp_path / "toy.png").stat().st_size < 200_000


def test_no_toy_no_picture() -> None:
    with pytest.raises(InputError, match="at least one toy"):
        toy_figure([])
