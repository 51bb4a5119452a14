from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.embedding.embedding_file import (
    FaceSource,
    load_embeddings,
    read_embedding_file,
    save_embeddings,
)

SPACE = EmbeddingSpace("net", "a" * 64, "arcface-112 rgb", 8)


def graded_embeddings(n: int) -> Embeddings:
    rng = np.random.default_rng(0)
    quality = rng.uniform(size=n).astype(np.float32)
    return Embeddings.from_raw(rng.normal(size=(n, 8)), SPACE, quality=quality)


def sources(n: int) -> list[FaceSource]:
    return [FaceSource(f"foto-ä-{i}.jpg", i, (1.0, 2.0, 3.0, float(i))) for i in range(n)]


def test_what_is_saved_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    embeddings = graded_embeddings(5)
    save_embeddings(tmp_path / "e.npz", embeddings, sources=sources(5))
    back, where = load_embeddings(tmp_path / "e.npz")
    np.testing.assert_array_equal(back.vectors, embeddings.vectors)
    np.testing.assert_array_equal(back.norms, embeddings.norms)
    assert back.quality is not None
    np.testing.assert_array_equal(back.quality, np.asarray(embeddings.quality))
    assert back.space == SPACE
    assert where == sources(5)
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]


def test_sizes_scores_and_failed_photos_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "e.npz"
    known = [FaceSource(f"{i}.jpg", 0, (0.0, 1.0, 2.0, 3.0), (40 + i, 30), i / 4) for i in range(3)]
    save_embeddings(path, graded_embeddings(3), sources=known, failed=["a.jpg", "ü.jpg"])
    file = read_embedding_file(path)
    assert file.sources == tuple(known)
    assert file.failed == ("a.jpg", "ü.jpg")
    # Known of some faces only, they are not written.
    save_embeddings(path, graded_embeddings(3), sources=[*known[:2], sources(3)[2]])
    file = read_embedding_file(path)
    assert [source.score for source in file.sources] == [None] * 3
    assert file.failed == ()


def test_sources_of_another_number_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.npz"
    save_embeddings(path, graded_embeddings(3), sources=sources(3))
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for name in ("photo", "face", "boxes"):
        arrays[name] = arrays[name][:2]
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="2 sources for 3 embeddings"):
        load_embeddings(path)


def test_nothing_at_all_can_be_saved_and_read(tmp_path: Path) -> None:
    save_embeddings(tmp_path / "e.npz", Embeddings.empty(SPACE), sources=[])
    back, where = load_embeddings(tmp_path / "e.npz")
    assert len(back) == 0
    assert where == []
    assert back.quality is None


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "e.npz").write_bytes(content)
    with pytest.raises(InputError, match="no file of embeddings"):
        load_embeddings(tmp_path / "e.npz")


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", vectors=np.eye(8))
    with pytest.raises(InputError, match="no file of embeddings"):
        load_embeddings(tmp_path / "e.npz")
    np.savez(tmp_path / "f.npz", format=np.array("other"))
    with pytest.raises(InputError, match="is of format other"):
        load_embeddings(tmp_path / "f.npz")


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", format=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="no file of embeddings"):
        load_embeddings(tmp_path / "e.npz")


def test_one_source_per_embedding(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got 2 for 3"):
        save_embeddings(tmp_path / "e.npz", graded_embeddings(3), sources=sources(2))
    with pytest.raises(InputError, match="folder"):
        save_embeddings(tmp_path / "no" / "e.npz", graded_embeddings(1), sources=sources(1))
    with pytest.raises(InputError, match="there is no file"):
        load_embeddings(tmp_path / "e.npz")


def test_paths_may_be_text(tmp_path: Path) -> None:
    embeddings = Embeddings.empty(EmbeddingSpace("toy", "0" * 64, "none", 4))
    name = str(tmp_path / "a.npz")
    save_embeddings(name, embeddings, sources=[])
    assert len(load_embeddings(name)[0]) == len(read_embedding_file(name).embeddings) == 0
