"""`vultus find`: the photos of a person, from the shell."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
HOPPER = "Grace Hopper"


def test_find_gives_the_photos_of_a_person_best_first(
    run: Run,
    photos: Path,
    original: Path,
    tiny_model: Path,
    tmp_path: Path,
    user_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ("find", original, photos, "--model", tiny_model, "--threshold", "0.7")
    done = run(*arguments, "--json", "--copy", tmp_path / "copies", "--html", tmp_path / "f.html")
    assert done.code == 0
    found = done.json["photos"]
    assert found[0]["photo"] == str(original)
    assert {Path(photo["photo"]).parent.name for photo in found} <= {HOPPER, photos.name}
    similarities = [photo["similarity"] for photo in found]
    assert similarities == sorted(similarities, reverse=True)
    assert len(list((tmp_path / "copies").iterdir())) == len(found)
    assert "broken.jpg" in done.err
    assert (tmp_path / "f.html").is_file()
    (kept,) = user_cache.rglob("faces.db")
    before = kept.read_bytes()
    rows = list(csv.DictReader(io.StringIO(run(*arguments, "--csv").out, newline="")))
    assert [row["photo"] for row in rows] == [photo["photo"] for photo in found]
    assert kept.read_bytes() == before
    assert f"{len(found)} of" in run(*arguments).out
    none = run("find", original, photos / "nobody.jpg", *arguments[3:], "--cache", "none")
    assert none.code == 1


def test_the_folder_of_a_gallery_is_embedded_once(
    run: Run,
    photos: Path,
    original: Path,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ("identify", original, "--gallery", photos, "--model", tiny_model, "--json")
    rule = ("--threshold", "0.9", "--cache", tmp_path / "kept")
    first = run(*arguments, *rule)
    assert (tmp_path / "kept" / "faces.db").is_file()
    read: list[str] = []

    def told(source: Any) -> Any:
        read.append(str(source))
        return read_photo(source)

    from vultus.pipeline.photos import read_photo

    monkeypatch.setattr("vultus.pipeline.photos.read_photo", told)
    again = run(*arguments, *rule)
    assert again.json["faces"] == first.json["faces"]
    assert read == [str(original)]
