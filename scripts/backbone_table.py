"""Write docs/reference/backbones.md: every backbone, counted, beside what is published."""

from pathlib import Path

from vultus.backbones.catalog import backbone_table

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


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
