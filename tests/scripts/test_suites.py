import tomllib
from pathlib import Path

import pytest

from scripts import suites

ROOT = Path(__file__).resolve().parents[2]


def test_every_marker_has_a_suite() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    markers = settings["tool"]["pytest"]["ini_options"]["markers"]
    assert {marker.partition(":")[0] for marker in markers} | {"default"} == {
        suite.name for suite in suites.SUITES
    }


def test_what_is_missing_is_named_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("VULTUS_MODELS_MIRROR", raising=False)
    assert suites.main(["models"]) == 0
    assert "not run: needs public model files" in capsys.readouterr().out
    assert suites.main(["fast"]) == 2


@pytest.mark.parametrize(
    ("code", "well", "told"), [(0, 0, "passed in"), (1, 1, "FAILED in"), (5, 0, "no tests")]
)
def test_the_minutes_of_a_suite_are_told(
    code: int,
    well: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[list[str]] = []

    class Done:
        returncode = code

    def run(command: list[str], **settings: object) -> Done:
        asked.append(command)
        return Done()

    monkeypatch.setattr("subprocess.run", run)
    assert suites.main(["slow"]) == well
    assert told in capsys.readouterr().out
    assert asked[0][-2] == "slow and not network and not gpu and not postgres and not browser"
