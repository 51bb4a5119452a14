"""A site's own calibration: made, shown, and used by the commands that decide."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings
from vultus.core.faces import Image
from vultus.embedding.embedder import Embedder
from vultus.embedding.embedding_file import FaceSource, save_embeddings
from vultus.image.io import write_image
from vultus.matching.calibration import load_calibration

Run = Callable[..., Any]
PEOPLE, PHOTOS = 120, 2


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def embedded(tiny_embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of embeddings of the tiny model's space, made up."""
    generator = np.random.default_rng(0)
    who = np.repeat(np.arange(700), 3)
    raw = generator.normal(size=(700, 32))[who] + generator.normal(0, 0.5, (len(who), 32))
    faces = Embeddings.from_raw(raw, tiny_embedder.space)
    sources = [FaceSource(f"some/p{i:03d}/{k}.jpg", 0, (0, 0, 9, 9)) for k, i in enumerate(who)]
    path = tmp_path_factory.mktemp("embedded") / "faces.npz"
    save_embeddings(path, faces, sources=sources)
    return path


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Aligned "crops": each person is a coarse pattern, each photo of it has its own noise."""
    root = tmp_path_factory.mktemp("people")
    for person in range(PEOPLE):
        folder = root / f"person{person}"
        folder.mkdir()
        for photo in range(PHOTOS):
            write_image(folder / f"{photo}.png", _crop(person, photo))
    (root / "person0" / "broken.png").write_bytes(b"no image")
    return root


def _crop(person: int, photo: int) -> Image:
    coarse = np.random.default_rng(person).integers(0, 200, (8, 8, 3))
    fine = np.kron(coarse, np.ones((14, 14, 1)))
    noise = np.random.default_rng(1000 * person + photo).integers(0, 55, (112, 112, 3))
    return (fine + noise).astype(np.uint8)


def test_a_folder_of_crops_to_a_file_in_the_store(
    people: Path, tiny_model: Path, run: Run, home: Path
) -> None:
    arguments = ["calibrate", people, "--aligned", "--model", tiny_model]
    done = run(*arguments, "--json")
    assert done.code == 0, done.err
    path = home / "models" / "tiny" / "calibration.json"
    assert done.json["file"] == str(path)
    kept = load_calibration(path)
    assert (kept.data.n_people, kept.data.n_people_held_out, kept.data.failures) == (60, 60, 1)
    assert kept.data.detector is None
    assert kept.data.name == people.name
    assert [row["target_fmr"] for row in done.json["checks"]["fmr"]] == [1e-2]
    assert done.json["space"]["model"] == "tiny"
    assert {row["gallery_size"] for row in done.json["checks"]["fpir"]} == {10}
    # The digest is of names and bytes: the same again, another with a photo less.
    digest = kept.data.sha256
    assert run(*arguments, "--json").json["data"]["sha256"] == digest
    (people / "person0" / "broken.png").rename(people / "person0" / "broken.txt")
    assert run(*arguments, "--json").json["data"]["sha256"] != digest


def test_tables_and_pictures(embedded: Path, run: Run, tmp_path: Path) -> None:
    plots = tmp_path / "figures"
    done = run("calibrate", "--embeddings", embedded, "--plots", plots)
    assert done.code == 0, done.err
    for words in (
        "350 people (1,050 photos) set the thresholds",
        "FMR at most",
        "probability, logistic: log loss",
        "(kept)",
        "calibration.json",
    ):
        assert words in done.out
    assert {p.name for p in plots.iterdir()} == {"reliability.png", "gallery_thresholds.png"}


def test_what_cannot_be_carried_is_exit_code_2_and_leaves_nothing(
    embedded: Path, run: Run, home: Path
) -> None:
    for arguments, words in (
        (("--fmr", "1e-5"), "takes 1,552 people"),
        (("--gallery-size", "100000"), "FPIR 0.01 among 100,000 people"),
        (("--gallery-size", "10", "--photos-per-person", "7"), "7 photo(s) each takes 600"),
    ):
        done = run("calibrate", "--embeddings", embedded, *arguments)
        assert done.code == 2
        assert words in done.err.replace("\n", " ")
        assert "more" in done.err
    assert not (home / "models").exists()
    for paths in ((), (embedded.parent, "--embeddings", embedded)):
        assert run("calibrate", *paths).code == 2


def test_decisions_use_it_in_preference_to_the_card(
    embedded: Path, run: Run, photos: Path, original: Path, tiny_model: Path, home: Path
) -> None:
    verify = ("verify", original, original, "--model", tiny_model)
    by_card = run(*verify, "--json").json
    assert by_card["threshold"]["origin"] == "made up for tests"
    assert by_card["probability"] is by_card["prior"] is None
    assert run("calibrate", "--embeddings", embedded).code == 0

    answer = run(*verify, "--json", "--prior", "0.01").json
    assert "on 350 people of faces.npz; FMR" in answer["threshold"]["origin"]
    assert answer["threshold"]["n_impostor"] == 1050 * 1049 // 2 - 350 * 3
    odds = np.exp(answer["log_likelihood_ratio"]) / 99
    assert answer["probability"] == pytest.approx(odds / (1 + odds))
    assert answer["prior"] == 0.01
    assert "probability of a match" in run(*verify).out
    alone = run(*verify, "--json", "--calibration", "none").json
    assert alone["threshold"] == by_card["threshold"]

    people = run("identify", original, "--gallery", photos, "--model", tiny_model, "--no-gate")
    assert "FPIR 0.01 among 2 people" in " ".join(people.out.split())
    shown = run("models", "show", "tiny", "--json")
    assert shown.code == 2  # the tiny model is no card of the store


def test_a_calibration_of_other_weights_is_refused(
    embedded: Path, run: Run, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.json"
    assert run("calibrate", "--embeddings", embedded, "--output", path).code == 0
    verify = ("verify", original, original, "--model", tiny_model, "--calibration", path)
    assert run(*verify, "--json").json["log_likelihood_ratio"] > 0
    values = json.loads(path.read_text(encoding="utf-8"))
    values["space"]["weights_sha256"] = "0" * 64
    path.write_text(json.dumps(values), encoding="utf-8")
    done = run(*verify)
    assert done.code == 2
    assert "different weights_sha256" in done.err.replace("\n", " ")


def test_models_show_prints_it(embedded: Path, run: Run, home: Path) -> None:
    path = home / "models" / "mobilefacenet-y1" / "calibration.json"
    assert run("calibrate", "--embeddings", embedded, "--output", path).code == 0
    text = run("models", "show", "mobilefacenet-y1").out
    assert "350 of faces.npz, checked on 350 others" in text
    assert "FMR 1.0e-03 on" in text
    shown = run("models", "show", "mobilefacenet-y1", "--json").json
    assert shown["calibration"]["data"]["n_people"] == 350


def test_photos_with_several_faces_do_not_say_who_is_who(
    tiny_embedder: Embedder, run: Run, tmp_path: Path
) -> None:
    raw = np.random.default_rng(0).normal(size=(4, 32))
    sources = [FaceSource("a/0.jpg", face, (0, 0, 9, 9)) for face in range(4)]
    path = tmp_path / "group.npz"
    save_embeddings(path, Embeddings.from_raw(raw, tiny_embedder.space), sources=sources)
    done = run("calibrate", "--embeddings", path)
    assert done.code == 2
    assert "one face each" in done.err


def test_too_few_people_are_refused_before_any_photo_is_embedded(
    people: Path, tiny_model: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("vultus.pipeline.measuring.calibration.embed_with")
    arguments = ["calibrate", people, "--aligned", "--model", tiny_model]
    refused = run(*arguments, "--fmr", "1e-4")
    assert refused.code == 2
    assert "takes 492 people with a face on a photo, there are 120: 372 more" in refused.err
    assert "--threshold" in refused.err
    refused = run(*arguments, "--gallery-size", 100, "--fpir", 0.1, "--photos-per-person", 3)
    assert "takes 156 people with as many photos" in refused.err


def test_others_check_and_the_tail_is_followed(run: Run, embedded: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    rest = ("--embeddings", embedded, "--check", embedded, "-o", out, "--fmr", 1e-3)
    plain = run("calibrate", *rest, "--json").json
    assert (plain["data"]["n_people"], plain["data"]["n_people_held_out"]) == (700, 700)
    assert [point["fmr"] for point in plain["thresholds"]] == [pytest.approx(1e-3, rel=0.01)]
    printed = run("calibrate", *rest, "--extrapolate").out
    for words in ("verify, extrapolated", "FMR by the tail", "missed of the enrolled, 1 photo"):
        assert words in printed
    points = load_calibration(out).thresholds.points
    assert [point.fmr for point in points if point.extrapolated] == [1e-4, 1e-5, 1e-6]
