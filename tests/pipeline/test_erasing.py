"""Who is erased from a gallery is forgotten by the caches of photos that were searched."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import IdentityNotFoundError, InputError, OutputError
from vultus.core.faces import Faces
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import PersonDetails
from vultus.pipeline.erasing import erase_people, expire_people
from vultus.pipeline.face_cache import FaceCache, FileState, KnownPhoto

SPACE, OTHER = EmbeddingSpace("toy", "0" * 64, "none", 128), EmbeddingSpace("b", "1" * 64, "x", 128)


def photo(*people: int, space: EmbeddingSpace = SPACE) -> Embeddings:
    raw = [np.random.default_rng([p]).standard_normal(128) for p in people]
    noise = 0.3 * np.random.default_rng([9, *people]).standard_normal((len(people), 128))
    return Embeddings.from_raw(np.array(raw) + noise, space)


def keep(cache: FaceCache, name: str, faces: Embeddings) -> None:
    n = len(faces)
    shapes = ((n, 4), (n, 5, 2), (n,))
    found = Faces(*(np.ones(shape, np.float32) for shape in shapes))
    known = KnownPhoto(name, (9, 9), found, ((),) * n, faces)
    cache.keep([(FileState(name, 1, 1, "f"), known)], setting=faces.space.model)


def known(cache: FaceCache, *names: str, space: EmbeddingSpace = SPACE) -> list[str]:
    states = [FileState(name, 1, 1, "f") for name in names]
    found = cache.known(states, names, setting=space.model)
    return [photo.name for photo in found if photo is not None]


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    opened = Gallery.open(tmp_path / "g.db", space=SPACE)
    opened.enroll("Ann", Embeddings.concatenate([photo(1), photo(1)]))
    opened.enroll("Bob", photo(2))
    opened.note("Bob", PersonDetails(retain_until="2020-01-01"))
    return opened


@pytest.fixture
def cache(tmp_path: Path) -> FaceCache:
    made = FaceCache(tmp_path / "cache")
    # Many, so that rows move when some go.
    for number in range(40):
        keep(made, f"ann{number}", photo(100 + number, 1))
        keep(made, f"bob{number}", photo(2, 200 + number))
    keep(made, "bob0", photo(2, 200, space=OTHER))
    keep(made, "ann0", photo(1, 100, space=OTHER))
    keep(made, "only", photo(3, space=OTHER))
    return made


def test_a_cache_forgets_who_is_erased_and_nobody_else(gallery: Gallery, cache: FaceCache) -> None:
    file = cache.folder / "faces.db"
    vector = photo(117, 1).vectors[1].tobytes()[:64]
    assert vector in file.read_bytes()
    with gallery:
        done = erase_people(gallery, ["Ann"], caches=[cache])
        assert [person.identity for person in gallery.people()] == ["Bob"]
    assert [receipt.identity for receipt in done.receipts] == ["Ann"]
    assert (done.caches[0].forgotten, done.caches[0].left) == (41, 40)
    assert known(cache, *(f"ann{n}" for n in range(40))) == []
    assert known(cache, *(f"bob{n}" for n in range(40))) == [f"bob{n}" for n in range(40)]
    # Of another model only what the gallery's model saw on the same photo, too, can be judged.
    assert known(cache, "ann0", "bob0", "only", space=OTHER) == ["bob0"]
    content = file.read_bytes()
    for number in range(40):
        assert photo(100 + number, 1).vectors[1].tobytes()[:64] not in content
    assert photo(2, 200).vectors[0].tobytes()[:64] in content


def test_what_was_left_in_gaps_of_the_cache_goes_too(gallery: Gallery, cache: FaceCache) -> None:
    file, secret = cache.folder / "faces.db", photo(107, 1).vectors[1].tobytes()[:64]
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM photos WHERE path LIKE 'ann%' AND path <> 'ann7'")
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    assert free > 30
    content = bytearray(file.read_bytes())
    # Most of the free pages are leaves of the list: SQLite reads nothing of them. Wherever it moved
    # a row, it may have left one there.
    gaps = [at for at in range(0, len(content), size) if not any(content[at : at + size])]
    content[gaps[0] + 1000 : gaps[0] + 1064] = secret
    file.write_bytes(content)
    with gallery:
        assert erase_people(gallery, ["Ann"], caches=[cache]).caches[0].forgotten > 0
    assert secret not in file.read_bytes()


def test_whose_time_is_over_goes_from_the_cache(gallery: Gallery, cache: FaceCache) -> None:
    with gallery:
        with pytest.raises(InputError, match="must not be to come"):
            expire_people(gallery, caches=[cache], when="2999-01-01")
        assert len(known(cache, "bob1", "ann1")) == 2
        done, forgotten = expire_people(gallery, caches=[cache])
    assert (done.people, forgotten[0].forgotten) == (("Bob",), 41)
    assert known(cache, "bob1", "ann1") == ["ann1"]


def test_nothing_is_done_when_one_is_not_there_or_the_cache_is_broken(
    gallery: Gallery, cache: FaceCache
) -> None:
    with gallery:
        with pytest.raises(IdentityNotFoundError, match="Cid"):
            erase_people(gallery, ["Ann", "Cid"], caches=[cache])
        (cache.folder / "faces.db").write_bytes(b"something else" * 1000)
        with pytest.raises(OutputError, match="cannot be changed"):
            erase_people(gallery, ["Ann"], caches=[cache])
        assert len(gallery) == 2
        assert len(erase_people(gallery, ["Ann"]).receipts) == 1


def test_a_cache_that_is_not_there_is_not_made(gallery: Gallery, tmp_path: Path) -> None:
    with gallery:
        done = erase_people(gallery, ["Ann"], caches=[FaceCache(tmp_path / "none")])
    assert (done.caches[0].forgotten, (tmp_path / "none").exists()) == (0, False)


def test_all_is_forgotten_even_what_cannot_be_read(cache: FaceCache) -> None:
    assert cache.clear().forgotten == 81
    assert not (cache.folder / "faces.db").exists()
    assert cache.clear().forgotten == 0
    (cache.folder / "faces.db").write_bytes(b"something else" * 1000)
    cache.clear()
    assert not (cache.folder / "faces.db").exists()
