"""Pictures of losses: target logits over the angle, and trained 2-D features.

Needs matplotlib, imported when a picture is drawn; no window is opened and no global state touched.
"""

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from vultus.core.errors import InputError, MissingDependencyError
from vultus.core.files import writing
from vultus.core.text import install_hint
from vultus.losses.margins.functional import unit_rows
from vultus.losses.margins.margin_softmax import MarginSoftmax
from vultus.losses.margins.target_logit import (
    AnnealedLogit,
    ArcFaceLogit,
    CombinedLogit,
    CosFaceLogit,
    NormFaceLogit,
    TargetLogit,
)
from vultus.losses.margins.target_logit_adaptive import AdaFaceLogit, CircleLogit, MagFaceLogit
from vultus.training.toys.toys import Toy, class_scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Paul Tol's "muted" scheme: told apart by people with any kind of colour blindness.
COLOURS = (
    "#332288", "#88CCEE", "#44AA99", "#117733", "#999933",
    "#DDCC77", "#CC6677", "#882255", "#AA4499", "#777777",
)  # fmt: skip
_LINES = ("black", "#44AA99", "#CC6677", "#AA4499", "#332288", "#999933", "#88CCEE")
_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)), (0, (7, 3)))

_NORM = 60.0  # at which the norm-dependent ones are drawn

TARGET_LOGITS: Mapping[str, Mapping[str, TargetLogit]] = {
    "one margin": {
        "NormFace, COCO": NormFaceLogit(),
        "CosFace, m = 0.35": CosFaceLogit(0.35),
        "ArcFace and Curricular, m = 0.5": ArcFaceLogit(0.5),
        "ArcFace, smooth": ArcFaceLogit(0.5, "smooth"),
        "ArcFace, easy": ArcFaceLogit(0.5, "easy"),
        "combined (1, 0.3, 0.2)": CombinedLogit(1.0, 0.3, 0.2),
    },
    "multiplied angle": {
        "NormFace (m = 1)": NormFaceLogit(),
        "A-/L-Softmax, m = 1.35": CombinedLogit(1.35),
        "A-/L-Softmax, m = 2": CombinedLogit(2.0),
        "A-/L-Softmax, m = 3": CombinedLogit(3.0),
        "A-/L-Softmax, m = 4": CombinedLogit(4.0),
        "m = 4, annealed, lambda = 5": AnnealedLogit(CombinedLogit(4.0), 5.0),
    },
    "follows the sample": {
        "NormFace": NormFaceLogit(),
        "AdaFace, poor image (z = -1)": AdaFaceLogit(0.4, 1.0, 2 * _NORM, _NORM - 1e-3),
        "AdaFace, average (z = 0)": AdaFaceLogit(0.4, 1.0, _NORM, _NORM),
        "AdaFace, good image (z = 1)": AdaFaceLogit(0.4, 1.0, 0.0, _NORM - 1e-3),
        "MagFace, short feature": MagFaceLogit(200.0, 300.0, 0.45, 0.8),
        "MagFace, long feature": MagFaceLogit(1.0, 2.0, 0.45, 0.8),
        "Circle, m = 0.25": CircleLogit(0.25),
    },
}
"""What `target_logit_figure` draws: panel -> label -> target."""


def target_logit_figure() -> "Figure":
    """Target logit over the angle from 0 to 180 degrees (top), and its slope per radian (bottom).

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    figure = _figure(5.2 * len(TARGET_LOGITS), 8.0)
    grid = figure.subplots(2, len(TARGET_LOGITS), sharex=True, squeeze=False)
    # Off the exact ends, where the arc cosine's slope is cut off.
    theta = torch.linspace(0.002, math.pi - 0.002, 1441, dtype=torch.float64)
    degrees = torch.rad2deg(theta).numpy()
    for column, (panel, curves) in enumerate(TARGET_LOGITS.items()):
        for number, (label, target_logit) in enumerate(curves.items()):
            values, slopes = _values_and_slopes(target_logit, theta)
            look = {
                "color": _LINES[number % len(_LINES)],
                "linestyle": _STYLES[number % len(_STYLES)],
                "linewidth": 1.8,
            }
            grid[0][column].plot(degrees, values.numpy(), label=label, **look)
            grid[1][column].plot(degrees, slopes.numpy(), **look)
        grid[0][column].set_title(panel)
        grid[0][column].legend(fontsize=8, loc="lower left")
        grid[1][column].set_xlabel("angle to the own class (degrees)")
        for row in (0, 1):
            grid[row][column].grid(visible=True, alpha=0.3)
            grid[row][column].set_xlim(0, 180)
            grid[row][column].set_xticks(range(0, 181, 30))
    grid[0][0].set_ylabel("target logit / s")
    grid[1][0].set_ylabel("slope per radian")
    return figure


def _values_and_slopes(target_logit: TargetLogit, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Values and slopes -sin(theta) d target / dc, through the cosine as training sees it.

    NaN across a jump, so that no line is drawn there.
    """
    cos = torch.cos(theta).requires_grad_()
    values = target_logit(cos, torch.full_like(theta, _NORM))
    (by_cos,) = torch.autograd.grad(values.sum(), cos)
    values, slopes = values.detach(), -torch.sin(theta) * by_cos
    step = float(theta[1] - theta[0])
    jumps = values.diff().abs() > 0.05 + slopes.abs()[1:] * step
    gap = torch.cat([torch.zeros(1, dtype=torch.bool), jumps])
    return values.masked_fill(gap, math.nan), slopes.masked_fill(gap, math.nan)


def toy_figure(toys: Sequence[Toy]) -> "Figure":
    """One column a toy: its features in the plane (top) and their directions (bottom).

    The plane is coloured by the class that the trained loss decides for, without margin. The outer
    arcs of the lower view are where a feature of that class would meet the margin.

    Args:
        toys: At least one.

    Raises:
        InputError: If there is no toy.
        MissingDependencyError: If matplotlib is not installed.
    """
    if not toys:
        raise InputError("a picture needs at least one toy, got none")
    figure = _figure(2.6 * len(toys), 5.6)
    grid = figure.subplots(2, len(toys), squeeze=False)
    for column, toy in enumerate(toys):
        _draw_plane(grid[0][column], toy)
        _draw_circle(grid[1][column], toy)
        grid[0][column].set_title(f"{toy.title}\n{toy.accuracy:.1%} in their class", fontsize=9)
    grid[0][0].set_ylabel("features")
    grid[1][0].set_ylabel("directions")
    return figure


def _draw_plane(axes: "Axes", toy: Toy) -> None:
    from matplotlib.colors import ListedColormap

    classes = toy.loss.num_classes
    reach = 1.1 * float(toy.features.abs().quantile(0.985))
    line = torch.linspace(-reach, reach, 240)
    y, x = torch.meshgrid(line, line, indexing="ij")
    points = torch.stack([x.flatten(), y.flatten()], dim=1)
    with torch.no_grad():
        decided = class_scores(toy.loss, points, (toy.features, toy.labels)).argmax(dim=1)
    axes.imshow(
        decided.view(240, 240).numpy(),
        origin="lower",
        extent=(-reach, reach, -reach, reach),
        cmap=ListedColormap(COLOURS[:classes]),
        vmin=0,
        vmax=classes - 1,
        alpha=0.22,
        interpolation="nearest",
    )
    _scatter(axes, toy.features, toy.labels)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    _square(axes)


def _draw_circle(axes: "Axes", toy: Toy) -> None:
    angles = torch.linspace(-math.pi, math.pi, 1441)
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    weight = getattr(toy.loss, "weight", None)
    if weight is not None:
        weight = weight.detach().reshape(-1, 2)  # sub-centres one after the other
        for index, (x, y) in enumerate(unit_rows(weight)[0].tolist()):
            colour = COLOURS[index * toy.loss.num_classes // len(weight) % len(COLOURS)]
            axes.plot([0, x], [0, y], color=colour, linewidth=1)
    if isinstance(toy.loss, MarginSoftmax):
        for label in range(toy.loss.num_classes):
            met = circle[_meets_margin(toy.loss, circle, label)] * 1.13
            axes.scatter(met[:, 0], met[:, 1], s=3, color=COLOURS[label % len(COLOURS)])
    unit, _ = unit_rows(toy.features)
    # Spread the ring a little inwards, so that points on top of each other show as a band.
    radius = (
        0.88 + 0.12 * torch.linspace(0, 1, len(unit))[torch.arange(len(unit)) * 7919 % len(unit)]
    )
    _scatter(axes, unit * radius[:, None], toy.labels)
    axes.set_xlim(-1.25, 1.25)
    axes.set_ylim(-1.25, 1.25)
    _square(axes)


@torch.no_grad()
def _meets_margin(loss: MarginSoftmax, unit: Tensor, label: int) -> Tensor:
    """Where on the circle the target logit of this class is above all other cosines."""
    labels = torch.full((len(unit),), label)
    cos, own, norms = loss.cosines(unit, labels)
    target = loss.effective_target_logit(own, norms)(own, norms)
    others = cos.scatter(1, labels[:, None], -torch.inf).amax(dim=1)
    return target > others


def _scatter(axes: "Axes", points: Tensor, labels: Tensor) -> None:
    for label in labels.unique().tolist():  # type: ignore[no-untyped-call]
        own = points[labels == label]
        colour = COLOURS[label % len(COLOURS)]
        axes.scatter(own[:, 0], own[:, 1], s=4, color=colour, linewidths=0)
        lengths = own.norm(dim=1)
        x, y = own[lengths >= lengths.median()].mean(dim=0).tolist()
        box = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": colour}
        axes.text(x, y, str(label), fontsize=7, ha="center", va="center", bbox=box)


def _square(axes: "Axes") -> None:
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])


def save_png(figure: "Figure", path: str | Path, *, dpi: int = 80) -> None:
    """Write a picture as a PNG of 128 colours, a third of the usual size."""
    path = Path(path)
    buffer = BytesIO()
    figure.savefig(buffer, dpi=dpi, format="png")
    with Image.open(buffer) as image, writing(path) as stream:
        small = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
        small.save(stream, format="PNG", optimize=True)


def _figure(width_inches: float, height_inches: float) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(f"pictures need matplotlib; {install_hint('plot')}") from error
    return Figure(figsize=(width_inches, height_inches), layout="constrained")
