"""Backups and keys of a gallery that is on its way to another model."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gallery.moving.two_models import (
    NEW,
    OLD,
    begun,
    check_found,
    crops_of,
    embed,
    embed_new,
    enrol,
)

from vultus.core.errors import GalleryKeyError, GallerySpaceError
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.moving.migration import Migration
from vultus.gallery.review.queue import ReviewQueue
from vultus.gallery.searching import templates
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.upkeep.rekeying import rekey
from vultus.gallery.upkeep.restoring import restore

ONE, TWO = MasterKey(bytes(range(32))), MasterKey(bytes(range(32, 64)))


@pytest.fixture(params=[None, ONE], ids=["plain", "key"])
def key(request: pytest.FixtureRequest) -> MasterKey | None:
    given: MasterKey | None = request.param
    return given


@pytest.fixture
def gallery(
    tmp_path: Path, key: MasterKey | None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Gallery]:
    """On its way: crops of six are kept, of whom some are embedded; one was photographed again."""
    monkeypatch.setattr(templates, "WORTH_A_FILE", 5)  # an index lies beside it
    path = tmp_path / "g.db"
    with Gallery.open(path, space=OLD, outlier_similarity=0.5, key=key) as opened:
        KeptCrops(opened).allow()
        for person in range(6):
            enrol(opened, person)
        begun(opened).embed_crops(embed_new)
        enrol(opened, 6, crops=False)
        Migration(opened).enroll("person 6", embed_new(crops_of(6)), crops=crops_of(6))
        enrol(opened, 7)  # is still to be embedded
        check_found(opened, list(range(8)))
        yield opened


def moved_away(path: Path) -> None:
    """As whoever restores a backup is told to: all but what tells who was erased."""
    for file in path.parent.glob(f"{path.name}*"):
        if not file.name.endswith("-erased"):
            file.unlink()


def check_goes_on(path: Path, people: list[int], key: MasterKey | None) -> None:
    """Whoever opens it finds everybody, goes on with the migration, and finds everybody again."""
    with Gallery.open(path, key=key) as gallery:
        assert gallery.space == OLD
        assert gallery.check() == []
        check_found(gallery, people)
        status = Migration(gallery).status()
        assert status is not None
        assert (status.people, status.pending, status.missing) == (len(people), 2, ())
        assert Migration(gallery).embed_crops(embed_new) == 2
        assert Migration(gallery).finish().people == len(people)
    with Gallery.open(path, key=key) as gallery:
        assert gallery.space == NEW
        check_found(gallery, people)
        assert gallery.check() == []


def test_a_backup_of_the_middle_goes_on_from_there(
    gallery: Gallery, tmp_path: Path, key: MasterKey | None
) -> None:
    gallery.backup(tmp_path / "b.db")
    restored = restore(tmp_path / "b.db", tmp_path / "elsewhere.db", key=key)
    assert restored.people == 8
    check_goes_on(tmp_path / "elsewhere.db", list(range(8)), key)


@pytest.mark.parametrize("finished", [False, True])
def test_a_backup_of_the_middle_forgets_who_was_erased_since(
    gallery: Gallery, tmp_path: Path, key: MasterKey | None, finished: bool
) -> None:
    gallery.backup(tmp_path / "b.db")
    gallery.remove("person 2")
    gallery.remove("person 6")
    path = gallery.path
    if finished:
        Migration(gallery).embed_crops(embed_new)
        Migration(gallery).finish()
        with Gallery.open(path, key=key) as after:
            after.remove("person 0")
            check_found(after, [1, 3, 4, 5, 7])
    gallery.close()
    moved_away(path)
    restored = restore(tmp_path / "b.db", path, key=key)
    assert restored.erased_again == 2 + finished
    check_goes_on(path, [1, 3, 4, 5, 7] if finished else [0, 1, 3, 4, 5, 7], key)


def test_a_copy_of_the_model_before_in_the_place_is_searched_by_that_model(
    gallery: Gallery, tmp_path: Path, key: MasterKey | None
) -> None:
    path = gallery.path
    gallery.backup(tmp_path / "b.db")
    Migration(gallery).embed_crops(embed_new)
    Migration(gallery).finish()
    gallery.close()
    with Gallery.open(path, key=key) as after:
        check_found(after, list(range(8)))
    shutil.copyfile(tmp_path / "b.db", path)  # its index is that of the next model
    with Gallery.open(path, key=key) as back:
        assert back.space == OLD
        with pytest.raises(GallerySpaceError):
            back.search(embed(crops_of(0), NEW))
        check_found(back, list(range(8)))
        assert back.check() == []


@pytest.mark.parametrize("deep", [False, True])
def test_another_key_in_the_middle_loses_nothing(
    gallery: Gallery, key: MasterKey | None, deep: bool
) -> None:
    ReviewQueue(gallery).allow()
    rekey(gallery.path, TWO, key=key, deep=deep)
    if deep or key is None:  # all keys were wrapped anew: what this one writes could not be opened
        with pytest.raises(GalleryKeyError, match="another key meanwhile"):
            Migration(gallery).embed_crops(embed_new)
    gallery.close()
    with Gallery.open(gallery.path, key=TWO) as opened:
        assert KeptCrops(opened).allowed
        assert ReviewQueue(opened).rules() is not None
    check_goes_on(gallery.path, list(range(8)), TWO)


def test_a_key_that_is_taken_away_in_the_middle_loses_nothing(
    gallery: Gallery, key: MasterKey | None
) -> None:
    gallery.close()
    rekey(gallery.path, None, key=key)
    check_goes_on(gallery.path, list(range(8)), None)
