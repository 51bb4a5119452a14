"""`vultus gallery`: from enrolment to erasure."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
COLLINS = "Eileen Collins"


def test_a_gallery_from_enrolment_to_erasure(
    run: Run, photos: Path, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "people.db"
    model = ["--model", tiny_model]
    assert run("gallery", "identify", file, original, *model).code == 2
    added = run("gallery", "enroll", file, original, "--name", "Grace", *model, "--json")
    assert added.json["enrolled"] == {"Grace": 1}
    listed = run("gallery", "list", file, "--json").json
    assert [(p["identity"], p["n_photos"]) for p in listed["people"]] == [("Grace", 1)]
    known = run("gallery", "identify", file, original, *model, "--json")
    assert (known.code, known.json["faces"][0]["identity"]) == (0, "Grace")
    stranger = run("gallery", "identify", file, photos / COLLINS / "0-original.jpg", *model)
    assert stranger.code == 1
    assert "unknown" in stranger.out
    wrong = run("gallery", "remove", file, "Grce")
    assert wrong.code == 2
    assert "Grace" in wrong.err
    assert run("gallery", "remove", file, "Grace").code == 0
    assert run("gallery", "list", file, "--json").json["people"] == []
