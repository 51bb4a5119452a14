"""Protocols on embeddings from a file: the same figures as from the photos themselves."""

import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.embeddings import EmbeddingSpace
from vultus.embedding.embedding_file import read_embedding_file
from vultus.image.io import write_image

SPACE = EmbeddingSpace("net", "a" * 64, "arcface-112 rgb", 8)
NOT_COMPARED = ("detector", "select", "runtime", "embeddings")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Aligned "crops" of six people, three each; one cannot be read."""
    root = tmp_path_factory.mktemp("people")
    for person in range(6):
        coarse = np.random.default_rng(person).integers(0, 200, (8, 8, 3))
        for photo in range(3):
            noise = np.random.default_rng(100 * person + photo).integers(0, 55, (112, 112, 3))
            pixels = (np.kron(coarse, np.ones((14, 14, 1))) + noise).astype(np.uint8)
            (root / f"p{person}").mkdir(exist_ok=True)
            write_image(root / f"p{person}" / f"{photo}.png", pixels)
    (root / "p5" / "2.png").write_bytes(b"no image")
    return root


def _figures(done: Any) -> dict[str, Any]:
    assert done.code == 0, done.err
    return {key: value for key, value in done.json.items() if key not in NOT_COMPARED}


@pytest.mark.parametrize("kind", ["folder", "zip", "bin"])
def test_saved_embeddings_give_the_same_figures(
    people: Path, tiny_model: Path, run: Any, tmp_path: Path, kind: str
) -> None:
    root, protocol = people, "folder"
    if kind == "zip":
        root = tmp_path / "people.zip"
        with zipfile.ZipFile(root, "w") as packed:
            for path in people.rglob("*.png"):
                packed.write(path, path.relative_to(people))
    if kind == "bin":
        root, protocol = tmp_path / "set.bin", "agedb-30"
        images = [
            (people / f"p{a}" / f"{i}.png").read_bytes()
            for a in range(4)
            for i, b in ((0, 0), (1, 1), (0, 0))
        ]
        pairs = [images[3 * a + k] for a in range(4) for k in (0, 1)]
        pairs += [images[3 * a] if k == 0 else images[3 * ((a + 1) % 4) + 1] for a in range(4)
                  for k in (0, 1)]  # fmt: skip
        root.write_bytes(pickle.dumps((pairs, [True] * 4 + [False] * 4)))
    stored = tmp_path / "faces.npz"
    base = ("evaluate", protocol, "--root", root, "--json")
    crops = ("--aligned", "--model", tiny_model)
    first = _figures(run(*base, *crops, "--save-embeddings", stored))
    assert _figures(run(*base, "--embeddings", stored)) == first
    assert first["failures"] == (1 if kind != "bin" else 0)
    if kind == "folder":
        # Without the photos: the file knows their names.
        assert _figures(run("evaluate", "folder", "--root", stored, "--json")) == first


def test_files_of_embed_serve_protocols(
    photos: Path, tiny_model: Path, run: Any, tmp_path: Path
) -> None:
    root, stored = tmp_path / "people", tmp_path / "faces.npz"
    for folder in [path for path in photos.iterdir() if path.is_dir()]:
        shutil.copytree(folder, root / folder.name)
    (root / "Grace Hopper" / "broken.jpg").write_bytes(b"no image")
    embedded = run("embed", root, "--output", stored, "--model", tiny_model)
    assert embedded.code == 0, embedded.err
    assert "broken.jpg" in embedded.err
    file = read_embedding_file(stored)
    assert [Path(name).name for name in file.failed][-1:] == ["broken.jpg"]
    assert all(source.size_hw is not None and source.score is not None for source in file.sources)
    base = ("evaluate", "folder", "--root", root, "--json")
    from_photos = _figures(run(*base, "--model", tiny_model))
    assert from_photos["failures"] == 1
    # Batches of another size move the last bits of a vector.
    from_file = _figures(run(*base, "--embeddings", stored))
    for key in ("n_genuine", "n_impostor", "failures", "n_photos", "tar_at_far", "far"):
        assert from_file[key] == from_photos[key]
    assert from_file["area_under_curve"] == pytest.approx(from_photos["area_under_curve"])


def test_mistakes_are_one_line(people: Path, tiny_model: Path, run: Any, tmp_path: Path) -> None:
    stored = tmp_path / "faces.npz"
    base = ("evaluate", "folder", "--root", people)
    crops = ("--aligned", "--model", tiny_model)
    assert run(*base, *crops, "--save-embeddings", stored).code == 0
    other = tmp_path / "people"
    shutil.copytree(people, other)
    shutil.copy(other / "p0" / "0.png", other / "p0" / "7.png")
    for arguments, words in (
        ((*base, "--embeddings", stored, "--model", "arcface"), "those of 'tiny'"),
        ((*base, "--embeddings", stored, "--flip", "add"), "leave --save-embeddings and --flip"),
        ((*base, "--embeddings", people / "none.npz"), "there is no file"),
        (("evaluate", "folder", "--root", other, "--embeddings", stored), "lacks 1 of 19"),
        ((*base, *crops, "--save-embeddings", tmp_path / "no" / "x.npz"), "there is no folder"),
        ((*base, *crops, "--set", "seeds=1"), "no setting 'seeds'"),
    ):
        done = run(*arguments)
        assert done.code == 2
        assert words in done.err.replace("\n", " ")


def test_flip_is_another_space(people: Path, tiny_model: Path, run: Any) -> None:
    base = ("evaluate", "folder", "--root", people, "--aligned", "--model", tiny_model, "--json")
    spaces = [run(*base, "--flip", flip).json["model"] for flip in ("none", "add", "concat")]
    assert [space["preprocessing"].split()[-1] for space in spaces] == [
        "flip=none", "flip=add", "flip=concat",
    ]  # fmt: skip
    assert spaces[2]["dim"] == 2 * spaces[0]["dim"]
