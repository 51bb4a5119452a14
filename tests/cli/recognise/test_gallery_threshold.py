"""`vultus gallery threshold`: the trade as a table, a picture and JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.embedding.embedder import Embedder
from vultus.gallery.gallery import Gallery
from vultus.models.built_in import built_in_rates

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Three people of the built-in model's space: one photo, one photo, three."""
    space = EmbeddingSpace(**json.loads(built_in_rates("vultus-s2") or "")["space"])
    raw = np.random.default_rng(0).normal(size=(3, space.dim))
    with Gallery.open(tmp_path / "people.db", space=space, outlier_similarity=-1) as gallery:
        for number, row in enumerate(raw):
            photos = row + np.random.default_rng(1).normal(0, 0.1, (3 if number == 2 else 1, 128))
            gallery.enroll(f"p{number}", Embeddings.from_raw(photos, space))
    return tmp_path / "people.db"


def test_the_gallery_and_the_trade_are_told_with_what_is_missed(run: Run, people: Path) -> None:
    told = run("gallery", "threshold", people, "--json", "--people", 10_000, "--photos", 1)
    own = told.json["gallery"]
    assert told.code == 0
    assert (own["people"], own["people_by_photos"]) == (3, {"1": 2, "3": 1})
    assert own["search"]["fpir"] == 0.01 < own["search"]["fpir_high"]
    assert 0 < own["search"]["fnir"] < own["search"]["fnir_high"]
    rows = {row["fpir"]: row for row in told.json["trade"]}
    assert set(rows) == {0.1, 0.01}
    assert rows[0.01]["search"]["fnir"] > rows[0.1]["search"]["fnir"] > own["search"]["fnir"]
    printed = run("gallery", "threshold", people)
    assert "enrolled now: 3 people" in printed.out
    assert "expected: FPIR 0.01 (at most" in " ".join(printed.out.split())
    assert "100,000" in printed.out


def test_a_picture_is_drawn_where_it_is_asked_for(run: Run, people: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert run("gallery", "threshold", people, "--plot", tmp_path / "trade.svg").code == 0
    assert "Missed of those enrolled" in (tmp_path / "trade.svg").read_text("utf-8")


def test_what_cannot_be_searched_says_why(run: Run, people: Path, tmp_path: Path) -> None:
    refused = run("gallery", "threshold", people, "--max-fnir", 0.001, "--json")
    assert refused.code == 1
    assert "at most 0% may be missed" in refused.json["gallery"]["refusal"]
    assert all(row["would_refuse"] for row in refused.json["trade"] if row["fpir"] == 0.01)
    assert run("gallery", "threshold", people, "--max-fnir", 2).code == 2
    missing = run("gallery", "threshold", tmp_path / "none.db")
    assert (missing.code, "there is no gallery" in missing.err) == (2, True)


def test_a_model_without_search_rates_has_the_table_of_its_card(
    run: Run, tiny_embedder: Embedder, tiny_model: Path, tmp_path: Path
) -> None:
    with Gallery.open(tmp_path / "g.db", space=tiny_embedder.space):
        pass
    told = run("gallery", "threshold", tmp_path / "g.db", "--model", tiny_model)
    assert told.code == 0
    assert "cannot be carried" in told.out
    assert "nobody measured how many" in " ".join(told.out.split())
