"""`vultus gallery`: from enrolment to erasure."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings
from vultus.embedding.embedder import Embedder
from vultus.gallery.gallery import Gallery

Run = Callable[..., Any]
COLLINS = "Eileen Collins"


@pytest.fixture
def crowd(tiny_embedder: Embedder, tmp_path: Path) -> Path:
    """A gallery of as many people as the tiny model's card carries at FPIR 0.01."""
    file = tmp_path / "crowd.db"
    raw = np.random.default_rng(0).normal(size=(100, tiny_embedder.space.dim))
    with Gallery.open(file, space=tiny_embedder.space) as gallery:
        for number, row in enumerate(raw):
            gallery.enroll(f"{number}", Embeddings.from_raw(row[None], tiny_embedder.space))
    return file


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


def test_a_gallery_too_large_is_said_at_enrolment_and_before_identifying(
    run: Run, crowd: Path, original: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ["--model", tiny_model]
    assert run("gallery", "identify", crowd, original, *model).code in (0, 1)
    added = run("gallery", "enroll", crowd, original, "--name", "Grace", *model)
    assert "note: the gallery reaches 101 people" in added.err
    more = run("gallery", "enroll", crowd, original, "--name", "Grace", *model, "--json")
    (note,) = more.json["notes"]
    assert (note["kind"], note["people"]) == ("gallery size", 101)
    monkeypatch.delattr("vultus.pipeline.analyser.load_chunks")  # nothing can be read from here on
    refused = run("gallery", "identify", crowd, original, *model)
    assert refused.code == 2
    for text in (added.err, note["text"], refused.err):
        assert "(--fpir 0.011), decide by --threshold, set by hand" in " ".join(text.split())
        assert "`vultus calibrate`" in text
        assert "=..." not in text
    monkeypatch.undo()
    assert run("gallery", "identify", crowd, original, *model, "--fpir", 0.011).code in (0, 1)
    assert run("gallery", "identify", crowd, original, *model, "--threshold", 0.9).code in (0, 1)


def test_what_is_not_there_makes_no_gallery(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    file, missing = tmp_path / "people.db", tmp_path / "nowhere"
    for command in (
        ["enroll", file, missing, "--name", "Grace"],
        ["enroll", file, missing],
        ["import", file, missing],
    ):
        refused = run("gallery", *command, "--model", tiny_model)
        assert (refused.code, "nowhere" in refused.err) == (2, True), refused.err
        assert not file.exists()


def test_the_summary_of_an_enrolment_counts_by_reason_and_the_flag_helps(
    run: Run, photos: Path, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    arguments = (original, photos / "both-together.jpg", photos / "nobody.jpg")
    enroll = ("gallery", "enroll", tmp_path / "people.db", *arguments, "--model", tiny_model)
    outcome = run(*enroll, "--name", "Grace")
    assert "--select largest" in outcome.err
    summary = "1 photo enrolled, 2 left out (1 with several faces, 1 without a face)"
    assert outcome.err.splitlines()[-1] == summary
    again = run(*enroll, "--name", "Eileen", "--select", "largest", "--force", "--json").json
    assert again["left_out"] == {"without a face": 1}


def test_one_photo_under_two_names_is_refused_and_the_same_again_is_no_failure(
    run: Run, photos: Path, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    enroll = ("gallery", "enroll", tmp_path / "people.db", original, "--model", tiny_model)
    first = run(*enroll, "--name", "Grace")
    assert (first.code, "looks like" in first.err) == (0, False)
    refused = run(*enroll, "--name", "Anna")
    assert refused.code == 2
    assert "this face is already 'Grace' (similarity 1.0000" in refused.err
    assert "--force" in refused.err
    double = run(*enroll, "--name", "Anna", "--force")
    assert double.code == 0
    assert f"note: {original} of 'Anna' looks like 'Grace': similarity 1.0000" in double.err
    assert "FMR 1.0e-04 on 30,000 impostor pairs" in double.err
    third = run(*enroll, "--name", "Ada", "--force", "--json")
    (note,) = third.json["notes"]
    assert (note["kind"], note["identity"], note["like"]) == ("resemblance", "Ada", "Grace")
    assert note["similarity"] > 0.9999
    assert note["threshold"]["fmr"] == 1e-4
    again = run(*enroll, "--name", "Grace")
    assert (again.code, "looks like 'Anna'" in again.err) == (0, False)
    assert again.err.splitlines()[-1] == "0 photos enrolled, 1 left out (1 enrolled before)"
    stranger = photos / COLLINS / "0-original.jpg"
    other = run("gallery", "enroll", tmp_path / "people.db", stranger, "--model", tiny_model,
                "--name", COLLINS)  # fmt: skip
    assert "looks like" not in other.err
