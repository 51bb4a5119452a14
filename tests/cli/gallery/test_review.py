"""`vultus gallery review`: an unknown face becomes somebody, or is not somebody."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_an_unknown_face_waits_and_becomes_a_person(
    run: Run, photos: Path, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    file, model = tmp_path / "people.db", ("--model", tiny_model)
    stranger = photos / "Eileen Collins" / "0-original.jpg"
    assert run("gallery", "enroll", file, original, "--name", "Grace", *model).code == 0
    identify = ("gallery", "identify", file, stranger, *model, "--threshold", 0.9999, "--json")
    assert "review" not in run(*identify).json["faces"][0]
    listed = run("gallery", "review", "list", file)
    assert "keeps no unknown faces" in listed.out
    allowed = run("gallery", "review", "allow", file, "--days", 7)
    assert allowed.out == f"{file} keeps unknown faces for 7 days\n"
    number = run(*identify).json["faces"][0]["review"]
    (face,) = run("gallery", "review", "list", file, "--json").json["faces"]
    assert (face["number"], face["source"]) == (number, str(stranger))
    assert [found["identity"] for found in face["suggestions"]] == ["Grace"]
    assert run("gallery", "review", "deny", file, number, "Grace").code == 0
    (face,) = run("gallery", "review", "list", file, "--json").json["faces"]
    assert face["suggestions"] == []
    done = run("gallery", "review", "assign", file, "Eileen", number)
    assert done.out == "Eileen: 1 photo enrolled\n"
    known = run(*identify).json["faces"][0]
    assert (known["identity"], "review" in known) == ("Eileen", False)
    gone = run("gallery", "review", "dismiss", file, number)
    assert (gone.code, f"no review item {number}" in gone.err) == (2, True)
    assert run("gallery", "review", "forbid", file, "--json").json == {"deleted": 0}
    assert run("gallery", "check", file).code == 0
