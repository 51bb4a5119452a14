from collections.abc import Callable
from pathlib import Path
from typing import Any

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.faces import Faces
from vultus.pipeline.face_cache import FaceCache, FileState, KnownPhoto

Run = Callable[..., Any]


def test_photos_are_forgotten_one_by_one_by_folder_and_all(run: Run, tmp_path: Path) -> None:
    space = EmbeddingSpace("toy", "0" * 64, "none", 8)
    cache = FaceCache(tmp_path / "cache")
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "c/1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
        known = KnownPhoto(name, (9, 9), Faces.empty(), (), Embeddings.empty(space))
        cache.keep([(FileState.of(tmp_path / name), known)], setting="s")
    (tmp_path / "a/1.jpg").unlink()
    told = run("cache", "forget", tmp_path / "a/1.jpg", "--cache", cache.folder, "--json").json
    assert (told["forgotten"], told["left"]) == (1, 3)
    done = run("cache", "forget", tmp_path / "a", tmp_path / "b", "--cache", cache.folder)
    assert (done.code, "2 photos forgotten, 1 left" in done.out) == (0, True)
    assert "1 photos forgotten, 0 left" in run("cache", "clear", "--cache", cache.folder).out
    assert run("cache", "clear").code == 0  # the user's, of which there is none
