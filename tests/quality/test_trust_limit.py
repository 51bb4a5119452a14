import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import CalibrationError, ConfigError, InputError
from vultus.quality.trust_limit import (
    TrustLimit,
    choose_limit,
    load_trust_limit,
    save_trust_limit,
)


def limit(**changes: Any) -> TrustLimit:
    values: dict[str, Any] = {
        "model": "net",
        "head_sha256": "a" * 64,
        "min_trust": 0.3,
        "usual_min_trust": 0.2,
        "cost": 0.02,
        "n_faces": 100,
        "n_refused": 2,
        "n_refused_by_usual": 1,
        "detector": "mtcnn",
        "created": "2026-11-30T00:00:00Z",
    }
    return TrustLimit(**{**values, **changes})


@pytest.mark.parametrize(("n", "cost", "refused"), [(100, 0.02, 2), (99, 0.02, 1), (10, 0.29, 2)])
def test_the_limit_refuses_as_many_as_the_cost_allows_and_no_more(
    n: int, cost: float, refused: int
) -> None:
    trust = np.linspace(0, 1, n, dtype=np.float32)[np.random.default_rng(0).permutation(n)]
    chosen = choose_limit(trust, cost=cost)
    assert int((trust < chosen).sum()) == refused


def test_faces_of_one_score_are_all_accepted_rather_than_all_refused() -> None:
    trust = np.array([0.1, *[0.5] * 99], np.float32)
    assert choose_limit(trust, cost=0.3) == 0.5


def test_too_few_faces_are_refused_with_how_many_it_takes() -> None:
    with pytest.raises(CalibrationError, match="at least 50, got 49"):
        choose_limit(np.ones(49, np.float32), cost=0.02)
    with pytest.raises(InputError, match="cost"):
        choose_limit(np.ones(49, np.float32), cost=0)


def test_a_limit_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "net" / "trust_limit.json"
    save_trust_limit(path, limit())
    assert load_trust_limit(path) == limit()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_trust": 1.2}, "min_trust"),
        ({"min_trust": "low"}, "must be a number"),
        ({"format": "vultus-trust-limit-9"}, "vultus-trust-limit-1"),
        ({"limit": 3}, "has no 'limit'"),
        ({"n_faces": 0}, "n_faces"),
    ],
)
def test_what_is_no_limit_is_refused_by_its_place(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "trust_limit.json"
    path.write_text(json.dumps({**limit().to_dict(), **changes}))
    with pytest.raises(ConfigError, match=message):
        load_trust_limit(path)
    path.write_text(json.dumps({"min_trust": 0.2}))
    with pytest.raises(ConfigError, match="format vultus-trust-limit-1, and names none"):
        load_trust_limit(path)


def test_another_heads_scores_are_not_limited() -> None:
    limit().check_head("a" * 64, source="limit.json")
    with pytest.raises(ConfigError, match=r"limit.json must be for the trust head of net in use"):
        limit().check_head("b" * 64, source="limit.json")
    assert dataclasses.replace(limit(), min_trust=0).min_trust == 0
