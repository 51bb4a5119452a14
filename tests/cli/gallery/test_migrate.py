"""`vultus gallery migrate` and `crops`: a gallery goes to another model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_a_gallery_goes_to_another_model(
    run: Run, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "people.db"
    made = run("gallery", "create", file, "--keep-crops", "--model", tiny_model, "--json")
    assert made.json["crops"] is True
    assert run("gallery", "enroll", file, original, "--name", "G", "--model", tiny_model).code == 0
    assert run("gallery", "show", file, "G", "--json").json["crops"] == 1
    idle = run("gallery", "migrate", file, "--status", "--json").json
    assert (idle["under_way"], idle["missing"]) == (False, [])
    begun = run("gallery", "migrate", file, "--json")  # to the built-in model
    assert (begun.json["ready"], begun.json["complete"]) == (1, True)
    assert run("gallery", "migrate", file, "--cancel", "--json").json["deleted"] == 1
    refused = run("gallery", "migrate", file, "--finish")
    assert (refused.code, "is not being brought" in refused.err) == (2, True)
    assert run("gallery", "migrate", file).code == 0
    done = run("gallery", "migrate", file, "--finish", "--json")
    assert (done.json["people"], done.json["without"]) == (1, [])
    named = run("gallery", "identify", file, original, "--threshold", 0.9, "--json")
    assert named.json["faces"][0]["identity"] == "G"
    assert run("gallery", "crops", "forbid", file, "--json").json["erased"] == 1
    assert run("gallery", "check", file).code == 0


def test_who_is_missing_is_written_and_photographed_again(
    run: Run, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    file, again = tmp_path / "people.db", tmp_path / "again" / "G"
    assert run("gallery", "enroll", file, original, "--name", "G", "--model", tiny_model).code == 0
    listed = run("gallery", "migrate", file, "--missing", tmp_path / "m.csv")
    assert "to be photographed again: 1" in listed.out
    assert (tmp_path / "m.csv").read_text().splitlines() == ["identity,external_id,photos", "G,,1"]
    refused = run("gallery", "migrate", file, "--finish")
    assert (refused.code, "photographed again" in refused.err) == (2, True)
    again.mkdir(parents=True)
    (again / original.name).write_bytes(original.read_bytes())
    alone = run("gallery", "migrate", file, "--force")
    assert (alone.code, "--force is for --folder" in alone.err) == (2, True)
    told = run("gallery", "migrate", file, "--folder", again.parent, "--json")
    assert told.json["complete"] is True
    assert "nobody asked tiny whether the photos show whom they are said to" in told.err
    forced = run("gallery", "migrate", file, "--folder", again.parent, "--force")
    assert (forced.code, "enrolled already" in forced.err) == (0, True)
    assert run("gallery", "migrate", file, "--finish").code == 0
    named = run("gallery", "identify", file, original, "--threshold", 0.9, "--json")
    assert named.json["faces"][0]["identity"] == "G"


def test_finish_embeds_who_was_enrolled_since(
    run: Run, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "people.db"
    assert run("gallery", "create", file, "--keep-crops", "--model", tiny_model).code == 0
    assert run("gallery", "migrate", file).code == 0  # to the built-in model
    assert run("gallery", "enroll", file, original, "--name", "G", "--model", tiny_model).code == 0
    assert run("gallery", "migrate", file, "--status", "--json").json["pending"] == 1
    done = run("gallery", "migrate", file, "--finish", "--json")
    assert (done.json["people"], done.json["photos"], done.json["without"]) == (1, 1, [])
