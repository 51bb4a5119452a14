from pathlib import Path

from scripts.loss_gradient_table import loss_table

from vultus.losses import LOSSES


def test_the_table_is_well_formed_and_complete() -> None:
    head, rule, *rows = loss_table().splitlines()
    cells = head.count("|")
    assert rule.count("|") == cells
    for name, row in zip(sorted(LOSSES), rows, strict=True):
        assert row.startswith(f"| `{name}` |")
        assert row.replace("\\|", "").count("|") == cells


def test_the_page_in_the_documentation_is_current() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "losses.md"
    text = page.read_text(encoding="utf-8")
    assert loss_table() in text, "run: python -m scripts.loss_gradient_table"
