"""Write docs/reference/backbones.md: every backbone, counted, beside what is published."""

import re
from collections.abc import Iterable
from pathlib import Path

from vultus.backbones import BACKBONES
from vultus.backbones.base import BACKBONE_INFO, Published
from vultus.backbones.complexity import complexity_of

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "backbones.md"

HEADER = """# Table of backbones

Every name that `BACKBONES.create(name, dim=..., input_hw=..., **settings)` knows, at its default
settings. Parameters are all that is trained, the classifier of the loss not included.
Multiply-adds are those of convolutions, matrix products and attention for one image; half of what
some call FLOPs.
Which to take: [backbones](../guide/backbones.md). Made by `scripts/backbone_table.py`.

"""


def page() -> str:
    """The whole page."""
    return HEADER + backbone_table()


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


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
