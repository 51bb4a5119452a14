"""Shrinking by means over whole pixels, the way that MTCNN is usually run on PyTorch.

Output pixel i of a side shrunk from n to m pixels is the plain mean of the source pixels from
``floor(i n / m)`` up to ``ceil((i + 1) n / m)``: adaptive average pooling, which PyTorch calls area
interpolation. It blurs a little more than an exact area mean, and the published thresholds and box
offsets react to that: boxes move by some percent of their side if it is replaced.

A table of sums makes every mean four look-ups, whatever the window; all pyramid levels and all
crops of an image share its table.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.faces import Image

COLOURS = 3
TABLE_PIXELS = 4_000_000
_TABLE_SIDE = 32_000  # cv2.remap counts in 16 bits
CACHED_PIXELS = 20_000  # more at once would leave the processor's cache
_NO_MAP = np.zeros(0, np.uint16)  # places are whole numbers: there are no fractions to give

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Table = npt.NDArray[np.int32]


def windows(size_px: IntArray, cells: int, *, first: int = 0, count: int | None = None) -> IntArray:
    """Where the windows of shrunk sides begin and end.

    Args:
        size_px: (n,) int64; lengths of the sides, at least 1.
        cells: Number of pixels that each side is shrunk (or enlarged) to.
        first: Number of the first cell wanted; cells outside the side repeat its edge.
        count: How many cells are wanted; None for all.

    Returns:
        (n, count, 2) int64: first pixel of each window, and the pixel after its last.
    """
    wanted = cells if count is None else count
    return np.stack(_edges(size_px[:, None], cells, first, wanted), axis=2)


@dataclass(frozen=True, eq=False)
class SideWindows:
    """The windows of one side of a grid.

    Attributes:
        begin: (n,) int64, ascending; first pixel of each window.
        end: (n,) int64, ascending; the pixel after its last.
    """

    begin: IntArray
    end: IntArray

    @classmethod
    @lru_cache(maxsize=512)
    def of_side(cls, length: int, cells: int, first: int, count: int) -> "SideWindows":
        """As `windows`; remembered, because photos of one size need the same for every level."""
        return cls(*_edges(np.array([length]), cells, first, count))

    @cached_property
    def lengths(self) -> FloatArray:
        """(n,) float32."""
        return np.asarray(self.end - self.begin, np.float32)

    @cached_property
    def span(self) -> slice:
        """The pixels that the windows cover, and the one after."""
        return slice(int(self.begin[0]), int(self.end[-1]) + 1)

    @cached_property
    def numbers(self) -> IntArray:
        """(2, 3 n) int64; where in the span's RGB values the begins and the ends lie."""
        edges = np.stack([self.begin, self.end]) - self.span.start
        numbers = edges[..., None] * COLOURS + np.arange(COLOURS)
        return np.asarray(numbers.reshape(2, -1), np.int64)


class MeanSampler:
    """Means over windows of one image.

    Args:
        image: (h, w, 3) uint8.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        # The sums of a large image would take more memory than the image itself by a factor of 4.
        self._table = _table(image) if _fits(image) else None

    def grid(self, rows: SideWindows, columns: SideWindows, *, out: FloatArray) -> None:
        """Mean colours over one grid of windows; made for grids of many.

        Args:
            rows: The a rows of windows.
            columns: The b columns.
            out: (a, 3 b) float32; filled with RGB values in [0, 255].
        """
        table = self._table
        if table is None:
            table, rows, columns = self._local_table(rows, columns)
        widths = np.repeat(columns.lengths, COLOURS)
        step = max(1, CACHED_PIXELS // (columns.span.stop - columns.span.start))
        for start in range(0, len(out), step):
            some = slice(start, start + step)
            bands = table[rows.end[some], columns.span]
            bands -= table[rows.begin[some], columns.span]
            # Number by number, because NumPy has no fast way to move three at once.
            flat = bands.reshape(len(bands), -1)
            sums = flat.take(columns.numbers[1], axis=1)
            sums -= flat.take(columns.numbers[0], axis=1)
            _divide(sums, rows.lengths[some, None], widths, out=out[some])

    def crops(self, rows: IntArray, columns: IntArray, *, out: FloatArray) -> None:
        """Mean colours over n grids of windows; made for many small ones.

        Args:
            rows: (n, a, 2) int64; begin and end of each grid's rows of windows.
            columns: (n, b, 2) int64; begin and end of its columns.
            out: (n, a, b, 3) float32; filled with values in [0, 255].
        """
        if self._table is None:
            for row, column, crop in zip(rows, columns, out, strict=True):
                sides = (SideWindows(side[:, 0], side[:, 1]) for side in (row, column))
                self.grid(*sides, out=crop.reshape(len(row), -1))
            return
        step = max(1, CACHED_PIXELS // (rows.shape[1] * columns.shape[1]))
        for i in range(0, len(rows), step):
            some = slice(i, i + step)
            sums = _corner_sums(self._table, rows[some], columns[some])
            heights, widths = (
                np.asarray(edges[some, :, 1] - edges[some, :, 0], np.float32)
                for edges in (rows, columns)
            )
            widths = np.repeat(widths, COLOURS, axis=1)[:, None]
            _divide(sums, heights[..., None], widths, out=out[some].reshape(sums.shape))

    def _local_table(
        self, rows: SideWindows, columns: SideWindows
    ) -> tuple[Table, SideWindows, SideWindows]:
        """A table of only the part of the image that a grid covers, and the grid's place in it."""
        top, left = rows.span.start, columns.span.start
        part = self.image[top : rows.span.stop - 1, left : columns.span.stop - 1]
        sides = [(rows.begin - top, rows.end - top), (columns.begin - left, columns.end - left)]
        table, sizes_hw = self._whole if part.shape == self.image.shape else _small_table(part)
        for height, width in sizes_hw:
            sides = [_halved(*sides[0], height), _halved(*sides[1], width)]
        return table, SideWindows(*sides[0]), SideWindows(*sides[1])

    @cached_property
    def _whole(self) -> tuple[Table, list[tuple[int, int]]]:
        """Of the whole image, which nearly every level of a pyramid asks for."""
        return _small_table(self.image)


def _edges(size_px: IntArray, cells: int, first: int, count: int) -> tuple[IntArray, IntArray]:
    cell = np.arange(first, first + count)
    np.minimum(np.maximum(cell, 0, out=cell), cells - 1, out=cell)
    begin = cell * size_px
    end = (begin + size_px + (cells - 1)) // cells
    begin //= cells
    return begin, end


def _fits(image: Image) -> bool:
    height, width = image.shape[:2]
    return bool(height * width <= TABLE_PIXELS and max(height, width) <= _TABLE_SIDE)


def _small_table(image: Image) -> tuple[Table, list[tuple[int, int]]]:
    """A table that fits, and the heights and widths of the halvings on the way to it.

    Windows are many pixels wide in large images: they are counted in means of 2 x 2 pixels.
    """
    sizes_hw: list[tuple[int, int]] = []
    while not _fits(image):
        height, width = (max(1, length // 2) for length in image.shape[:2])
        shrunk = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        image = np.asarray(shrunk, np.uint8)
        sizes_hw.append((height, width))
    return _table(image), sizes_hw


def _halved(begin: IntArray, end: IntArray, length: int) -> tuple[IntArray, IntArray]:
    begin = np.minimum(begin // 2, length - 1)
    return begin, np.clip((end + 1) // 2, begin + 1, length)


def _table(image: Image) -> Table:
    """Sums are integers; those that outgrow 32 bits wrap, and their differences are right again."""
    return np.asarray(cv2.integral(image, sdepth=cv2.CV_32S), np.int32)


def _divide(
    sums: npt.NDArray[np.int32], heights: FloatArray, widths: FloatArray, *, out: FloatArray
) -> None:
    """By one side after the other, as PyTorch does it."""
    np.divide(sums, heights, out=out, dtype=np.float32, casting="same_kind")
    out /= widths


def _corner_sums(table: Table, rows: IntArray, columns: IntArray) -> npt.NDArray[np.int32]:
    """Sums over the windows of many grids, corner by corner: (n, a, 3 b)."""
    grids, height, width = len(rows), rows.shape[1], columns.shape[1]
    down, right = rows.astype(np.int32) << 16, columns.astype(np.int32)
    places = np.empty((grids, height, width), np.int32)
    pairs = places.view(np.int16).reshape(-1, width, 2)  # x in the lower half of a number, then y

    def corner(row_end: int, column_end: int) -> npt.NDArray[np.int32]:
        np.add(down[:, :, None, row_end], right[:, None, :, column_end], out=places)
        # The fastest gather here: remap copies whole pixels.
        return np.asarray(cv2.remap(table, pairs, _NO_MAP, cv2.INTER_NEAREST), np.int32)

    sums = corner(1, 1)
    sums -= corner(0, 1)
    sums -= corner(1, 0)
    sums += corner(0, 0)
    return sums.reshape(grids, height, width * COLOURS)
