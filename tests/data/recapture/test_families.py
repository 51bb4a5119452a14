"""Imitations: seeded, of the photo's size, and not the photo."""

import cv2
import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.recapture import RECAPTURES, recaptured


@pytest.mark.parametrize("family", RECAPTURES)
def test_an_imitation_is_the_photo_changed(family: str, hopper: Image) -> None:
    before = hopper.copy()
    found = recaptured(hopper, family, np.random.default_rng(0))
    assert found.shape == hopper.shape
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(hopper, before)
    np.testing.assert_array_equal(recaptured(hopper, family, np.random.default_rng(0)), found)
    assert (recaptured(hopper, family, np.random.default_rng(1)) != found).any()
    was, now = (cv2.GaussianBlur(one.mean(axis=2), (0, 0), 8).ravel() for one in (hopper, found))
    assert np.corrcoef(was, now)[0, 1] > 0.7  # whom it shows is still seen
    assert np.abs(found.astype(float) - hopper).mean() > 1
    odd = hopper[:41, :97]
    assert recaptured(odd, family, np.random.default_rng(0)).shape == odd.shape


def test_a_family_that_there_is_not_is_refused(hopper: Image) -> None:
    with pytest.raises(InputError, match="did you mean 'print-inkjet'"):
        recaptured(hopper, "print-inkjt", np.random.default_rng(0))
