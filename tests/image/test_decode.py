import struct
import threading
import warnings
import zlib

import pytest

from vultus.core.errors import ImageError
from vultus.image.decode import check_pixel_count, decoding


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("a"), AttributeError("a"), EOFError("a"), IndexError("a"), KeyError("a"),
        MemoryError("a"), NotImplementedError("a"), OSError("a"), OverflowError("a"),
        RecursionError("a"), SyntaxError("a"), TypeError("a"), ValueError("a"),
        UnicodeDecodeError("x", b"", 0, 1, "a"), ZeroDivisionError("a"), struct.error("a"),
        zlib.error("a"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_a_decoder_raises_becomes_one_error_with_its_cause(error: Exception) -> None:
    with pytest.raises(ImageError, match=r"photo\.jpg") as caught, decoding("photo.jpg"):
        raise error
    assert caught.value.__cause__ is error


def test_an_error_without_text_is_named_by_its_kind_and_ours_pass_unchanged() -> None:
    with pytest.raises(ImageError, match="damaged and cannot be decoded: EOFError"), decoding("x"):
        raise EOFError
    with pytest.raises(ImageError, match=r"^mine$"), decoding("x"):
        raise ImageError("mine")


def test_interrupts_pass_through() -> None:
    with pytest.raises(KeyboardInterrupt), decoding("x"):
        raise KeyboardInterrupt


def test_threads_that_overlap_leave_the_warning_filters_as_they_were() -> None:
    first_inside, second_inside, first_out = (threading.Event() for _ in range(3))

    before = list(warnings.filters)
    still_quiet: list[bool] = []

    def first() -> None:
        with decoding("a"):
            first_inside.set()
            second_inside.wait(10)
        first_out.set()

    def second() -> None:
        first_inside.wait(10)
        with decoding("b"):
            second_inside.set()
            first_out.wait(10)
            still_quiet.append(list(warnings.filters) != before)

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert still_quiet == [True]
    assert list(warnings.filters) == before


def test_pixel_counts() -> None:
    check_pixel_count((10, 10), "x", max_pixels=100)
    with pytest.raises(ImageError, match="no pixels"):
        check_pixel_count((0, 10), "x", max_pixels=100)
    with pytest.raises(ImageError, match="10 x 11 = 110 pixels, the cap is 100"):
        check_pixel_count((10, 11), "x", max_pixels=100)
