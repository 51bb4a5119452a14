"""Every recognition command on real photos, with a tiny embedder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.embedding.embedding_file import load_embeddings
from vultus.image.io import read_image

Run = Callable[..., Any]
HOPPER, COLLINS = "Grace Hopper", "Eileen Collins"


@pytest.fixture
def original(photos: Path) -> Path:
    return photos / HOPPER / "0-original.jpg"


def test_detect_reports_faces_draws_them_and_goes_on_past_a_broken_file(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    outcome = run("detect", photos, "--draw", tmp_path / "drawn", "--json")
    assert outcome.code == 2
    found = {Path(photo["photo"]).name: len(photo["faces"]) for photo in outcome.json["photos"]}
    assert found["both-together.jpg"] == 2
    assert found["nobody.jpg"] == 0
    assert [Path(item["photo"]).name for item in outcome.json["skipped"]] == ["broken.jpg"]
    drawn = read_image(outcome.json["photos"][0]["drawn"])
    source = read_image(outcome.json["photos"][0]["photo"])
    assert drawn.shape == source.shape
    assert np.abs(drawn.astype(int) - source).max() > 100


def test_detect_prints_a_table(run: Run, original: Path) -> None:
    outcome = run("detect", original)
    assert outcome.code == 0
    assert "512x600" in outcome.out


def test_align_writes_crops_and_their_origin(run: Run, photos: Path, tmp_path: Path) -> None:
    arguments = ["align", photos / "both-together.jpg", "-o", tmp_path]
    outcome = run(*arguments, "--template", "sphereface-112x96", "--json")
    assert outcome.code == 0
    summary = json.loads((tmp_path / "crops.json").read_text())
    assert summary == outcome.json
    assert len(summary["crops"]) == 2
    for crop in summary["crops"]:
        assert read_image(tmp_path / crop["crop"]).shape == (112, 96, 3)
        assert np.array(crop["transform"]).shape == (2, 3)
    assert run(*arguments, "--template", "arcface").code == 2


def test_embed_writes_vectors_with_their_space(
    run: Run, photos: Path, tiny_model: Path, tmp_path: Path
) -> None:
    target = tmp_path / "faces.npz"
    outcome = run("embed", photos / HOPPER, "-o", target, "--model", tiny_model, "--json")
    assert outcome.code == 0
    assert outcome.json["faces"] == 6
    embeddings, sources = load_embeddings(target)
    assert embeddings.space.to_dict() == outcome.json["space"]
    assert Path(sources[0].photo).parent.name == HOPPER


def test_verify_answers_with_its_exit_code(
    run: Run, photos: Path, original: Path, tiny_model: Path
) -> None:
    same = run("verify", original, original, "--model", tiny_model, "--json")
    assert (same.code, same.json["same_person"]) == (0, True)
    assert same.json["threshold"]["fmr"] == 1e-3
    stranger = photos / COLLINS / "0-original.jpg"
    other = run("verify", original, stranger, "--model", tiny_model)
    assert other.code == 1
    assert "different people" in other.out
    assert "FMR 1.0e-03 on 30,000 impostor pairs" in other.out


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        ("nobody.jpg", "no face found"),
        ("both-together.jpg", "2 faces"),
        ("broken.jpg", "broken.jpg"),
        ("missing.jpg", "missing.jpg"),
        ("too-small.jpg", "inter-eye distance"),
    ],
)
def test_verify_does_not_guess(
    run: Run, photos: Path, original: Path, tiny_model: Path, photo: str, message: str
) -> None:
    outcome = run("verify", original, photos / photo, "--model", tiny_model)
    assert outcome.code == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_a_model_that_is_not_here_is_exit_code_3(
    run: Run, original: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", "")
    outcome = run("verify", original, original)
    assert outcome.code == 3
    assert "VULTUS_MODELS_MIRROR" in outcome.err


def test_identify_among_a_folder_of_people(
    run: Run, photos: Path, tiny_model: Path, original: Path, tmp_path: Path
) -> None:
    for person in (HOPPER, COLLINS):
        (tmp_path / person).mkdir()
        shutil.copy(photos / person / "0-original.jpg", tmp_path / person)
    arguments = ["--gallery", tmp_path, "--model", tiny_model, "--fpir", "0.05", "--json"]
    outcome = run("identify", original, *arguments)
    assert outcome.json["faces"][0]["identity"] == HOPPER
    assert outcome.code == 0
    missing = run("identify", original, "--gallery", photos / "none", "--model", tiny_model)
    assert missing.code == 2
    assert "--gallery must be" in missing.err


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


def test_cluster_copies_photos_and_writes_a_contact_sheet(
    run: Run, photos: Path, tiny_model: Path, tmp_path: Path
) -> None:
    groups, sheet = tmp_path / "groups", tmp_path / "sheet.html"
    arguments = ["--model", tiny_model, "-o", groups, "--html", sheet, "--fmr", "1e-2"]
    outcome = run("cluster", photos / HOPPER, photos / "nobody.jpg", *arguments, "--json")
    assert outcome.code == 2  # one photo has no face
    assert outcome.json["skipped"][0]["error"] == "no face found"
    faces = sum(len(person) for person in outcome.json["people"])
    assert faces == 6
    assert sum(1 for _ in groups.rglob("*.jpg")) == 6
    assert sheet.read_text().count("<img") == 6
    again = run("cluster", photos / HOPPER, *arguments)
    assert again.code == 2
    assert "not empty" in again.err


def test_doctor_says_what_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model: Path
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", "")
    outcome = run("doctor", "--json")
    assert outcome.code == 3
    status = {check["what"]: check["status"] for check in outcome.json["checks"]}
    assert status["self test: detector mtcnn"] == "ok"
    assert status["self test: embedder mobilefacenet-y1"] == "missing"
    healthy = run("doctor", "--model", tiny_model)
    assert healthy.code == 0
    assert "alone = batched" in healthy.out.replace("\n", " ")


def test_the_demo_without_an_embedder_shows_detection_and_says_what_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", "")
    outcome = run("demo", "-o", tmp_path / "demo")
    assert outcome.code == 0
    assert "there is no embedder here" in outcome.err
    page = (tmp_path / "demo" / "index.html").read_text()
    assert "Detection" in page
    assert "Verification" not in page


@pytest.mark.models
def test_the_demo_decides_rightly_on_its_photos(run: Run, mirror: Path, tmp_path: Path) -> None:
    outcome = run("demo", "-o", tmp_path, "--json")
    assert outcome.code == 0
    steps = {step["step"]: step for step in outcome.json["steps"]}
    verification = steps["Verification (1:1)"]["rows"][1:]
    assert {(row[1], row[3]) for row in verification} == {("same", "same"), ("other", "different")}
    for photo, _, enrolled, answer, _ in steps["Identification (1:N, open set)"]["rows"][1:]:
        person = photo.split("/")[0]
        if person in (HOPPER, COLLINS):
            assert answer == (person if person in enrolled else "unknown")
    assert any("no face" in row[1] for row in steps["Refused"]["rows"])
    assert "2 groups" in steps["Clustering"]["text"]
