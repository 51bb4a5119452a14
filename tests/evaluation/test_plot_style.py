from statistics import NormalDist

import numpy as np
import pytest
from matplotlib.cbook import is_math_text

from vultus.evaluation.plot_style import (
    deviate_axis,
    new_figure,
    normal_deviates,
    plain_text,
    series_styles,
)


def test_names_are_drawn_as_they_stand() -> None:
    _, axes = new_figure("x", "y")
    for name in ("$a_b$", "_hidden", "50 $", r"a\b"):
        axes.plot([0, 1], label=plain_text(name))
    legend = axes.legend()
    shown = [text.get_text().replace(r"\$", "$").lstrip("\u200b") for text in legend.get_texts()]
    assert shown == ["$a_b$", "_hidden", "50 $", r"a\b"]
    # None is drawn as mathematics.
    assert not any(is_math_text(text.get_text()) for text in legend.get_texts())


def test_a_name_keeps_its_style_and_neighbours_differ() -> None:
    styles = series_styles(["a", "b", "a", "c"])
    assert list(styles) == ["a", "b", "c"]
    assert len({style.colour for style in styles.values()}) == 3
    assert len({style.dashes for style in styles.values()}) == 3
    assert styles["a"].line()["linestyle"] == "-"


def test_deviate_axes_put_rates_where_the_normal_has_them() -> None:
    _, axes = new_figure("x", "y")
    deviate_axis(axes, "x", 1e-4)
    deviate_axis(axes, "y", 1e-3, highest=0.1)
    normal = NormalDist()
    assert axes.get_xlim() == pytest.approx([normal.inv_cdf(1e-4), normal.inv_cdf(0.6)])
    assert axes.get_ylim() == pytest.approx([normal.inv_cdf(1e-3), normal.inv_cdf(0.1)])
    rates = [normal.cdf(place) for place in axes.get_yticks()]
    assert rates == pytest.approx([1e-3, 0.01, 0.02, 0.05, 0.1])
    assert normal_deviates(np.array([0.5])).tolist() == [0.0]
