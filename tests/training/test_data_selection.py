import numpy as np
import pytest

from vultus.core.errors import ConfigError, InputError
from vultus.core.faces import Image
from vultus.data.base import FaceDataset
from vultus.training.data_selection import open_faces, select_faces
from vultus.training.recipe.config import DataConfig


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


def test_non_faces_are_kept_whole_and_come_last(faces: Grey) -> None:
    chosen = select_faces(faces, DataConfig(non_faces="b", min_images=2))
    assert chosen.identities == ("a", "c", "b")
    assert chosen.labels.tolist() == [1, 0, 1, 2, 1, 0, 1]
    assert [int(chosen.image(i)[0, 0, 0]) for i in range(len(chosen))] == [0, 1, 3, 4, 5, 6, 7]
    few = select_faces(faces, DataConfig(non_faces="c", max_images=1, max_identities=2))
    assert (few.identities, few.labels.tolist()) == (("a", "b", "c"), [2, 0, 2, 1, 2, 2])
    kept = select_faces(faces, DataConfig(non_faces="a", unlabelled=True))
    assert kept.identities == ("b", "c", "a")
    assert kept.labels.tolist() == [1, 2, -1, 1, 0, 1, 2, 1]
    last = Grey([0, 1, 2], identities=["a", "b", "c"])
    assert select_faces(last, DataConfig(non_faces="c")) is last


def test_non_faces_must_be_there_and_are_not_people(faces: Grey) -> None:
    with pytest.raises(InputError, match="name of an identity with images, got 'none'"):
        select_faces(faces, DataConfig(non_faces="none"))
    with pytest.raises(InputError, match="at least 2 identities with 2 or more images, got 1"):
        select_faces(faces, DataConfig(non_faces="c", min_images=2))


def test_one_identity_is_too_few(faces: Grey) -> None:
    with pytest.raises(InputError, match=r"at least 2 identities with 4 or more images, got 1"):
        select_faces(faces, DataConfig(min_images=4))


def test_images_without_an_identity_are_kept_where_asked_for(faces: Grey) -> None:
    chosen = select_faces(faces, DataConfig(min_images=2, max_images=2, unlabelled=True))
    assert chosen.identities == ("a", "c")
    assert chosen.labels.tolist() == [1, 0, -1, 1, 0]
    assert [int(chosen.image(i)[0, 0, 0]) for i in range(len(chosen))] == [0, 1, 2, 3, 6]
    alone = select_faces(faces, DataConfig(min_images=9, unlabelled=True), least_identities=0)
    assert (alone.labels.tolist(), alone.identities) == ([-1], ())
    with pytest.raises(InputError, match=r"leave none; data\.unlabelled = true keeps"):
        select_faces(faces, DataConfig(min_images=9), least_identities=0)


@pytest.mark.parametrize("kind", ["auto", "folder", "recordio"])
def test_a_recipe_without_faces_says_what_it_needs(kind: str) -> None:
    with pytest.raises(
        ConfigError, match=r"names no training faces: add data\.root=FACES, a folder"
    ):
        open_faces(DataConfig(kind=kind))
    assert len(open_faces(DataConfig(kind="synthetic", settings={"identities": 2}))) > 0
