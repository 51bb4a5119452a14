"""The table of all backbones, made from what they registered and what is counted."""

import re
from collections.abc import Iterable

from vultus.backbones.base import BACKBONE_INFO, BACKBONES, Published
from vultus.backbones.complexity import complexity_of


def backbone_table(names: Iterable[str] | None = None) -> str:
    """A Markdown table: name, paper, input, and our counts beside the published ones.

    Parameters are in millions, multiply-adds in thousands of millions for one image at the
    backbone's default settings. Backbones of other packages without a `BackboneInfo` are listed
    with their counts alone.

    Args:
        names: Those to list; None lists all.
    """
    sources: dict[str, int] = {}
    listed = sorted(BACKBONES if names is None else names, key=_natural)
    rows = [
        "| name | from | input | M parameters | published | G multiply-adds | published | note |",
        "|---|---|---|---|---|---|---|---|",
        *("| " + " | ".join(_cells(name, sources)) + " |" for name in listed),
    ]
    notes = [f"{number}. {source}" for source, number in sources.items()]
    return "\n".join([*rows, "", "Published by:", "", *notes]) + "\n"


def _cells(name: str, sources: dict[str, int]) -> list[str]:
    size = complexity_of(name)
    height, width = size.input_hw
    counted = [f"{height}x{width}", f"{size.parameters / 1e6:.3f}", f"{size.macs / 1e9:.3f}"]
    info = BACKBONE_INFO.get(name)
    if info is None:
        return [f"`{name}`", "", counted[0], counted[1], "", counted[2], "", ""]
    arxiv = "" if info.arxiv is None else f", [{info.arxiv}](https://arxiv.org/abs/{info.arxiv})"
    return [
        f"`{name}`",
        info.paper + arxiv,
        counted[0],
        counted[1],
        _figure(info.parameters, unit=1e6, sources=sources),
        counted[2],
        _figure(info.macs, unit=1e9, sources=sources),
        info.note,
    ]


def _figure(published: Published | None, *, unit: float, sources: dict[str, int]) -> str:
    if published is None:
        return ""
    number = sources.setdefault(published.source, len(sources) + 1)
    return f"{published.value / unit:.4g} ({number})"


def _natural(name: str) -> list[tuple[str, int]]:
    """Sorting key that puts 18 before 100."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name)]
