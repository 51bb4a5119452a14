"""Faces drawn on a copy of their photo, to be looked at by people."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from vultus.core.checks import check_array
from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.core.results import Identification

Colour = tuple[int, int, int]

FACE_COLOURS: tuple[Colour, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
)
"""RGB colours of the boxes in turn: the palette of Okabe and Ito (2008), which people with any
of the common colour deficiencies tell apart."""

_DARK: Colour = (0, 0, 0)
_LINE_SHARE = 1 / 300
_TEXT_SHARE = 1 / 40
_MIN_TEXT_PX = 12
_FONTS = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "arial.ttf"),
    # Of Chinese, Japanese and Korean names: on Linux, macOS and Windows.
    *("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf"),
    *("PingFang.ttc", "Hiragino Sans GB.ttc", "Arial Unicode.ttf", "msyh.ttc", "malgun.ttf"),
)
_NO_GLYPH = "\U0010ffff"


def draw_faces(image: Image, faces: Faces, *, captions: Sequence[str] | None = None) -> Image:
    """Draw boxes, landmarks and captions.

    Lines and text grow with the photo. Every line lies on a wider dark one and every caption on a
    filled label, so that both can be read on any ground. Colours repeat after six faces. Text is
    set in the first usual font of the system that has all its letters, else in the one that has
    most of them, with "?" for the others. Pillow's own, taken where there is none, has ASCII only:
    accents are then left out.

    Args:
        image: (h, w, 3) uint8, RGB; not changed.
        faces: The faces to draw; boxes may reach over the edge.
        captions: One text per face, ``""`` for none; None draws no text. Only the first line of
            a text is drawn.

    Returns:
        (h, w, 3) uint8, RGB: a new image.

    Raises:
        InputError: If the image is none, or captions and faces are not equally many.
    """
    check_array("image", image, dtype=np.uint8, shape=("h", "w", 3))
    if captions is not None and len(captions) != len(faces):
        raise InputError(f"captions must be {len(faces)}, one per face, got {len(captions)}")
    canvas = PilImage.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    shorter_side = min(canvas.size)
    line_px = max(1, round(shorter_side * _LINE_SHARE))
    for number, (box, points) in enumerate(zip(faces.boxes, faces.landmarks, strict=True)):
        colour = FACE_COLOURS[number % len(FACE_COLOURS)]
        _draw_box(pen, box.tolist(), colour, line_px)
        radius = max(line_px, 0.02 * float(box[2] - box[0]))
        for x, y in points.tolist():
            _draw_dot(pen, (x, y), radius, colour)
    # Captions last: no line of another face may cross a text.
    font_px = max(_MIN_TEXT_PX, round(shorter_side * _TEXT_SHARE))
    for number, text in enumerate(captions if captions is not None else ()):
        if text.strip():
            colour = FACE_COLOURS[number % len(FACE_COLOURS)]
            _draw_caption(pen, text.strip(), faces.boxes[number].tolist(), colour, font_px)
    return np.asarray(canvas).copy()


def draw_identified(image: Image, faces: Faces, answers: Sequence[Identification]) -> Image:
    """Draw who is who: the name and the similarity of each face, or ``unknown``.

    Args:
        image: As `draw_faces`.
        faces: The faces to draw.
        answers: One per face, as `vultus.Recognizer.identify_faces` gives them.

    Returns:
        (h, w, 3) uint8, RGB: a new image.

    Raises:
        InputError: As `draw_faces`.
    """
    captions = []
    for answer in answers:
        if answer.identity is None:
            captions.append("unknown")
        else:
            captions.append(f"{answer.identity} {answer.candidates[0].similarity:.2f}")
    return draw_faces(image, faces, captions=captions)


def _draw_box(pen: ImageDraw.ImageDraw, box: list[float], colour: Colour, line_px: int) -> None:
    x1, y1, x2, y2 = box
    # Pillow refuses corners in the wrong order, and a box may be empty.
    left, right, top, bottom = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    halo = max(1, line_px // 2)
    outer = (left - halo, top - halo, right + halo, bottom + halo)
    pen.rectangle(outer, outline=_DARK, width=line_px + 2 * halo)
    pen.rectangle((left, top, right, bottom), outline=colour, width=line_px)


def _draw_dot(
    pen: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, colour: Colour
) -> None:
    x, y = centre
    wide = radius + max(1, radius / 2)
    pen.ellipse((x - wide, y - wide, x + wide, y + wide), fill=_DARK)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _draw_caption(
    pen: ImageDraw.ImageDraw, text: str, box: list[float], colour: Colour, font_px: int
) -> None:
    font, line = _set_in(text.splitlines()[0], font_px)
    left, top, right, bottom = pen.textbbox((0, 0), line, font=font)
    pad = max(2, font_px // 5)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    image_width, image_height = pen.im.size
    x = min(max(0, box[0]), max(0, image_width - width))
    # Above the box if there is room, else inside its top; always within the photo.
    y = box[1] - height if box[1] >= height else box[1]
    y = min(max(0, y), max(0, image_height - height))
    pen.rectangle((x, y, x + width, y + height), fill=colour, outline=_DARK)
    # All colours of the palette are light enough for dark ink.
    pen.text((x + pad - left, y + pad - top), line, fill=_DARK, font=font)


@lru_cache(maxsize=256)
def _set_in(line: str, size_px: int) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, str]:
    """The font for a line, and the line as that font can show it."""
    best, shown = None, ""
    for font in _system_fonts(size_px):
        missing = bytes(font.getmask(_NO_GLYPH))
        known = [c.isspace() or bytes(font.getmask(c)) != missing for c in line]
        readable = "".join(c if has else "?" for c, has in zip(line, known, strict=True))
        if best is None or readable.count("?") < shown.count("?"):
            best, shown = font, readable
        if all(known):
            break
    if best is None:
        return ImageFont.load_default(size_px), _ascii(line)
    return best, shown


@lru_cache(maxsize=8)
def _system_fonts(size_px: int) -> tuple[ImageFont.FreeTypeFont, ...]:
    found = []
    for name in _FONTS:
        try:
            found.append(ImageFont.truetype(name, size_px))
        except OSError:
            continue
    return tuple(found)


def _ascii(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return plain.encode("ascii", "replace").decode("ascii")
