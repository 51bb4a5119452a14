import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vultus.core.errors import ConfigError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.models.cards import Licence, ModelCard, TrustFile
from vultus.models.names import is_model_name

MakeCard = Callable[..., ModelCard]

GOOD: dict[str, Any] = {
    "name": "toy",
    "task": "embedding",
    "description": "A toy",
    "file_name": "toy.onnx",
    "sha256": "ab" * 32,
    "licence": {"name": "MIT", "commercial_use": True, "source": "us"},
    "template": "arcface-112",
    "colour": "rgb",
    "mean": 127.5,
    "std": 128,
    "embedding_dim": 4,
    "flip": "add",
}


def test_fields_and_defaults() -> None:
    card = ModelCard.from_dict(GOOD)
    assert card.licence == Licence("MIT", True, "us")
    assert card.std == 128.0
    assert isinstance(card.std, float)
    assert (card.url, card.size_bytes, card.verified) == (None, None, False)
    assert card.thresholds == ThresholdTable()


@given(
    description=st.text(),
    notes=st.text(),
    mean=st.floats(-1e6, 1e6),
    std=st.floats(1e-6, 1e6),
    size=st.none() | st.integers(1, 1 << 40),
    points=st.lists(
        st.tuples(st.floats(0, 1), st.floats(1e-3, 1)), max_size=3, unique_by=lambda point: point[0]
    ),
)
def test_toml_round_trip(
    description: str,
    notes: str,
    mean: float,
    std: float,
    size: int | None,
    points: list[tuple[float, float]],
) -> None:
    rates = sorted((rate for _, rate in points), reverse=True)
    levels = sorted(level for level, _ in points)
    table = ThresholdTable(
        tuple(
            Threshold(level, rate, 10**6, description)
            for level, rate in zip(levels, rates, strict=True)
        )
    )
    values = GOOD | {"description": description, "notes": notes, "mean": mean, "std": std}
    if size is not None:
        values["size_bytes"] = size
    values["thresholds"] = [point.to_dict() for point in table.points]
    card = ModelCard.from_dict(values)
    assert ModelCard.from_toml(card.to_toml()) == card
    assert {"thresholds": [], "cautious": []} | tomllib.loads(card.to_toml()) == card.to_dict()
    assert card.thresholds == table


def test_cautious_thresholds_come_back_and_are_never_laxer_than_everybodys() -> None:
    def points(*levels: tuple[float, float]) -> list[dict[str, object]]:
        return [Threshold(level, rate, 10**6, "test").to_dict() for level, rate in levels]

    values = GOOD | {
        "thresholds": points((0.3, 1e-2), (0.4, 1e-3)),
        "cautious": points((0.5, 1e-2), (0.6, 1e-3)),
    }
    card = ModelCard.from_dict(values)
    assert [point.similarity for point in card.cautious.points] == [0.5, 0.6]
    assert ModelCard.from_toml(card.to_toml()) == card
    assert ModelCard.from_package(card.to_toml()) == card
    with pytest.raises(ConfigError, match=r"a cautious threshold must be at least 0\.4000"):
        ModelCard.from_dict(values | {"cautious": points((0.39, 1e-3))})
    with pytest.raises(ConfigError, match=r"cautious\.0 has no 'far'"):
        ModelCard.from_dict(values | {"cautious": [{"similarity": 0.3, "far": 0.1}]})


@pytest.mark.parametrize("key", ["sha256", "task", "licence", "std", "embedding_dim", "flip"])
def test_a_needed_key_that_is_missing_is_named(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        ModelCard.from_dict({k: v for k, v in GOOD.items() if k != key})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embeding_dim": 4}, "did you mean 'embedding_dim'"),
        ({"licence": {"name": "x", "comercial_use": True}}, "did you mean 'commercial_use'"),
        ({"licence": {"name": "x", "commercial_use": "yes", "source": ""}}, "commercial_use"),
        ({"licence": "MIT"}, "licence must be a table"),
        ({"task": "embeding"}, "task must be one of detection, embedding"),
        ({"colour": "grey"}, "colour must be one of rgb, bgr"),
        ({"flip": True}, "flip must be one of none, add, concat, got True"),
        ({"mean": "127.5"}, "mean must be a number"),
        ({"mean": float("nan")}, "finite"),
        ({"std": 0}, "std above 0"),
        ({"std": True}, "std must be a number"),
        ({"embedding_dim": 0}, "embedding_dim must be given"),
        ({"embedding_dim": 4.5}, "embedding_dim must be an integer"),
        ({"min_norm": -1}, "min_norm must be at least 0"),
        ({"min_norm": float("inf")}, "min_norm must be at least 0 and finite"),
        ({"size_bytes": 0}, "size_bytes must be at least 1"),
        ({"sha256": "AB" * 32}, "64 lower-case hex digits"),
        ({"archive_sha256": "ab" * 32}, "together with archive_member"),
        ({"name": "../toy"}, "name must be"),
        ({"file_name": "../toy.onnx"}, "file_name must be"),
        ({"file_name": "a\\toy.onnx"}, "file_name must be"),
        ({"file_name": "c:toy.onnx"}, "file_name must be"),
        ({"file_name": "card.toml"}, "file_name must be"),
        ({"task": "detection"}, "decoder"),
        ({"thresholds": [{"similarity": 0.3}]}, "fmr"),
        (
            {"thresholds": [{"similarity": -1, "fmr": 1e-6, "n_impostor": 1}]},
            "at least 3 / n_impostor",
        ),
        (
            {"thresholds": [{"similarity": 0.3, "far": 0.1}]},
            "thresholds\\.0 has no 'far'; did you mean 'fmr'",
        ),
        ({"thresholds": [{"fmr": 0.1}]}, r"thresholds\.0\.similarity is missing"),
        ({"thresholds": [3]}, r"thresholds\.0 must be a table, got 3"),
        ({"thresholds": 3}, "thresholds must be a list, got 3"),
    ],
)
def test_a_wrong_card_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^model card '.*{message}"):
        ModelCard.from_dict(GOOD | changes)


def test_text_that_is_no_toml_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be TOML"):
        ModelCard.from_toml("name = ")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "A", "a b", "-a", "x" * 65, "a\n"])
def test_names_that_are_no_safe_folder_names(name: str) -> None:
    assert not is_model_name(name)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "toy.toml"
    card = ModelCard.from_dict(GOOD)
    path.write_text(card.to_toml(), encoding="utf-8")
    assert ModelCard.from_file(path) == card
    for content, message in (
        (b"\xe4", "must be text in UTF-8"),
        (b"= 3", "must be TOML"),
        (card.to_toml().replace("template", "tamplate").encode(), "must have template"),
        (card.to_toml().replace("notes", "nots").encode(), "has no 'nots'; did you mean 'notes'"),
    ):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=rf"toy\.toml {message}"):
            ModelCard.from_file(path)


def test_a_trust_head_is_part_of_a_card_and_its_limits_are_checked() -> None:
    trust = {"file_name": "toy.npz", "sha256": "cd" * 32, "min_trust": 0.4, "notes": "ours"}
    card = ModelCard.from_dict({**GOOD, "trust": trust})
    assert card.trust == TrustFile("toy.npz", "cd" * 32, 0.4, "ours")
    assert ModelCard.from_toml(card.to_toml()) == card
    assert ModelCard.from_package(card.to_toml()) == card
    assert ModelCard.from_dict(GOOD).trust is None
    for key, value in (("file_name", "a/toy.npz"), ("sha256", "cd"), ("min_trust", 1.5)):
        with pytest.raises(ConfigError, match=f"trust.{key} must be"):
            ModelCard.from_dict({**GOOD, "trust": {**trust, key: value}})
