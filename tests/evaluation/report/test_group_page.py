from pathlib import Path

from tests.evaluation.report.group_figures import figures

from vultus.evaluation.report.group_page import write_group_page


def test_a_page_holds_every_group_and_rate_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    made = figures()
    write_group_page(tmp_path / "groups.html", made)
    page = (tmp_path / "groups.html").read_text(encoding="utf-8")
    for words in ("&lt;b&gt;east&lt;/b&gt;", "west", "GARBE", "ISO/IEC 19795-10:2024", "FNMR"):
        assert words in page
    assert "<b>east" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert f"{made.crowd.n:,} comparisons" in page
    assert page.count('class="matrix"') == 2  # FMR and FNMR
    assert "not measurable" in page  # three photos carry nothing


def test_a_page_of_false_matches_only(tmp_path: Path) -> None:
    write_group_page(tmp_path / "groups.html", figures(genuine=False))
    page = (tmp_path / "groups.html").read_text(encoding="utf-8")
    assert page.count('class="matrix"') == 1
    assert "FNMR inside" not in page


def test_a_page_where_nothing_matches(tmp_path: Path) -> None:
    write_group_page(tmp_path / "groups.html", figures(similarity=1.0))
    assert "&lt; 1." in (tmp_path / "groups.html").read_text(encoding="utf-8")


def test_places_on_the_axis_and_shades_follow_the_rates(tmp_path: Path) -> None:
    made = figures()
    write_group_page(tmp_path / "groups.html", made)
    page = (tmp_path / "groups.html").read_text(encoding="utf-8")
    west = next(cell for cell in made.cells if cell.name == "west")
    assert west.fmr.rate is not None
    assert west.fmr.rate > 30e-3  # thirty times what the threshold states
    assert 'class="heat-5"' in page
