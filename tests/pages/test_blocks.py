import base64
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from vultus.pages.blocks import Picture, Section, write_blocks


def test_a_page_needs_nothing_else_and_escapes_what_it_shows(tmp_path: Path) -> None:
    image = np.zeros((400, 200, 3), np.uint8)
    image[:, :, 0] = 255
    section = Section(
        "A <script>",
        "text & more",
        [Picture(image, 'x"><script>alert(1)</script>', 100)],
        [["head"], ["<b>cell</b>"]],
    )
    write_blocks(tmp_path / "page.html", title="T<i>", sections=[section], footer="f&")
    html = (tmp_path / "page.html").read_text()
    assert "<script>" not in html
    assert "<b>cell" not in html
    assert not re.search(r'(src|href)="(?!data:)', html)
    HTMLParser().feed(html)
    data = re.search(r"data:image/jpeg;base64,([^\"]+)", html)
    assert data is not None
    shown = PilImage.open(BytesIO(base64.b64decode(data[1])))
    assert shown.size == (50, 100)
    pixel = shown.getpixel((25, 50))
    assert isinstance(pixel, tuple)
    assert pixel[0] > 240
    assert pixel[2] < 15


def test_empty_parts_are_left_out(tmp_path: Path) -> None:
    write_blocks(tmp_path / "p.html", title="T", sections=[Section("only a title")], footer="")
    html = (tmp_path / "p.html").read_text()
    assert "<table" not in html
    assert 'class="pictures"' not in html
