"""Who is on a site's photos, and which folders are refused."""

import shutil
from pathlib import Path

import pytest
from tests.training.liveness.world import write_site

from vultus.core.errors import ImageError, InputError
from vultus.training.liveness.photos import list_photos
from vultus.training.liveness.recipe import PhotoConfig, SplitBy


def config(root: Path, split: SplitBy = "auto") -> PhotoConfig:
    return PhotoConfig(root=str(root), split=split)


def test_folders_of_people_say_who_it_is(site: Path) -> None:
    listed = list_photos(config(site))
    assert (listed.split, listed.kinds) == ("person", ["live", "print", "screen"])
    assert {photo.group for photo in listed.photos} == {f"p{k}" for k in range(9)}
    assert len(listed.photos) == 81


def test_else_the_name_before_the_number_does(tmp_path: Path) -> None:
    listed = list_photos(config(write_site(tmp_path, people=3, split="prefix")))
    assert listed.split == "prefix"
    assert {photo.group for photo in listed.photos} == {"p0", "p1", "p2"}


def test_names_that_tell_nobody_apart_are_refused(tmp_path: Path) -> None:
    root = write_site(tmp_path, people=2, split="prefix")
    for place, path in enumerate(sorted(root.rglob("*.png"))):
        path.rename(path.with_name(f"{'abcdefghijklmnopqrstuvwxyz'[place]}.png"))
    with pytest.raises(InputError, match="18 photos have 18 different prefixes"):
        list_photos(config(root))
    assert list_photos(config(root, "photo")).split == "photo"


def test_some_in_folders_and_some_not_is_unclear(site: Path, tmp_path: Path) -> None:
    root = shutil.copytree(site, tmp_path / "site")
    next((root / "live" / "p0").glob("*.png")).rename(root / "live" / "loose.png")
    for split in ("auto", "person"):
        with pytest.raises(InputError, match="1 of 81 photos lie in no folder of a person"):
            list_photos(config(root, split))


def test_one_photo_on_two_sides_is_refused(site: Path, tmp_path: Path) -> None:
    root = shutil.copytree(site, tmp_path / "site")
    one = next((root / "live" / "p0").glob("*.png"))
    copy = shutil.copy(one, root / "live" / "p1" / "copy.png")
    with pytest.raises(InputError, match=r"the same photo in two groups \(p0, p1\)"):
        list_photos(config(root))
    with pytest.raises(InputError, match="the same photo in two files"):
        list_photos(config(root, "photo"))
    shutil.move(copy, root / "attack" / "print" / "p0" / "copy.png")
    with pytest.raises(InputError, match="once living and once an attack"):
        list_photos(config(root))


def test_folders_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no photos"):
        list_photos(PhotoConfig())
    with pytest.raises(InputError, match="has no live/"):
        list_photos(config(tmp_path))
    (tmp_path / "live").mkdir()
    (tmp_path / "attack" / "live").mkdir(parents=True)
    with pytest.raises(InputError, match="must not be called 'live'"):
        list_photos(config(tmp_path))
    (tmp_path / "attack" / "live").rename(tmp_path / "attack" / "print")
    with pytest.raises(ImageError, match="no image below"):
        list_photos(config(tmp_path))
