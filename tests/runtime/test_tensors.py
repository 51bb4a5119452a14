import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.runtime.tensors import TensorSpec, check_feeds, spec_by_name

SPEC = TensorSpec("x", ("n", 3, "side"), np.dtype(np.float32))


@pytest.mark.parametrize(
    ("shape", "fits"),
    [((1, 3, 5), True), ((0, 3, 0), True), ((1, 4, 5), False), ((1, 3), False), ((), False)],
)
def test_fixed_axes_must_match_and_free_ones_need_not(shape: tuple[int, ...], fits: bool) -> None:
    assert SPEC.accepts(shape) is fits


def test_the_text_of_a_spec_names_everything() -> None:
    assert str(SPEC) == "x: float32 (n, 3, side)"


def test_contiguous_feeds_are_passed_on_and_others_copied() -> None:
    specs = spec_by_name([SPEC])
    plain = np.zeros((2, 3, 4), np.float32)
    assert check_feeds(specs, {"x": plain})["x"] is plain
    strided = np.zeros((4, 3, 2), np.float32).T
    copied = check_feeds(specs, {"x": strided})["x"]
    assert copied.flags.c_contiguous
    np.testing.assert_array_equal(copied, strided)


def test_foreign_feeds_are_refused() -> None:
    with pytest.raises(InputError, match=r"exactly the inputs \['x'\], got \['y'\]"):
        check_feeds(spec_by_name([SPEC]), {"y": np.zeros((1, 3, 1), np.float32)})
