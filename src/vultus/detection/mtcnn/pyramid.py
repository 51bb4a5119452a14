"""MTCNN's image pyramid, packed so that one graph run serves many levels of many images.

P-Net sees windows of 12 x 12 pixels, so an image is shown to it in many sizes. Running it on every
size by itself means many small runs, each of another shape. Here all levels of a group of images
are cut into tiles of at most one canvas, the tiles are placed side by side on canvases of few
sizes, and cells whose window touches two tiles are ignored. Memory is bounded by the canvas,
whatever the size of the photo.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.detection.mtcnn.area_means import COLOURS, MeanSampler, SideWindows

WINDOW_PX = 12
STRIDE_PX = 2
_LEVEL_FACTOR = 0.709  # the published one: each level has about half the area of the one before
CLOSE_UP_FIRST_PX, CLOSE_UP_LAST_PX = 16, 8  # shorter sides of the levels with a border
_CLOSE_UP_BORDER_PX = 6
CANVAS_PX = 512
CANVAS_VALUES = CANVAS_PX * CANVAS_PX * COLOURS
HEIGHT_STEP_PX, WIDTH_STEP_PX = 32, 128


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A piece of one pyramid level, not yet computed.

    Attributes:
        photo: Index of the photo that it shows.
        level: Number of the pyramid level, unique within the photo.
        scale: Pixels of the level per pixel of the photo.
        level_hw: Height and width of the whole level.
        origin_xy: Where in the level the tile begins; negative where a border is added.
        size_hw: The tile's own height and width: even, from 12 to `CANVAS_PX` pixels.
    """

    photo: int
    level: int
    scale: float
    level_hw: tuple[int, int]
    origin_xy: tuple[int, int]
    size_hw: tuple[int, int]

    def render(self, sampler: MeanSampler, *, out: npt.NDArray[np.float32]) -> None:
        """Compute the pixels; the level's edge is repeated.

        Args:
            sampler: The photo.
            out: (h, 3 w) float32; filled with RGB values in [0, 255].
        """
        (height, width), (x, y) = sampler.image.shape[:2], self.origin_xy
        rows = SideWindows.of_side(height, self.level_hw[0], y, self.size_hw[0])
        columns = SideWindows.of_side(width, self.level_hw[1], x, self.size_hw[1])
        sampler.grid(rows, columns, out=out)


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Tiles side by side, to be shown to P-Net at once.

    Attributes:
        size_hw: Height and width, at most `CANVAS_PX` each.
        tiles: What lies on it.
        corners_xy: (tiles, 2) int64; where each tile begins, in even pixels.
    """

    size_hw: tuple[int, int]
    tiles: tuple[Tile, ...]
    corners_xy: npt.NDArray[np.int64]

    def render(
        self, samplers: Sequence[MeanSampler], *, buffer: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Compute all tiles.

        Args:
            samplers: The photos.
            buffer: (`CANVAS_VALUES`,) float32; written over, and shared with the result. What lies
                between the tiles is what the buffer held.

        Returns:
            (height, width, 3) float32 in [0, 255].
        """
        height, width = self.size_hw
        values = buffer[: height * width * COLOURS].reshape(height, width * COLOURS)
        for tile, (x, y) in zip(self.tiles, self.corners_xy.tolist(), strict=True):
            height, width = tile.size_hw
            columns = slice(x * COLOURS, (x + width) * COLOURS)
            tile.render(samplers[tile.photo], out=values[y : y + height, columns])
        return values.reshape(*self.size_hw, COLOURS)

    def owners(self) -> npt.NDArray[np.int64]:
        """Per cell of P-Net's output the number of the tile that holds its window, else -1."""
        owners = np.full([_cells(length) for length in self.size_hw], -1, np.int64)
        for number, (tile, corner) in enumerate(zip(self.tiles, self.corners_xy, strict=True)):
            column, row = (corner // STRIDE_PX).tolist()
            rows, columns = (_cells(length) for length in tile.size_hw)
            owners[row : row + rows, column : column + columns] = number
        return owners


def cut_tiles(size_hw: tuple[int, int], photo: int, *, min_face_px: float) -> list[Tile]:
    """All tiles of one photo's pyramid.

    The first level shows a face of ``min_face_px`` in 12 pixels, the last shows one about as large
    as the photo.

    Args:
        size_hw: The photo's height and width.
        photo: The photo's number, kept in the tiles.
        min_face_px: Side of the smallest face to look for, in pixels of the photo.
    """
    tiles: list[Tile] = []
    scale = WINDOW_PX / min_face_px
    while min(size_hw) * scale >= WINDOW_PX:
        tiles += _level(size_hw, Tile(photo, len(tiles), scale, size_hw, (0, 0), (0, 0)), border=0)
        scale *= _LEVEL_FACTOR
    return tiles


def cut_close_up_tiles(size_hw: tuple[int, int], photo: int, *, min_face_px: float) -> list[Tile]:
    """Tiles that show faces which fill or overflow the photo: few and small, with a border.

    In the first, a window covers three quarters of the photo's shorter side, in the last one
    and a half times that side.

    Args:
        size_hw: The photo's height and width.
        photo: The photo's number, kept in the tiles.
        min_face_px: Side of the smallest face to look for, in pixels of the photo.
    """
    tiles: list[Tile] = []
    scale = min(WINDOW_PX / min_face_px, CLOSE_UP_FIRST_PX / min(size_hw))
    while min(size_hw) * scale >= CLOSE_UP_LAST_PX:
        tile = Tile(photo, len(tiles), scale, size_hw, (0, 0), (0, 0))
        tiles += _level(size_hw, tile, border=_CLOSE_UP_BORDER_PX)
        scale *= _LEVEL_FACTOR
    return tiles


def pack_tiles(tiles: Sequence[Tile]) -> list[Canvas]:
    """Place tiles on as few canvases as a simple rule finds: the highest first, into any gap."""
    sheets: list[Skyline] = []
    placed: list[list[tuple[Tile, tuple[int, int]]]] = []
    for tile in sorted(tiles, key=lambda tile: (-tile.size_hw[0], -tile.size_hw[1])):
        for number in range(len(sheets) + 1):
            if number == len(sheets):
                sheets.append(Skyline((CANVAS_PX, CANVAS_PX)))
                placed.append([])
            corner_xy = sheets[number].place(tile.size_hw)
            if corner_xy is not None:
                placed[number].append((tile, corner_xy))
                break
    return [_canvas(sheet.used_hw, mine) for sheet, mine in zip(sheets, placed, strict=True)]


def _level(size_hw: tuple[int, int], like: Tile, *, border: int) -> list[Tile]:
    """The tiles of one level; number, photo and scale are those of ``like``."""
    height, width = (int(length * like.scale + 1) for length in size_hw)
    # The last window reaches one pixel over the edge of an odd side.
    return [
        Tile(
            like.photo,
            like.level,
            like.scale,
            (height, width),
            (x - border, y - border),
            (rows, columns),
        )
        for y, rows in _pieces(height + height % 2 + 2 * border)
        for x, columns in _pieces(width + width % 2 + 2 * border)
    ]


def _pieces(length: int) -> list[tuple[int, int]]:
    """Begin and length of pieces that overlap so that no window is lost and none comes twice."""
    step = CANVAS_PX - WINDOW_PX + STRIDE_PX
    last = length - (WINDOW_PX - STRIDE_PX)
    return [(begin, min(CANVAS_PX, length - begin)) for begin in range(0, last, step)]


def _canvas(used_hw: tuple[int, int], placed: Sequence[tuple[Tile, tuple[int, int]]]) -> Canvas:
    # Few sizes, because engines prepare for each shape that they meet.
    height = math.ceil(used_hw[0] / HEIGHT_STEP_PX) * HEIGHT_STEP_PX
    width = math.ceil(used_hw[1] / WIDTH_STEP_PX) * WIDTH_STEP_PX
    corners = np.array([corner for _, corner in placed], np.int64)
    return Canvas((height, width), tuple(tile for tile, _ in placed), corners)


def _cells(length_px: int) -> int:
    """How many windows fit into an even length."""
    return (length_px - WINDOW_PX) // STRIDE_PX + 1


class Skyline:
    """A sheet that fills up.

    Args:
        size_hw: Height and width of the sheet.

    Attributes:
        used_hw: Height and width of the part that is taken.
    """

    def __init__(self, size_hw: tuple[int, int]) -> None:
        self._size_hw = size_hw
        self._steps = [(0, 0, size_hw[1])]  # x, y, width; from left to right, without gaps
        self.used_hw = (0, 0)

    def place(self, size_hw: tuple[int, int]) -> tuple[int, int] | None:
        """Find room for a rectangle, and take it.

        Args:
            size_hw: The rectangle's height and width, at least 1 each.

        Returns:
            ``(x, y)`` of its corner nearest to the origin; None where there is no room.
        """
        height, width = size_hw
        lowest = self._size_hw[0] - height + 1
        chosen = -1
        for index, (x, y, _) in enumerate(self._steps):
            if x + width > self._size_hw[1]:
                break
            if y < lowest:
                base = self._base(index, width)
                if base < lowest:
                    lowest, chosen = base, index
        if chosen < 0:
            return None
        x = self._steps[chosen][0]
        self._raise(chosen, width, lowest + height)
        self.used_hw = (
            max(self.used_hw[0], lowest + height),
            max(self.used_hw[1], x + width),
        )
        return x, lowest

    def _base(self, index: int, width: int) -> int:
        """Where a rectangle of this width would stand if it began at this step."""
        end = self._steps[index][0] + width
        base = 0
        while index < len(self._steps) and self._steps[index][0] < end:
            base = max(base, self._steps[index][1])
            index += 1
        return base

    def _raise(self, index: int, width: int, y: int) -> None:
        """Lift the outline to ``y`` from the left end of a step on."""
        x = self._steps[index][0]
        after = index
        rest: list[tuple[int, int, int]] = []
        while after < len(self._steps) and self._steps[after][0] < x + width:
            begin, base, length = self._steps[after]
            over = begin + length - (x + width)
            if over > 0:
                rest = [(x + width, base, over)]
            after += 1
        self._steps[index:after] = [(x, y, width), *rest]
