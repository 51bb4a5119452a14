"""How series are told apart in every picture, and the axes that pictures share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import MissingDependencyError
from vultus.core.text import install_hint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours that colour-blind readers can tell apart, and that show on white and on black.

Source:
    M. Okabe and K. Ito, Color Universal Design, 2008; without its black and its yellow.
"""

DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (5, 2, 1, 2), (1, 1.5))
"""Lengths of dash and gap in line widths; the first is a solid line."""

SIZE_INCHES = (6.4, 4.8)
_DET_TICKS = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5)
_MORE_TICKS = (0.02, 0.1, 0.35)
"""Between them on an upright axis, where labels do not run into each other."""


@dataclass(frozen=True, slots=True)
class SeriesStyle:
    """How one series is drawn.

    Attributes:
        colour: ``#RRGGBB``.
        dashes: Lengths of dash and gap in line widths; empty for a solid line.
    """

    colour: str
    dashes: tuple[float, ...] = ()

    def line(self) -> dict[str, Any]:
        """What matplotlib's ``plot`` takes."""
        return {"color": self.colour, "linestyle": (0, self.dashes) if self.dashes else "-"}


def series_styles(names: Iterable[str]) -> dict[str, SeriesStyle]:
    """A style for each name by its place: both colour and dashes differ between neighbours.

    Twelve combinations come before the first repeats.
    """
    return {
        name: SeriesStyle(OKABE_ITO[k % len(OKABE_ITO)], DASHES[k % len(DASHES)])
        for k, name in enumerate(dict.fromkeys(names))
    }


def plain_text(text: str) -> str:
    """Text as it stands: matplotlib reads ``$`` as mathematics and hides labels with a first _."""
    escaped = text.replace("$", r"\$")
    return f"\N{ZERO WIDTH SPACE}{escaped}" if escaped.startswith("_") else escaped


def new_figure(
    x_label: str, y_label: str, *, size_inches: Sequence[float] = SIZE_INCHES
) -> "tuple[Figure, Axes]":
    """One empty pair of axes with a light grid.

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(f"pictures need matplotlib; {install_hint('plot')}") from error
    figure = Figure(figsize=(size_inches[0], size_inches[1]), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def normal_deviates(rates: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where rates in (0, 1) lie on a normal-deviate axis."""
    normal = NormalDist()
    return np.array([normal.inv_cdf(rate) for rate in rates.tolist()])


def deviate_axis(axes: "Axes", which: str, lowest: float, *, highest: float = 0.6) -> None:
    """Give one axis normal-deviate ticks.

    Args:
        axes: To change.
        which: ``"x"`` or ``"y"``.
        lowest: Rate at the lower end, in (0, 1).
        highest: Rate at the upper end, in (0, 1).
    """
    low = min(lowest, 0.8 * highest)
    known = sorted({*_DET_TICKS, *_MORE_TICKS}) if which == "y" else _DET_TICKS
    ticks = np.array([tick for tick in known if low <= tick <= highest])
    labels = [f"$10^{{{round(np.log10(t))}}}$" if t <= 0.01 else f"{t:g}" for t in ticks]
    places = normal_deviates(ticks)
    limits = normal_deviates(np.array([low, highest]))
    if which == "x":
        axes.set_xticks(places, labels)
        axes.set_xlim(*limits)
    else:
        axes.set_yticks(places, labels)
        axes.set_ylim(*limits)
