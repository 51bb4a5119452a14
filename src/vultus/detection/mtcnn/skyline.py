"""Rectangles placed side by side on a sheet: the skyline method, bottom-left.

What is taken of the sheet is described by its outline alone, as a row of steps. A rectangle goes
where its upper edge stays lowest; what is below an overhang is lost. See Jylänki, "A Thousand Ways
to Pack the Bin" (2010), section 2.4.
"""


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
