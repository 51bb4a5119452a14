import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vultus.core.errors import LicenceError, ModelError
from vultus.models.cards import ModelCard
from vultus.models.licence import accept_licence, check_accepted, is_accepted

RESEARCH = {"name": "Research only", "commercial_use": False, "source": "https://example.org/l"}


@pytest.fixture
def card(make_card: Callable[..., ModelCard]) -> ModelCard:
    return make_card(licence=RESEARCH)


def test_commercial_licences_need_no_word(
    tmp_path: Path, make_card: Callable[..., ModelCard]
) -> None:
    check_accepted(tmp_path, make_card())


def test_others_are_refused_until_accepted_once(tmp_path: Path, card: ModelCard) -> None:
    root = tmp_path / "store"
    with pytest.raises(LicenceError, match=r"Research only \(https://example\.org/l\)") as caught:
        check_accepted(root, card)
    assert "--accept-licence" in str(caught.value)
    accept_licence(root, card)
    check_accepted(root, card)
    record = json.loads((root / "licences.json").read_text("utf-8"))["toy"]
    assert record["licence"] == "Research only"
    age = datetime.now(UTC) - datetime.fromisoformat(record["accepted"])
    assert timedelta(seconds=-2) < age < timedelta(minutes=5)


def test_other_terms_must_be_accepted_anew(
    tmp_path: Path, card: ModelCard, make_card: Callable[..., ModelCard]
) -> None:
    accept_licence(tmp_path, card)
    changed: dict[str, Any] = RESEARCH | {"name": "Research, one year only"}
    assert not is_accepted(tmp_path, make_card(licence=changed))


def test_accepting_one_keeps_the_others(
    tmp_path: Path, card: ModelCard, make_card: Callable[..., ModelCard]
) -> None:
    other = make_card(name="other", licence=RESEARCH)
    accept_licence(tmp_path, card)
    accept_licence(tmp_path, other)
    assert is_accepted(tmp_path, card)
    assert is_accepted(tmp_path, other)


def test_the_environment_accepts_by_name(
    tmp_path: Path, card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_ACCEPT_LICENCES", "toys, other")
    assert not is_accepted(tmp_path, card)
    monkeypatch.setenv("VULTUS_ACCEPT_LICENCES", "other, toy")
    assert is_accepted(tmp_path, card)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_record_is_named(tmp_path: Path, card: ModelCard, text: str) -> None:
    (tmp_path / "licences.json").write_text(text)
    with pytest.raises(ModelError, match=r"licences\.json"):
        is_accepted(tmp_path, card)
