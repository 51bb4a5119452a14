"""`vultus embed`: vectors of real photos."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vultus.embedding.embedding_file import load_embeddings

Run = Callable[..., Any]
HOPPER = "Grace Hopper"


def test_embed_writes_vectors_with_their_space(
    run: Run, photos: Path, tiny_model: Path, tmp_path: Path
) -> None:
    target = tmp_path / "faces.npz"
    outcome = run("embed", photos / HOPPER, "-o", target, "--model", tiny_model, "--json")
    assert outcome.code == 0
    assert outcome.json["faces"] == 6
    embeddings, sources = load_embeddings(target)
    assert embeddings.space.to_dict() == outcome.json["space"]
    assert Path(sources[0].photo).parent.name == HOPPER
