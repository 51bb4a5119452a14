"""The command from photos to figures, with the tiny embedder of the tests."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.faces import Image
from vultus.image.io import write_image

PEOPLE, PHOTOS, SIDE = 6, 3, 112


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Aligned "crops": each person is a coarse pattern, each photo of it has its own noise."""
    root = tmp_path_factory.mktemp("people")
    for person in range(PEOPLE):
        folder = root / f"person{person}"
        folder.mkdir()
        for photo in range(PHOTOS):
            write_image(folder / f"{photo}.png", _crop(person, photo))
    return root


def _crop(person: int, photo: int) -> Image:
    coarse = np.random.default_rng(person).integers(0, 200, (8, 8, 3))
    fine = np.kron(coarse, np.ones((14, 14, 1)))
    noise = np.random.default_rng(100 * person + photo).integers(0, 55, (SIDE, SIDE, 3))
    return (fine + noise).astype(np.uint8)


def test_a_folder_of_crops_as_json(people: Path, tiny_model: Path, run: Any) -> None:
    done = run("evaluate", "folder", "--root", people, "--aligned", "--model", tiny_model, "--json")
    assert done.code == 0, done.err
    report = done.json
    assert report["protocol"] == "folder"
    assert report["accuracy"] == report["tar_at_far"] == 1.0
    assert report["n_genuine"] == PEOPLE * 3
    assert report["n_impostor"] == 18 * 17 // 2 - 18
    assert report["failures"] == 0
    assert report["model"]["model"] == "tiny"
    assert report["detector"] is None


def test_a_table_and_pictures(people: Path, tiny_model: Path, run: Any, tmp_path: Path) -> None:
    plots = tmp_path / "figures"
    arguments = ["evaluate", "folder", "--root", people, "--aligned", "--model", tiny_model]
    done = run(*arguments, "--plots", plots)
    assert done.code == 0, done.err
    for words in (
        "accuracy 100.00%",
        "18 genuine, 135 impostor",
        "rank-1 100.00%",
        "they count as",
    ):
        assert words in done.out
    assert {path.name for path in plots.iterdir()} == {"roc.png", "det.png", "scores.png"}


def test_an_unreadable_crop_is_a_failure(
    people: Path, tiny_model: Path, run: Any, tmp_path: Path
) -> None:
    root = tmp_path / "damaged"
    for path in people.rglob("*.png"):
        copy = root / path.relative_to(people)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (root / "person0" / "0.png").write_bytes(b"no image")
    done = run("evaluate", "folder", "--root", root, "--aligned", "--model", tiny_model, "--json")
    assert done.code == 0, done.err
    assert done.json["failures"] == 1
    assert done.json["tar_at_far"] == pytest.approx(16 / 18)


def test_photos_go_through_the_detector(
    photos: Path, tiny_model: Path, run: Any, tmp_path: Path
) -> None:
    """Two people of the demo; a broken file and a photo without a face are failures."""
    listed = tmp_path / "pairs.tsv"
    by_person = sorted(path for path in photos.iterdir() if path.is_dir())
    names = [
        [path.relative_to(photos).as_posix() for path in sorted(folder.iterdir())][:2]
        for folder in by_person[:2]
    ]
    (a1, a2), (b1, b2) = names
    rows = [(a1, a2, 1), (b1, b2, 1), (a1, b1, 0), (a2, b2, 0), (a1, b2, 0), ("broken.jpg", a1, 1)]
    listed.write_text("\n".join("\t".join(map(str, row)) for row in rows))
    done = run(
        "evaluate", "pairs", "--root", photos, "--pairs", listed, "--model", tiny_model, "--json"
    )
    assert done.code == 0, done.err
    assert done.json["failures"] == 1
    assert (done.json["n_genuine"], done.json["n_impostor"]) == (3, 3)
    assert done.json["detector"] == "mtcnn"
    assert done.json["files_sha256"].keys() == {"pairs.tsv"}


def test_mistakes_are_one_line(people: Path, tiny_model: Path, run: Any, tmp_path: Path) -> None:
    model = ("--model", tiny_model)
    for arguments, words in (
        (("lwf", "--root", people), "did you mean 'lfw'"),
        (("lfw", "--root", people), "list of pairs must be"),
        (("folder", "--root", tmp_path), "found none"),
        (("folder", "--root", people, "--pairs", people), "no setting 'pairs'"),
        (("folder", "--root", people, "--aligned", "--far", "1e-6"), "3/n"),
    ):
        done = run("evaluate", *arguments, *model)
        assert done.code == 2
        assert words in done.err.replace("\n", " ")
