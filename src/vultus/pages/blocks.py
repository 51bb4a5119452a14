"""Self-contained HTML pages: contact sheets and the demo's report, pictures inside."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from vultus.core.faces import Image
from vultus.image.inline import inline_image

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p { max-width: 48rem; }
.pictures { display: flex; flex-wrap: wrap; align-items: flex-start; gap: .8rem;
  margin-top: 1.2rem; }
figure { margin: 0; background: var(--soft); border: 1px solid var(--line); border-radius: 6px;
  overflow: hidden; }
figure img { display: block; max-width: 100%; }
figcaption { padding: .3rem .5rem; font-size: .8rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; } th, td { border-bottom: 1px solid var(--line);
  padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
footer { margin-top: 3rem; font-size: .8rem; opacity: .75; }
"""


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
    rows: Sequence[Sequence[str]] = field(default_factory=tuple)


def write_page(path: Path, *, title: str, sections: Iterable[Section], footer: str) -> None:
    """Write one HTML file that needs nothing else: styles and pictures are inside.

    Args:
        path: The file; its folder must exist.
        title: Heading and window title.
        sections: In order.
        footer: Plain text at the end: versions, models, date.
    """
    body = "\n".join(_section(section) for section in sections)
    path.write_text(
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{body}\n<footer>{escape(footer)}</footer></body></html>\n",
        encoding="utf-8",
    )


def _section(section: Section) -> str:
    parts = [f"<section><h2>{escape(section.title)}</h2>"]
    if section.text:
        parts.append(f"<p>{escape(section.text)}</p>")
    if section.rows:
        parts.append(_table(section.rows))
    if section.pictures:
        figures = "".join(_figure(picture) for picture in section.pictures)
        parts.append(f'<div class="pictures">{figures}</div>')
    return "\n".join([*parts, "</section>"])


def _table(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(picture: Picture) -> str:
    height = picture.height_px
    small = inline_image(picture.image, max_width=4 * height, max_height=height, quality=88)
    caption = escape(picture.caption)
    return (
        f'<figure><img alt="{caption}" width="{small.width}" height="{small.height}" '
        f'src="{small.address}"><figcaption>{caption}</figcaption></figure>'
    )
