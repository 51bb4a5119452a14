"""Crops are those that a passive look sees, are cut once, and give copies away."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.training.liveness.world import recipe_of

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.detection.base import Detector, open_detector
from vultus.image.io import read_image, write_image
from vultus.liveness.context_crop import context_crop
from vultus.pipeline.photos import Skipped
from vultus.training.liveness import crops as module
from vultus.training.liveness.crops import check_near_copies, photo_crops
from vultus.training.liveness.photos import ListedPhoto, list_photos
from vultus.training.liveness.recipe import CropConfig

CONFIG = CropConfig(context=1.5, size_px=64)


@pytest.fixture
def listed(tmp_path: Path, hopper: Image, collins: Image) -> list[ListedPhoto]:
    (tmp_path / "live").mkdir()
    for name, image in {"a": hopper, "b": collins, "c": np.zeros_like(hopper)}.items():
        write_image(tmp_path / "live" / f"{name}.png", image)
    (tmp_path / "live" / "d.png").write_bytes(b"no photo")
    return [ListedPhoto(tmp_path / "live" / f"{name}.png", "live", name) for name in "abcd"]


def test_they_are_cut_as_a_passive_look_cuts_them(
    listed: list[ListedPhoto], tmp_path: Path
) -> None:
    skipped = Skipped()
    found = photo_crops(listed, CONFIG, kept=tmp_path / "crops", on_error=skipped)
    assert found.usable.tolist() == [True, True, False, False]
    assert len(skipped.photos) == 2
    image = read_image(listed[0].path)
    box = open_detector("mtcnn").detect(image).boxes[0]
    expected = context_crop(image, box, times=1.5, size_px=64).pixels
    np.testing.assert_array_equal(found.pixels[0], expected)


def test_what_was_cut_is_not_cut_again(
    listed: list[ListedPhoto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_A_TIME", 2)
    kept = tmp_path / "crops"
    first = photo_crops(listed, CONFIG, kept=kept)
    (later := sorted(kept.iterdir())[1]).unlink()  # stopped before the second file
    opened: list[str] = []

    def counted(name: str) -> Detector:
        opened.append(name)
        return open_detector(name)

    monkeypatch.setattr(module, "open_detector", counted)
    again = photo_crops(listed, CONFIG, kept=kept)
    np.testing.assert_array_equal(again.pixels, first.pixels)
    assert (len(opened), later.is_file()) == (1, True)
    photo_crops(listed, CONFIG, kept=kept)
    assert len(opened) == 1
    later.write_bytes(b"damaged")
    photo_crops(listed, CONFIG, kept=kept)
    photo_crops(listed, CropConfig(context=1.4, size_px=64), kept=kept)
    assert len(opened) == 3


def test_frames_of_one_film_on_two_sides_are_refused(
    listed: list[ListedPhoto], hopper: Image, collins: Image
) -> None:
    rng = np.random.default_rng(0)
    noisy = np.clip(hopper + rng.normal(0, 3, hopper.shape), 0, 255).astype(np.uint8)
    resized = [cv2.resize(image, (64, 64)) for image in (hopper, noisy, collins)]
    pixels = np.asarray(np.stack(resized), np.uint8)
    some = listed[:3]
    check_near_copies(some, pixels, ["train", "train", "setting"], least=0.998)
    with pytest.raises(InputError, match="are all but the same photo"):
        check_near_copies(some, pixels, ["train", "held out", "setting"], least=0.998)
    check_near_copies(some, pixels, ["train", "held out", "setting"], least=1)
    # A print of a photo is like the photo; that is no copy.
    attack = ListedPhoto(some[1].path, "print", "b")
    pair = [some[0], attack, some[2]]
    check_near_copies(pair, pixels, ["train", "held out", "setting"], least=0.998)


def test_a_site_without_a_face_that_can_be_judged_is_refused(site: Path, tmp_path: Path) -> None:
    from vultus.training.liveness.prepared import prepare_photos

    large = recipe_of(site, tmp_path, "crop.size_px=200")
    with pytest.raises(InputError, match=r"none of the photos of live/ can be judged"):
        prepare_photos(large, tmp_path)
    assert len(list_photos(large.data).photos) == 81
