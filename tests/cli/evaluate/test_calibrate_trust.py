"""A site's own limit of trust, from the shell."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vultus.pipeline.trust_head import trust_limit_path
from vultus.quality.trust_limit import load_trust_limit

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_limit_is_kept_in_the_store_and_told(run: Run, photos: Path) -> None:
    done = run("calibrate-trust", photos, "--cost", "0.4")
    assert done.code == 0, done.err
    path = trust_limit_path("vultus-s2")
    limit = load_trust_limit(path)
    assert limit.n_refused <= 0.4 * limit.n_faces
    text = " ".join(done.out.split())
    assert f"which costs {limit.n_refused} of {limit.n_faces} good faces" in text
    assert str(path) in done.out
    assert ("more lenient" in done.err) == (limit.min_trust < limit.usual_min_trust)


def test_json_and_a_file_elsewhere(run: Run, photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "limit.json"
    done = run("calibrate-trust", photos, "--cost", "0.4", "-o", file, "--json")
    assert done.code == 0, done.err
    assert done.json["file"] == str(file)
    assert done.json["min_trust"] == load_trust_limit(file).min_trust
    assert not trust_limit_path("vultus-s2").exists()


def test_too_few_photos_and_a_wrong_cost_are_one_line(run: Run, photos: Path) -> None:
    few = run("calibrate-trust", photos)
    assert few.code != 0
    assert "must be measured on at least 50" in few.err
    wrong = run("calibrate-trust", photos, "--cost", "0.7")
    assert "cost must be" in wrong.err
    assert "Traceback" not in few.err + wrong.err
