import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vultus.core.errors import ConfigError, ModelError
from vultus.models.cards import ModelCard
from vultus.models.imported import card_for_file, imported_card, imported_cards, write_card

MakeOnnx = Callable[..., Path]
VALUES: dict[str, Any] = {
    "name": "mine",
    "task": "embedding",
    "description": "Mine",
    "licence": {"name": "Ours", "commercial_use": True, "source": "us"},
    "template": "arcface-112",
    "colour": "bgr",
    "mean": 127.5,
    "std": 127.5,
    "flip": "none",
}


def test_a_card_takes_from_the_file_what_the_file_knows(make_onnx: MakeOnnx) -> None:
    path = make_onnx()
    card = card_for_file(path, VALUES)
    assert card.embedding_dim == 192
    assert card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card.size_bytes == path.stat().st_size
    assert card.file_name == "toy.onnx"
    assert "(?, 3, 8, 8)" in card.layout
    assert not card.verified


@pytest.mark.parametrize(
    "claim", [{"embedding_dim": 128}, {"sha256": "0" * 64}, {"size_bytes": 12}]
)
def test_a_claim_that_the_file_belies_is_refused(
    make_onnx: MakeOnnx, claim: dict[str, Any]
) -> None:
    with pytest.raises(ModelError, match=f"{next(iter(claim))} must be"):
        card_for_file(make_onnx(), VALUES | claim)


def test_an_open_output_needs_the_dimension_said(make_onnx: MakeOnnx) -> None:
    path = make_onnx(vector=("b", "d"))
    with pytest.raises(ConfigError, match="embedding_dim"):
        card_for_file(path, VALUES)
    assert card_for_file(path, VALUES | {"embedding_dim": 192}).embedding_dim == 192


def test_other_tasks_need_only_a_graph(make_onnx: MakeOnnx) -> None:
    path = make_onnx(image=("b", 8, 8, 3))
    card = card_for_file(path, VALUES | {"task": "detection", "decoder": "yunet"})
    assert card.task == "detection"


def test_cards_are_read_back(tmp_path: Path, make_card: Callable[..., ModelCard]) -> None:
    assert imported_card(tmp_path, "toy") is None
    (tmp_path / "toy").mkdir()
    write_card(tmp_path, make_card())
    assert imported_card(tmp_path, "toy") == make_card()
    assert list(imported_cards(tmp_path)) == [make_card()]
    assert list(imported_cards(tmp_path / "absent")) == []


def test_a_broken_card_is_named_and_hides_no_other(
    tmp_path: Path, make_card: Callable[..., ModelCard], caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("toy", "broken", "moved"):
        (tmp_path / name).mkdir()
        write_card(tmp_path, make_card(name=name))
    (tmp_path / "broken" / "card.toml").write_text("name = 3")
    (tmp_path / "moved").rename(tmp_path / "elsewhere")
    for name in ("broken", "elsewhere"):
        with pytest.raises(ConfigError, match=name):
            imported_card(tmp_path, name)
    with caplog.at_level(logging.WARNING):
        assert [card.name for card in imported_cards(tmp_path)] == ["toy"]
    assert "broken" in caplog.text
