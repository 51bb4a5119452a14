import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.base import FaceDataset
from vultus.training.config import DataConfig
from vultus.training.selection import select_faces


class Grey(FaceDataset):
    """Image i is i everywhere."""

    def encoded(self, index: int) -> bytes:
        return bytes([index])

    def image(self, index: int) -> Image:
        return np.full((2, 2, 3), index, np.uint8)

    def source(self, index: int) -> str:
        return f"grey {index}"


@pytest.fixture
def faces() -> Grey:
    return Grey([2, 0, -1, 2, 1, 2, 0, 2], identities=["a", "b", "c"])


def test_small_identities_and_unlabelled_images_are_left_out(faces: Grey) -> None:
    chosen = select_faces(faces, DataConfig(min_images=2))
    assert chosen.identities == ("a", "c")
    assert chosen.labels.tolist() == [1, 0, 1, 1, 0, 1]
    assert [int(chosen.image(i)[0, 0, 0]) for i in range(len(chosen))] == [0, 1, 3, 5, 6, 7]
    assert (chosen.encoded(2), chosen.source(2)) == (b"\x03", "grey 3")


def test_limits_take_the_first_ones(faces: Grey) -> None:
    assert select_faces(faces, DataConfig(max_identities=2)).identities == ("a", "b")
    few = select_faces(faces, DataConfig(max_images=2))
    assert [int(few.image(i)[0, 0, 0]) for i in range(len(few))] == [0, 1, 3, 4, 6]


def test_nothing_is_wrapped_for_nothing() -> None:
    whole = Grey([0, 1], identities=["a", "b"])
    assert select_faces(whole, DataConfig()) is whole
    # A name without an image would be a class that nothing ever belongs to.
    unused = Grey([0, 2], identities=["a", "b", "c"])
    assert select_faces(unused, DataConfig()).labels.tolist() == [0, 1]


def test_one_identity_is_too_few(faces: Grey) -> None:
    with pytest.raises(InputError, match=r"at least 2 identities with 4 or more images, got 1"):
        select_faces(faces, DataConfig(min_images=4))
