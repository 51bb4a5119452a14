"""The built-in cards against the public files themselves, as far as they are at hand."""

import os
from pathlib import Path

import pytest

from vultus.models.built_in import built_in_cards
from vultus.models.graph import check_graph, embedder_shapes
from vultus.models.store import ModelStore

pytestmark = pytest.mark.models


@pytest.fixture
def public_store(public_mirror: str | None, tmp_path: Path) -> ModelStore:
    if not public_mirror:
        pytest.skip("needs public model files: set VULTUS_MODELS_MIRROR to their folder")
    return ModelStore(tmp_path, public_mirror.split(os.pathsep), offline=True)


@pytest.mark.parametrize("name", list(built_in_cards()))
def test_a_file_is_what_its_card_says(public_store: ModelStore, name: str) -> None:
    card = public_store.card(name)
    path = public_store.find(name)
    if path is None:
        pytest.skip(f"{card.file_name} is not in the mirror")
    assert public_store.verify(name) == path
    assert card.size_bytes in (None, path.stat().st_size)
    if card.task == "embedding":
        assert embedder_shapes(path).embedding_dim == card.embedding_dim
    else:
        check_graph(path)
