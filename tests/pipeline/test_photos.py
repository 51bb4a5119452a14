from pathlib import Path

import numpy as np
import pytest

from vultus.core.errors import ImageError, InputError, VultusError
from vultus.image.io import write_image
from vultus.pipeline import photos
from vultus.pipeline.photos import StoredPhoto, load_chunks, photo_name


def grey(value: int, *, size: int = 8) -> np.ndarray:
    return np.full((size, size, 3), value, np.uint8)


def test_chunks_keep_the_order_and_end_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "CHUNK_PHOTOS", 4)
    chunks = list(load_chunks([grey(i) for i in range(10)]))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert [int(image[0, 0, 0]) for chunk in chunks for _, _, image in chunk] == list(range(10))
    assert chunks[0][0].name == "photo 1"
    assert chunks[-1][-1].name == "photo 10"


def test_large_photos_end_a_chunk_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "CHUNK_PIXELS", 100)
    chunks = list(load_chunks([grey(0) for _ in range(4)]))
    assert [len(chunk) for chunk in chunks] == [2, 2]


def test_sources_are_consumed_lazily() -> None:
    taken = []

    def endless() -> object:
        for i in range(10_000):
            taken.append(i)
            yield grey(0)

    next(load_chunks(endless()))  # type: ignore[arg-type]
    assert len(taken) < 100


def test_an_unreadable_photo_raises_or_is_reported(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    write_image(good, grey(7))
    bad.write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"bad\.png"):
        list(load_chunks([good, bad]))
    errors: dict[str, VultusError] = {}
    chunks = list(load_chunks([bad, good, bad], on_error=errors.__setitem__))
    assert [(photo.place, photo.name) for chunk in chunks for photo in chunk] == [(1, str(good))]
    assert list(errors) == [str(bad)]
    assert isinstance(errors[str(bad)], ImageError)


@pytest.mark.parametrize("single", ["a.jpg", b"bytes", Path("a.jpg"), grey(0)])
def test_a_single_photo_is_not_a_list_of_photos(single: object) -> None:
    with pytest.raises(InputError, match="list of photos"):
        next(load_chunks(single))  # type: ignore[arg-type]


def test_names() -> None:
    assert photo_name("a/b.jpg", 3) == "a/b.jpg"
    assert photo_name(Path("c.jpg"), 3) == "c.jpg"
    assert photo_name(b"bytes", 3) == "photo 3"


def test_a_stored_photo_is_fetched_in_its_turn_and_its_error_is_its_own(tmp_path: Path) -> None:
    write_image(tmp_path / "good.png", grey(7))

    def damaged() -> bytes:
        raise ImageError("archive.zip/b.png is damaged")

    stored = [
        StoredPhoto("a", (tmp_path / "good.png").read_bytes),
        StoredPhoto("b", damaged),
        StoredPhoto("c", lambda: tmp_path / "good.png"),
    ]
    errors: dict[str, VultusError] = {}
    (chunk,) = load_chunks(stored, on_error=errors.__setitem__)
    assert [(photo.place, photo.name) for photo in chunk] == [(0, "a"), (2, "c")]
    assert [(name, str(error)) for name, error in errors.items()] == [
        ("b", "archive.zip/b.png is damaged")
    ]
    with pytest.raises(InputError, match="list of photos"):
        next(load_chunks(stored[0]))  # type: ignore[arg-type]
