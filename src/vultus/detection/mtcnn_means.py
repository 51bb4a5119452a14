"""Shrinking by means over whole pixels, the way that MTCNN is usually run on PyTorch.

Output pixel i of a side shrunk from n to m pixels is the plain mean of the source pixels from
``floor(i n / m)`` up to ``ceil((i + 1) n / m)``: adaptive average pooling, which PyTorch calls area
interpolation. It blurs a little more than an exact area mean, and the published thresholds and box
offsets react to that: boxes move by some percent of their side if it is replaced.

A table of sums makes every mean four look-ups, whatever the window; all pyramid levels and all
crops of an image share its table.
"""

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.faces import Image

__all__ = ["MeanSampler", "windows"]

TABLE_PIXELS = 4_000_000
TABLE_SIDE = 32_000  # cv2.remap counts in 16 bits
NO_MAP = np.zeros(0, np.uint16)  # places are whole numbers: there are no fractions to give

IntArray = npt.NDArray[np.int64]


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
    cell = np.clip(np.arange(first, first + wanted), 0, cells - 1)
    begin = cell * size_px[:, None] // cells
    end = -(-(cell + 1) * size_px[:, None] // cells)
    return np.stack([begin, end], axis=2)


class MeanSampler:
    """Means over windows of one image.

    Args:
        image: (h, w, 3) uint8.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        # The sums of a large image would take more memory than the image itself by a factor of 4.
        self._table = _table(image) if _fits(image) else None

    def means(self, rows: IntArray, columns: IntArray) -> npt.NDArray[np.float32]:
        """Mean colours over windows, for n grids of windows.

        Args:
            rows: (n, a, 2) int64; begin and end of each grid's rows of windows.
            columns: (n, b, 2) int64; begin and end of its columns.

        Returns:
            (n, a, b, 3) float32 in [0, 255].
        """
        if self._table is not None:
            step = max(1, TABLE_SIDE // rows.shape[1])
            starts = range(0, len(rows), step)
            grids = [
                _window_means(self._table, rows[i : i + step], columns[i : i + step])
                for i in starts
            ]
        else:
            grids = [self._local_means(*grid) for grid in zip(rows, columns, strict=True)]
        none = np.zeros((0, rows.shape[1], columns.shape[1], 3), np.float32)
        return np.concatenate([none, *grids])

    def _local_means(self, rows: IntArray, columns: IntArray) -> npt.NDArray[np.float32]:
        """The means of one grid, with a table of only the part of the image that it covers."""
        top, left = rows.min(), columns.min()
        part = self.image[top : rows.max(), left : columns.max()]
        rows, columns = rows - top, columns - left
        while not _fits(part):
            # Windows are many pixels wide here: count them in means of 2 x 2 pixels.
            height, width = (max(1, length // 2) for length in part.shape[:2])
            part = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA))
            rows, columns = _halved(rows, height), _halved(columns, width)
        return _window_means(_table(part), rows[None], columns[None])


def _fits(image: Image) -> bool:
    height, width = image.shape[:2]
    return bool(height * width <= TABLE_PIXELS and max(height, width) <= TABLE_SIDE)


def _halved(edges: IntArray, length: int) -> IntArray:
    begin = np.minimum(edges[:, 0] // 2, length - 1)
    end = np.clip((edges[:, 1] + 1) // 2, begin + 1, length)
    return np.stack([begin, end], axis=1)


def _table(image: Image) -> npt.NDArray[np.int32]:
    return np.asarray(cv2.integral(image, sdepth=cv2.CV_32S), np.int32)


def _window_means(
    table: npt.NDArray[np.int32], rows: IntArray, columns: IntArray
) -> npt.NDArray[np.float32]:
    sums = _grid_sums(table, rows, columns) if len(rows) > 1 else _one_grid(table, rows, columns)
    heights, widths = rows[..., 1] - rows[..., 0], columns[..., 1] - columns[..., 0]
    areas = (heights[:, :, None] * widths[:, None])[..., None]
    means = sums.reshape(*areas.shape[:3], 3).astype(np.float32)
    means *= np.reciprocal(areas, dtype=np.float32)
    return means


# Sums are integers, where those that outgrow 32 bits wrap and their differences are right again.


def _one_grid(
    table: npt.NDArray[np.int32], rows: IntArray, columns: IntArray
) -> npt.NDArray[np.int32]:
    """Sums over one grid of windows; first over rows, which is fast for grids of many windows."""
    bands = table[rows[0, :, 1]]
    bands -= table[rows[0, :, 0]]
    sums = bands.take(columns[0, :, 1], axis=1)
    sums -= bands.take(columns[0, :, 0], axis=1)
    return sums


def _grid_sums(
    table: npt.NDArray[np.int32], rows: IntArray, columns: IntArray
) -> npt.NDArray[np.int32]:
    """Sums over many grids, corner by corner of their windows."""
    grids, height, width = len(rows), rows.shape[1], columns.shape[1]
    places = np.empty((grids, height, width, 2), np.int16)

    def corner(row_end: int, column_end: int) -> npt.NDArray[np.int32]:
        places[..., 0] = columns[:, None, :, column_end]
        places[..., 1] = rows[:, :, None, row_end]
        # The fastest gather here: remap copies whole pixels.
        flat = places.reshape(-1, width, 2)
        return np.asarray(cv2.remap(table, flat, NO_MAP, cv2.INTER_NEAREST), np.int32)

    sums = corner(1, 1)
    sums -= corner(0, 1)
    sums -= corner(1, 0)
    sums += corner(0, 0)
    return sums
