from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import IdentityNotFoundError, InputError
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.review.merging import merge, merges, unmerge
from vultus.gallery.upkeep.photos import remove_photos

PhotosOf = Callable[..., Embeddings]


@pytest.fixture
def gallery(tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf) -> Gallery:
    gallery = Gallery.open(tmp_path / "people.db", space=space)
    kept = KeptCrops(gallery)
    kept.allow()
    pixels = np.random.default_rng(0).integers(0, 255, (3, 112, 112, 3), np.uint8)
    crops = AlignedCrops(pixels, np.zeros((3, 2, 3), np.float32), "arcface-112")
    with gallery.changing():
        kept.keep(gallery.enroll("Ann", photos_of(0, 3), sources=["a", "b", "c"]), crops)
    gallery.enroll("Bob", photos_of(1, 2))
    return gallery


def test_a_photo_is_gone_as_if_it_had_not_been_enrolled(
    gallery: Gallery, tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    numbers = [photo["number"] for photo in gallery.photos("Ann")]
    sealed = [row.body for row in gallery.opened.store.faces(1)]
    assert remove_photos(gallery, "Ann", [numbers[1]]) == 2
    assert [photo["source"] for photo in gallery.photos("Ann")] == ["a", "c"]
    assert gallery.person("Ann").n_photos == 2
    assert KeptCrops(gallery).count("Ann") == 2
    with Gallery.open(tmp_path / "once.db", space=space) as once:
        once.enroll("Ann", photos_of(0, 3)[np.array([0, 2])])
        vectors = [g.template_set().vectors[0] for g in (gallery, once)]
    assert np.array_equal(*vectors)
    assert gallery.check() == []
    last = list(gallery.audit.entries())[-1].entry
    assert (last.action, dict(last.counts)) == ("remove photos", {"photos": 1})
    gallery.close()
    assert all(sealed[1] not in file.read_bytes() for file in tmp_path.glob("people.db*"))
    assert sealed[0] not in (tmp_path / "people.db").read_bytes()  # sealed anew


def test_the_last_photo_stays(gallery: Gallery) -> None:
    with pytest.raises(InputError, match="erase the person"):
        remove_photos(gallery, "Bob", [0, 1])
    with pytest.raises(InputError, match="no photo 7"):
        remove_photos(gallery, "Bob", [0, 7])
    with pytest.raises(IdentityNotFoundError):
        remove_photos(gallery, "Nobody", [0])
    assert gallery.person("Bob").n_photos == 2
    assert remove_photos(gallery, "Bob", []) == 2


def test_a_merge_does_not_give_back_a_photo_that_is_gone(gallery: Gallery) -> None:
    number = merge(gallery, "Bob", "Ann")
    assert [photo["number"] for photo in gallery.photos("Ann")] == [0, 1, 2, 3, 4]
    remove_photos(gallery, "Ann", [3])
    assert unmerge(gallery, number) == "Bob"
    assert gallery.person("Bob").n_photos == 1
    assert gallery.person("Ann").n_photos == 3
    assert gallery.check() == []


def test_a_chain_of_merges_is_undone_without_a_photo_that_is_gone(
    gallery: Gallery, photos_of: PhotosOf
) -> None:
    gallery.enroll("Eve", photos_of(2, 1))
    first = merge(gallery, "Bob", "Ann")
    remove_photos(gallery, "Ann", [4])
    second = merge(gallery, "Ann", "Eve")  # and the first merge follows the photos that are left
    remove_photos(gallery, "Eve", [1])
    assert [told.number for told in merges(gallery)] == [first, second]
    assert unmerge(gallery, first) == "Bob"
    assert [person.n_photos for person in gallery.people()] == [3, 1]
    assert gallery.check() == []
