"""Crops of faces that wait: shown to who reviews, and gone with the face."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import IdentityNotFoundError, InputError
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import REVIEW_CROP, KeptCrops
from vultus.gallery.moving.migration import Migration
from vultus.gallery.review.queue import ReviewQueue, ReviewRules
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.upkeep.disclosure import export_person
from vultus.gallery.upkeep.retention import expire
from vultus.image.io import read_image

PhotosOf = Callable[..., Embeddings]
KEY = MasterKey(bytes(range(32)))


def crops(n: int) -> AlignedCrops:
    pixels = np.random.default_rng(n).integers(0, 256, (n, 8, 8, 3)).astype(np.uint8)
    return AlignedCrops(pixels, np.zeros((n, 2, 3), np.float32), "arcface-112")


@pytest.fixture(params=[None, KEY], ids=["plain", "key"])
def gallery(
    request: pytest.FixtureRequest, tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> Gallery:
    gallery = Gallery.open(tmp_path / "people.db", space=space, key=request.param)
    gallery.enroll("Ann", photos_of(0, 3))
    KeptCrops(gallery).allow()
    ReviewQueue(gallery).allow(ReviewRules(days=7))
    return gallery


def offered(gallery: Gallery, probe: Embeddings, *, first: int = 0) -> list[int]:
    """Under which numbers faces wait, with crops."""
    answers = gallery.identify(probe, threshold=Threshold(0.5))
    seen = crops(first + len(probe))[np.arange(first, first + len(probe))]
    waiting = ReviewQueue(gallery).offer(probe, answers, crops=seen)
    assert None not in waiting
    return [number for number in waiting if number is not None]


def n_kept(gallery: Gallery) -> int:
    return len(gallery.opened.store.items(REVIEW_CROP))


def left_of(gallery: Gallery, keys: list[bytes]) -> int:
    """How many of these keys are still in a file of the gallery."""
    files = gallery.path.parent.glob("people.db*")
    content = b"\0".join(file.read_bytes() for file in files)
    return sum(key in content for key in keys)


def keys_of_crops(gallery: Gallery) -> list[bytes]:
    store = gallery.opened.store
    rows = [store.key(row.key_id) for row in store.items(REVIEW_CROP)]
    return [row.wrapped for row in rows if row is not None]


def test_a_crop_is_shown_as_it_was(gallery: Gallery, photos_of: PhotosOf) -> None:
    one, two = offered(gallery, photos_of(5, 2))
    queue = ReviewQueue(gallery)
    for place, number in enumerate((one, two)):
        found = queue.crop(number)
        assert np.array_equal(found.pixels, crops(2).pixels[place])
        assert found.template == "arcface-112"
    assert np.array_equal(read_image(queue.crop(two).picture()), crops(2).pixels[1])
    assert queue.crop(two).picture(".jpg")[:2] == b"\xff\xd8"
    assert gallery.check() == []
    with pytest.raises(InputError, match=f"no review item {two + 100}"):
        queue.crop(two + 100)


def test_none_is_kept_where_the_gallery_keeps_none(gallery: Gallery, photos_of: PhotosOf) -> None:
    KeptCrops(gallery).forbid()
    (number,) = offered(gallery, photos_of(5))
    assert n_kept(gallery) == 0
    with pytest.raises(InputError, match=f"no crop is kept of face {number}; .* crops allow"):
        ReviewQueue(gallery).crop(number)


def test_crops_must_be_one_per_face(gallery: Gallery, photos_of: PhotosOf) -> None:
    answers = gallery.identify(photos_of(5), threshold=Threshold(0.5))
    with pytest.raises(InputError, match="answers, sources and crops must be one per face"):
        ReviewQueue(gallery).offer(photos_of(5), answers, crops=crops(2))


@pytest.mark.parametrize("way", ["dismiss", "forbid review", "forbid crops", "expire", "finish"])
def test_a_crop_goes_with_its_face_and_its_key(
    gallery: Gallery, photos_of: PhotosOf, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = offered(gallery, photos_of(5, 2))
    keys, queue = keys_of_crops(gallery), ReviewQueue(gallery)
    assert (n_kept(gallery), left_of(gallery, keys)) == (2, 2)
    if way == "dismiss":
        queue.dismiss(numbers)
    elif way == "forbid review":
        assert queue.forbid() == 2
    elif way == "forbid crops":
        assert KeptCrops(gallery).forbid() == 2
        with pytest.raises(InputError, match="no crop is kept"):
            queue.crop(numbers[0])
        assert len(queue) == 2
        queue.dismiss(numbers)
    elif way == "expire":
        monkeypatch.setattr("vultus.gallery.upkeep.retention.now", lambda: "2999-01-01T00:00:00")
        expire(gallery)
    else:
        migration = Migration(gallery)
        migration.begin(EmbeddingSpace("new", "1" * 64, "none", 64), template="arcface-112")
        assert migration.finish(without_missing=True).deleted == 2
    assert (n_kept(gallery), left_of(gallery, keys)) == (0, 0)


def test_who_is_assigned_keeps_the_crop(
    gallery: Gallery, photos_of: PhotosOf, tmp_path: Path
) -> None:
    one, two = offered(gallery, photos_of(5, 2))
    (other,) = offered(gallery, photos_of(6), first=2)
    queue, kept = ReviewQueue(gallery), KeptCrops(gallery)
    gallery.enroll("Eve", photos_of(5, 1, first=7))  # without a crop
    queue.assign([two, one], "Eve")
    assert n_kept(gallery) == 1
    for number in (1, 2):
        assert np.array_equal(kept.read("Eve", number).pixels, crops(2).pixels[number - 1])
    with pytest.raises(InputError, match=r"of photo 0; there are crops of the photos 1, 2"):
        kept.read("Eve", 0)
    with pytest.raises(InputError, match=r"of photo 0; there is none of this person"):
        kept.read("Ann", 0)
    with pytest.raises(IdentityNotFoundError, match="nobody named 'Eva'"):
        kept.read("Eva", 0)
    names = export_person(gallery, "Eve", tmp_path / "eve.zip")
    assert {"crops/1.png", "crops/2.png"} <= set(names)
    gallery.remove("Eve")
    assert np.array_equal(queue.crop(other).pixels, crops(3).pixels[2])
    assert gallery.check() == []


def test_what_is_left_out_goes_on_waiting_with_its_crop(
    gallery: Gallery, photos_of: PhotosOf
) -> None:
    numbers = offered(gallery, Embeddings.concatenate([photos_of(5, 3), photos_of(6)]))
    done = ReviewQueue(gallery).assign(numbers, "Eve")
    assert [bool(why) for why in done.reasons] == [False, False, False, True]
    assert np.array_equal(ReviewQueue(gallery).crop(numbers[3]).pixels, crops(4).pixels[3])
    assert n_kept(gallery) == 1
