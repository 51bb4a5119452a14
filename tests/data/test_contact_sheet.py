import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation import AUGMENTATIONS, Augmentation
from vultus.data.contact_sheet import augmentation_sheet, contact_sheet, identity_sheet
from vultus.data.synthetic import SyntheticFaces


def flat(value: int, side: int = 20) -> Image:
    return np.full((side, side, 3), value, np.uint8)


def test_images_lie_in_their_rows_and_columns() -> None:
    sheet = contact_sheet([("", [flat(10), flat(20)]), ("", [flat(30), flat(40)])])
    assert sheet.shape == (44, 44, 3)
    assert [sheet[y, x, 0] for y in (5, 30) for x in (5, 30)] == [10, 20, 30, 40]


def test_captions_stand_left_of_the_images() -> None:
    sheet = contact_sheet([("one", [flat(10)]), ("", [flat(20)])])
    images, captions = sheet[:, -22:], sheet[:, :-22]
    assert images[5, 5, 0] == 10
    assert (captions[:22] < 128).any()
    assert (captions[22:] == 255).all()


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("", [])],
        [("", [flat(1)]), ("", [flat(1), flat(2)])],
        [("", [flat(1), flat(1, side=9)])],
    ],
)
def test_ragged_rows_are_refused(rows: list[tuple[str, list[Image]]]) -> None:
    with pytest.raises(InputError, match="equally many images of one size"):
        contact_sheet(rows)


def test_every_augmentation_of_single_images_has_its_row() -> None:
    crop = SyntheticFaces(identities=1, images=1).image(0)
    sheet = augmentation_sheet(crop, columns=2)
    count = len({*AUGMENTATIONS} - {"mixup"})
    assert sheet.shape[0] == count * 114
    rows = sheet.reshape(count, 114, -1, 3)[:, :112]
    width = sheet.shape[1] - 3 * 114
    for row in rows:
        np.testing.assert_array_equal(row[:, width : width + 112], crop)
        assert (row[:, width + 114 : width + 226] != crop).any()


def test_a_sequence_is_shown_by_its_steps_and_as_a_whole() -> None:
    crop = SyntheticFaces(identities=1, images=1).image(0)
    flip = Augmentation.from_tables([{"name": "flip", "probability": 0.0}])
    sheet = augmentation_sheet(crop, columns=2, augmentation=flip)
    last = np.s_[-114:-2, -114:-2]
    assert sheet.shape[0] == 4 * 114
    np.testing.assert_array_equal(sheet[last], crop)
    np.testing.assert_array_equal(sheet[:112, -114:-2], crop[:, ::-1])


def test_a_sequence_is_shown_without_the_steps_that_need_a_batch() -> None:
    crop = SyntheticFaces(identities=1, images=1).image(0)
    tables = [{"name": "mixup"}, {"name": "flip"}]
    sheet = augmentation_sheet(crop, columns=1, augmentation=Augmentation.from_tables(tables))
    assert sheet.shape[0] == 4 * 114
    for row in sheet.reshape(4, 114, -1, 3)[:, :112]:
        np.testing.assert_array_equal(row[:, -114:-2], crop[:, ::-1])


def test_identities_have_one_row_each_and_must_have_enough_images() -> None:
    faces = SyntheticFaces(identities=3, images=4)
    sheet = identity_sheet(faces, identities=2, columns=3)
    np.testing.assert_array_equal(sheet[114:226, 228:340], faces.image(6))
    with pytest.raises(InputError, match="identity 0 must have 5 images, has 4"):
        identity_sheet(faces, identities=2, columns=5)
