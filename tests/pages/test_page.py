"""All pages: names are only text, nothing is loaded, a file appears whole or not at all."""

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError

from vultus.core.errors import InputError
from vultus.pages.blocks import Picture, Section, write_blocks
from vultus.pages.page import page_environment, write_page

NAMES = (
    "<script>alert(1)</script>",
    "\"onerror='alert(1)' x=\"",
    "{{ 7 * 7 }}{% raw %}",
    "[bold]brackets[/]",
    "&amp;",
    "photo-\udcff\udc80.jpg",  # undecodable bytes, as the file system gives them
)


class Reader(HTMLParser):
    """What a page shows, and what it is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


@pytest.mark.parametrize("name", NAMES)
def test_names_are_only_text(name: str, tmp_path: Path) -> None:
    picture = Picture(np.zeros((8, 8, 3), np.uint8), name)
    section = Section(name, name, [picture], [[name], [name]])
    page = tmp_path / "p.html"
    write_blocks(page, title=name, sections=[section], footer=name, privacy=name)
    reader = read(page)
    shown = name.encode(errors="backslashreplace").decode()
    # Window title, heading, privacy, footer; title, text, caption and two cells of the section.
    assert reader.texts.count(shown) == 9
    assert ("alt", shown) in reader.attributes
    assert "script" not in reader.tags
    assert not any(attribute.startswith("on") for attribute, _ in reader.attributes)


def test_a_page_forbids_its_browser_to_load_or_run_anything(tmp_path: Path) -> None:
    write_blocks(tmp_path / "p.html", title="", sections=[], footer="")
    attributes = dict(read(tmp_path / "p.html").attributes)
    policy = attributes["content"]
    assert attributes["http-equiv"] == "Content-Security-Policy"
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src" not in policy


def test_importing_what_makes_pages_does_not_load_the_engine() -> None:
    code = "import sys, vultus.pipeline.grouping; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_page_takes_its_look_from_one_sheet() -> None:
    names = page_environment().list_templates()
    assert "style.css" in names
    for name in names:
        source = Path(str(page_environment().get_template(name).filename)).read_text("utf-8")
        assert ("<style>" in source) == (name == "base.html.j2")
        assert "style=" not in source


def test_a_value_that_a_template_lacks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError, match="privacy"):
        write_page(tmp_path / "p.html", "blocks.html.j2", {"title": "", "sections": []})
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_fails_half_way_leaves_the_one_before(tmp_path: Path) -> None:
    def sections() -> Iterator[Section]:
        yield Section("first")
        raise InputError("gone")

    page = tmp_path / "p.html"
    write_blocks(page, title="before", sections=[], footer="")
    before = page.read_bytes()
    with pytest.raises(InputError, match="gone"):
        write_blocks(page, title="after", sections=sections(), footer="")
    assert page.read_bytes() == before
    assert list(tmp_path.iterdir()) == [page]


def test_the_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        write_blocks(tmp_path / "none" / "p.html", title="", sections=[], footer="")
