"""Heads fitted on embeddings, and protocols whose pairs they score."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.baselines import FittedHead, JointBayesian, join_features
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.embedding.embedding_file import FaceSource, read_embedding_file, save_embeddings

SPACE = EmbeddingSpace("net", "a" * 64, "arcface-112 rgb", 12)
NOWHERE = (float("nan"),) * 4
FOLD = 10


def write_faces(
    path: Path, people: range, *, photos: int = 4, model: str = "net", without: str = ""
) -> Path:
    """Embeddings of people who differ along some axes, and their photos along others, more."""
    vectors, sources = [], []
    for person in people:
        who = np.random.default_rng(person).normal(size=12) * np.repeat([1.0, 0.1], 6)
        for photo in range(photos):
            name = f"P{person:03}/P{person:03}_{photo + 1:04}.jpg"
            if name == without:
                continue
            seed = [person, photo, len(model)]
            light = np.random.default_rng(seed).normal(size=12) * np.repeat([0.25, 1.5], 6)
            vectors.append(who + light)
            sources.append(FaceSource(name, 0, NOWHERE))
    space = EmbeddingSpace(model, SPACE.weights_sha256, SPACE.preprocessing, 12)
    save_embeddings(path, Embeddings.from_raw(np.array(vectors), space), sources=sources)
    return path


@pytest.fixture(scope="module")
def lfw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of LFW's layout, of 80 people from the 1000th on; nobody opens its photos."""
    root = tmp_path_factory.mktemp("lfw")
    people = [f"P{person}" for person in range(1000, 1080)]
    lines = [f"2\t{FOLD}"]
    for fold in range(2):
        chosen = people[fold * 40 : fold * 40 + 40]
        lines += [f"{name}\t1\t2" for name in chosen[:FOLD]]
        pairs = zip(chosen[FOLD : 2 * FOLD], chosen[2 * FOLD : 3 * FOLD], strict=True)
        lines += [f"{one}\t1\t{other}\t3" for one, other in pairs]
    (root / "pairs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in people:
        (root / name).mkdir()
        for photo in range(1, 5):
            (root / name / f"{name}_{photo:04}.jpg").write_bytes(b"")
    return root


@pytest.mark.parametrize("kind", ["joint-bayesian", "pca-svm"])
def test_a_head_scores_the_pairs_of_a_protocol(
    lfw: Path, run: Any, tmp_path: Path, kind: str
) -> None:
    train = write_faces(tmp_path / "train.npz", range(200))
    test = write_faces(tmp_path / "test.npz", range(1000, 1080))
    head = tmp_path / "head.npz"
    fitted = run("baseline", "fit", "--embeddings", train, "-o", head, "--kind", kind, "--json")
    assert fitted.code == 0, fitted.err
    assert (fitted.json["people"], fitted.json["photos"]) == (200, 800)
    base = ("evaluate", "lfw", "--root", lfw, "--embeddings", test, "--json")
    cosine, scored = run(*base), run(*base, "--head", head)
    assert scored.code == 0, scored.err
    assert (
        scored.json["runtime"] == "stored embeddings, test.npz; pairs scored by the head head.npz"
    )
    assert scored.json["n_genuine"] == cosine.json["n_genuine"] == 2 * FOLD
    assert scored.json["area_under_curve"] > 0.97 > 0.9 > cosine.json["area_under_curve"]
    record = tmp_path / "run.json"
    plots = ("--output", record, "--plots", tmp_path / "plots")
    assert run(*base[:-1], "--head", head, *plots).code == 0
    assert run("report", record, "-o", tmp_path / "report.html").code == 0


def test_the_scores_are_the_heads(run: Any, tmp_path: Path) -> None:
    train = write_faces(tmp_path / "train.npz", range(60))
    arguments = ("--embeddings", train, "-o", tmp_path / "head.npz", "--dim", "8")
    told = run("baseline", "fit", *arguments)
    assert told.code == 0, told.err
    assert "joint-bayesian of 60 people with 240 photos, net (aaaaaaaaaaaa" in told.out
    faces = read_embedding_file(train).embeddings
    fitted = FittedHead.load(tmp_path / "head.npz")
    wanted = JointBayesian.fit(faces.vectors, np.repeat(np.arange(60), 4), dim=8)
    scores = wanted.score(faces.vectors[:9], faces.vectors[1:10])
    np.testing.assert_allclose(fitted(faces[:9], faces[1:10]), scores, rtol=1e-12)
    wanted.save(tmp_path / "old.npz")  # as before the space was kept
    assert FittedHead.load(tmp_path / "old.npz").space is None


def test_joined_files_are_embeddings_as_any(lfw: Path, run: Any, tmp_path: Path) -> None:
    people = range(1000, 1080)
    missing = "P1003/P1003_0002.jpg"
    one = write_faces(tmp_path / "one.npz", people)
    two = write_faces(tmp_path / "two.npz", people, model="other", without=missing)
    target = tmp_path / "both.npz"
    joined = run(
        "baseline", "join", one, two, "-o", target, "--weight", "2", "--weight", "1", "--json"
    )
    assert joined.code == 0, joined.err
    assert (joined.json["faces"], joined.json["failed"]) == (319, [missing])
    assert joined.json["space"]["model"] == "2 x net + 1 x other"
    first, second, both = (read_embedding_file(path) for path in (one, two, target))
    kept = [row for row, source in enumerate(first.sources) if source.photo != missing]
    parts = [first.embeddings.vectors[kept], second.embeddings.vectors]
    wanted = join_features(parts, weights=[2, 1])
    np.testing.assert_allclose(both.embeddings.vectors, wanted, atol=1e-6)
    measured = run("evaluate", "lfw", "--root", lfw, "--embeddings", target, "--json")
    assert measured.code == 0, measured.err
    assert measured.json["failures"] == 1


def test_mistakes_are_one_line(lfw: Path, run: Any, tmp_path: Path) -> None:
    train = write_faces(tmp_path / "train.npz", range(60))
    other = write_faces(tmp_path / "other.npz", range(1000, 1080), model="other")
    elsewhere = write_faces(tmp_path / "elsewhere.npz", range(60, 70))
    head = tmp_path / "head.npz"
    assert run("baseline", "fit", "--embeddings", train, "-o", head).code == 0
    fit, join = ("baseline", "fit"), ("baseline", "join")
    for arguments, words in (
        ((*fit, "-o", head), "DIR or --embeddings FILE, one of them"),
        ((*fit, "--embeddings", train, "-o", tmp_path / "no" / "x.npz"), "there is no folder"),
        ((*fit, "--embeddings", train, "-o", head, "--dim", "13"), "dim must be at most"),
        ((*join, train, "-o", head), "two files of embeddings or more, got 1"),
        ((*join, train, elsewhere, "-o", head), "none in common"),
        (
            ("evaluate", "lfw", "--root", lfw, "--embeddings", other, "--head", head),
            "different model",
        ),
        (
            ("evaluate", "folder", "--root", lfw, "--embeddings", other, "--head", head),
            "scores listed pairs",
        ),
        (
            ("evaluate", "lfw", "--root", lfw, "--embeddings", other, "--head", train),
            "no file of a head",
        ),
    ):
        done = run(*arguments)
        assert done.code == 2, arguments
        assert done.err.splitlines()[-1].startswith("error: ")
        assert words in done.err.splitlines()[-1]
