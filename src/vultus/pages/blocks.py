"""Pages of sections with text, pictures and tables: contact sheets and the demo's report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vultus.core.faces import Image
from vultus.pages.inline import InlineImage, inline_image
from vultus.pages.page import write_page


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture with its caption.

    Attributes:
        image: (h, w, 3) uint8, RGB.
        caption: Plain text.
        height_px: Largest height on the page.
    """

    image: Image
    caption: str
    height_px: int = 260

    def inline(self) -> InlineImage:
        """As small as it is shown."""
        height = self.height_px
        return inline_image(self.image, max_width=4 * height, max_height=height, quality=88)


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a page; empty parts are left out.

    Attributes:
        title: Heading.
        text: A paragraph of plain text.
        pictures: Shown side by side.
        rows: A table; the first row is its head.
    """

    title: str
    text: str = ""
    pictures: Sequence[Picture] = ()
    rows: Sequence[Sequence[str]] = ()


def write_blocks(
    path: Path, *, title: str, sections: Iterable[Section], footer: str, privacy: str = ""
) -> None:
    """Write one HTML file that needs nothing else: styles and pictures are inside.

    Args:
        path: The file; its folder must exist. A file that is there is replaced.
        title: Heading and window title.
        sections: In order.
        footer: Plain text at the end: versions, models, date.
        privacy: What to say on top about the people on it.

    Raises:
        InputError: If the folder does not exist, or the disk refuses.
    """
    values = {"title": title, "sections": sections, "footer": footer, "privacy": privacy}
    write_page(path, "blocks.html.j2", values)
