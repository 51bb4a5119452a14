import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vultus.core.crops import AlignedCrops
from vultus.core.errors import (
    DigestError,
    LicenceError,
    ModelError,
    ModelNotFoundError,
    RegistryError,
)
from vultus.embedding.embedder import open_embedder
from vultus.embedding.source import find_model
from vultus.models.cards import Licence, ModelCard
from vultus.models.store import ModelStore

MakeCard = Callable[..., ModelCard]


@pytest.fixture
def file(tmp_path: Path, make_graph: Callable[..., bytes]) -> Path:
    path = tmp_path / "export" / "net.onnx"
    path.parent.mkdir()
    path.write_bytes(make_graph("b"))
    return path


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    return ModelStore(tmp_path / "store", mirror, offline=True, policy="any")


def test_a_file_with_a_card_beside_it_is_opened(
    file: Path, store: ModelStore, make_card: MakeCard, crops: AlignedCrops
) -> None:
    card = make_card(flip="add")
    file.with_suffix(".toml").write_text(card.to_toml())
    for model in (file, str(file)):
        assert find_model(model, store=store) == (file, card)
    embedder = open_embedder(file, store=store, threads=1)
    assert embedder.card == card
    assert len(embedder.embed(crops[:3])) == 3
    assert open_embedder(file, store=store, flip="concat").space.dim == 16


def test_a_file_that_was_changed_is_refused(
    file: Path, store: ModelStore, make_card: MakeCard
) -> None:
    file.with_suffix(".toml").write_text(make_card().to_toml())
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(DigestError, match=r"must have SHA-256 .*net\.toml"):
        open_embedder(file, store=store)


def test_a_file_without_a_card_is_refused(file: Path, store: ModelStore) -> None:
    with pytest.raises(ModelError, match=r"no model card is known.*write one to .*net\.toml"):
        open_embedder(file, store=store)


def test_a_card_finds_its_file_in_a_mirror_under_any_name(
    file: Path, store: ModelStore, make_card: MakeCard
) -> None:
    with pytest.raises(ModelNotFoundError, match="neither in the store nor in its mirrors"):
        open_embedder(make_card(), store=store)
    *_, mirror = store.mirrors
    shutil.copy(file, mirror / "renamed.bin.onnx")
    path, card = find_model(make_card(), store=store)
    assert (path.name, card) == ("renamed.bin.onnx", make_card())
    assert open_embedder(make_card(), store=store).space.model == "tiny"


def test_the_policy_of_the_store_holds_for_files_and_cards(
    file: Path, tmp_path: Path, make_card: MakeCard
) -> None:
    strict = ModelStore(tmp_path / "store", tmp_path, offline=True, policy="commercial-only")
    open_embedder(make_card(), store=strict)
    research = make_card(licence=Licence("research", commercial_use=False, source="test"))
    file.with_suffix(".toml").write_text(research.to_toml())
    for model in (file, research):
        with pytest.raises(LicenceError, match="commercial-only"):
            open_embedder(model, store=strict)


def test_a_model_of_another_task_is_refused(
    file: Path, store: ModelStore, make_card: MakeCard
) -> None:
    file.with_suffix(".toml").write_text(make_card(task="quality").to_toml())
    with pytest.raises(ModelError, match="'tiny' must be an embedding model, is one of quality"):
        open_embedder(file, store=store)


def test_what_is_neither_name_nor_file_is_refused(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="did you mean 'mobilefacenet-y1'"):
        open_embedder("mobilefacenet-y2", store=store)
    with pytest.raises(ModelNotFoundError, match=r"no model file at .*absent\.onnx"):
        open_embedder(tmp_path / "absent.onnx", store=store)
    with pytest.raises(ModelNotFoundError):
        open_embedder("mobilefacenet-y1", store=store)
