import json
import os
import re
from pathlib import Path

import pytest
from PIL import Image as PilImage

from scripts import page_pictures

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "_static" / "page"
GUIDE = ROOT / "docs" / "guide" / "service_page.md"
SCREENS = ROOT / "src" / "vultus" / "server" / "page" / "screens" / "all.js"


def _names() -> set[str]:
    return {f"{scene}{look}.webp" for scene in page_pictures.SCENES for look in page_pictures.LOOKS}


def test_the_guide_shows_every_screen_in_every_look() -> None:
    screens = set(re.findall(r'name: "([a-z]+)"', SCREENS.read_text(encoding="utf-8")))
    assert screens <= set(page_pictures.SCENES)
    assert {path.name for path in KEPT.iterdir()} == _names()
    shown = re.findall(r"_static/page/(\w+\.webp)", GUIDE.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(_names())


@pytest.mark.browser
def test_every_screen_is_drawn(tmp_path: Path) -> None:
    """Into `VULTUS_PAGE_PICTURES` where that is given: docs/_static/page renews the guide's."""
    folder = Path(os.environ.get("VULTUS_PAGE_PICTURES", str(tmp_path)))
    page_pictures.main(folder, [])
    assert {path.name for path in folder.iterdir()} >= _names()
    sizes = {}
    for name in sorted(_names()):
        with PilImage.open(folder / name) as image:
            colours = image.convert("RGB").getcolors(1 << 24)
            sizes[name] = (*image.size, 0 if colours is None else len(colours))
    narrow = {name for name, (width, height, _) in sizes.items() if width < 780 or height < 500}
    blank = {name for name, (_, _, colours) in sizes.items() if colours < 20}
    assert not (narrow | blank), json.dumps(sizes)
