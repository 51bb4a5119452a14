import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import Tensor

from scripts import backbone_table as script
from vultus.backbones import BACKBONES, Backbone

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    return script.page()


@pytest.fixture
def foreign() -> Iterator[str]:
    class Mean(Backbone):
        def __init__(self, *, dim: int = 3, input_hw: tuple[int, int] = (8, 9)) -> None:
            super().__init__(dim=dim, input_hw=input_hw)

        def compute(self, images: Tensor) -> Tensor:
            return images.mean(dim=(2, 3))

    BACKBONES.register("mean-of-this-test")(Mean)
    yield "mean-of-this-test"
    del BACKBONES._factories["mean-of-this-test"]


def test_the_page_is_current_and_complete(page: str) -> None:
    written = (ROOT / "docs" / "reference" / "backbones.md").read_text(encoding="utf-8")
    assert written == page, "run: python scripts/backbone_table.py"
    assert all(f"| `{name}` |" in page for name in BACKBONES)


def test_differences_from_published_figures_are_explained(page: str) -> None:
    unexplained = []
    compared = 0
    for row in re.findall(r"^\| `.*", page, flags=re.MULTILINE):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        for ours, published in (cells[3:5], cells[5:7]):
            if published:
                compared += 1
                ratio = float(ours) / float(published.split()[0])
                if abs(ratio - 1) > 0.01 and not cells[7]:
                    unexplained.append((cells[0], ours, published))
    assert unexplained == []
    assert compared > 15


def test_numbers_in_names_sort_as_numbers() -> None:
    table = script.backbone_table(["iresnet100", "iresnet18", "mobilefacenet"])
    assert re.findall(r"`(\w+)`", table) == ["iresnet18", "iresnet100", "mobilefacenet"]


def test_a_backbone_of_another_package_is_listed_with_its_counts(foreign: str) -> None:
    assert f"| `{foreign}` |  | 8x9 | 0.000 |  | 0.000 |  |  |" in script.backbone_table([foreign])
