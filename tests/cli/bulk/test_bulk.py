from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bulk.conftest import InProcess

from vultus.cli.output import ExitCode
from vultus.image.io import write_image

Run = Callable[..., Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How workers were asked for; the work is done here."""
    calls: list[dict[str, Any]] = []

    @contextmanager
    def here(**asked: Any) -> Iterator[InProcess]:
        calls.append(asked)
        yield InProcess()

    monkeypatch.setattr("vultus.bulk.workers.open_workers", here)
    return calls


def test_embed_then_cluster_then_enroll(
    run: Run, photos: Path, tiny_model: Path, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    folder, people = tmp_path / "run", tmp_path / "people.parquet"
    models = ("--model", tiny_model, "--no-gate")
    done = run("bulk", "embed", photos, "-o", folder, "--workers", 2, "--json", *models)
    assert done.code == ExitCode.OK
    assert done.json["faces"] > 2
    assert done.json["problems"]["not readable"] == 1
    assert asked[0]["n"] == 2
    again = run("bulk", "embed", photos, "-o", folder, *models)
    assert "done before" in again.out
    grouped = run("bulk", "cluster", folder, "-o", people, "--threshold", 0.9, "--json")
    assert grouped.code == ExitCode.OK
    assert grouped.json["faces"] == done.json["faces"]
    assert people.stat().st_mode & 0o077 == 0
    assert {path.name for path in folder.iterdir()} == {"run.json", "photos.parquet", "faces"}
    staff = tmp_path / "staff"
    staff.mkdir()
    for person in (path for path in photos.iterdir() if path.is_dir()):
        (staff / person.name).symlink_to(person)
    enrolled = run(
        *("bulk", "enroll", tmp_path / "people.db", staff, "--json", "--cache", tmp_path / "c"),
        *models,
    )
    assert enrolled.json["people"] == 2
    assert enrolled.json["added"] > 1


def test_audit_writes_what_a_plain_audit_writes(
    run: Run, photos: Path, tiny_model: Path, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    crops = tmp_path / "crops"
    rng = np.random.default_rng(0)
    for person in ("a", "b"):
        (crops / person).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 255, (112, 112, 3), np.uint8)
            write_image(crops / person / f"{number}.png", pixels)
    options = ("--model", tiny_model, "--detector", "none", "--json", "--no-page")
    plain = run("data", "audit", crops, "-o", tmp_path / "plain", *options)
    bulk = run("bulk", "audit", crops, "-o", tmp_path / "bulk", "--workers", 2, *options)
    assert bulk.code == ExitCode.OK
    assert asked[0]["n"] == 2
    for key in ("images", "identities", "findings", "rules"):
        assert bulk.json[key] == plain.json[key]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--cluster", "tcp://10.0.0.1:8786"), "another machine without encryption"),
        (("--cluster", "tls://10.0.0.1:8786", "--tls-ca", "ca.pem"), "give all of --tls-ca"),
        (("--workers", "2", "--cluster", "tcp://127.0.0.1:1"), "not both"),
    ],
)
def test_who_does_it_is_checked_first(
    run: Run, photos: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    outcome = run("bulk", "embed", photos, "-o", tmp_path / "run", *arguments)
    assert outcome.code == ExitCode.BAD_INPUT
    assert words in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_is_refused(run: Run, photos: Path, tmp_path: Path) -> None:
    outcome = run("bulk", "cluster", photos, "-o", tmp_path / "people.parquet")
    assert outcome.code == ExitCode.BAD_INPUT
    assert "vultus bulk embed" in outcome.err
