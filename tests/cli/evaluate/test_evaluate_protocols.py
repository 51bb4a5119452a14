"""The benchmarks from files on disk to figures, records and a report."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.faces import Image
from vultus.evaluation.report.result_file import load_record
from vultus.image.io import write_image

NOT_COMPARED = ("detector", "select", "runtime", "embeddings")
PEOPLE = ("Ann_Lee", "Bob_Day", "Cid_Ray", "Dee_Fox", "Eva_Roy", "Flo_May")


def _crop(person: int, photo: int) -> Image:
    coarse = np.random.default_rng(person).integers(0, 160, (8, 8, 3))
    other = np.random.default_rng(1000 * person + photo).integers(0, 95, (8, 8, 3))
    return np.kron(coarse + other, np.ones((14, 14, 1))).astype(np.uint8)


def _write(path: Path, person: int, photo: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, _crop(person, photo))


def _ytf(root: Path) -> None:
    rows = []
    for person, name in enumerate(PEOPLE):
        for video in (0, 1):
            for frame in range(3):
                number = 10 * video + frame
                _write(root / name / f"{video}" / f"{video}.{frame}.png", person, number)
        other = PEOPLE[(person + 1) % len(PEOPLE)]
        rows.append(f"{person // 2 + 1}, {2 * person + 1}, {name}/0, {name}/1, 1")
        rows.append(f"{person // 2 + 1}, {2 * person + 2}, {name}/0, {other}/1, 0")
    (root / "splits.txt").write_text("\n".join(rows))


def _megaface(root: Path) -> None:
    for person, name in enumerate(PEOPLE):
        for photo in range(3):
            path = root / "facescrub_images" / name / f"{name}_{photo}.png"
            _write(path, person, photo)
    for number in range(30):
        _write(root / "megaface_images" / f"{number}@N00" / "1_0.png", 50 + number, 0)
    (root / "facescrub_noises.txt").write_text("Ann_Lee_1.png\n")


def _ijbc(root: Path) -> None:
    meta = root / "meta"
    meta.mkdir(parents=True)
    faces, points, pairs = [], [], []
    lists: dict[str, list[str]] = {"gallery_G1": [], "gallery_G2": [], "probe_mixed": []}
    for person in range(len(PEOPLE)):
        for template in (2 * person, 2 * person + 1):
            for face in range(3):
                name = f"{100 * template + face}.png"
                _write(root / "loose_crop" / name, person, 10 * template + face)
                faces.append(f"{name} {template} {face // 2}")
                points.append(f"{name} 38 51 73 51 56 71 41 92 70 92 0.9{face}")
        kind = "gallery_G1" if person % 2 else "gallery_G2"
        lists[kind].append(f"{2 * person},{person}")
        lists["probe_mixed"].append(f"{2 * person + 1},{person}")
        pairs += [f"{2 * person} {2 * person + 1} 1"]
        pairs += [f"{2 * person} {2 * other} 0" for other in range(person)]
    (meta / "ijbc_face_tid_mid.txt").write_text("\n".join(faces))
    (meta / "ijbc_name_5pts_score.txt").write_text("\n".join(points))
    (meta / "ijbc_template_pair_label.txt").write_text("\n".join(pairs))
    for name, rows in lists.items():
        heading = ["TEMPLATE_ID,SUBJECT_ID"]
        (meta / f"ijbc_1N_{name}.csv").write_text("\n".join(heading + rows))


def _lfw(root: Path) -> None:
    for person, name in enumerate((*PEOPLE, *(f"X{k}_Y" for k in range(10)))):
        for photo in range(1, 4):
            _write(root / name / f"{name}_{photo:04d}.png", person, photo)


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "ytf": _ytf, "megaface": _megaface, "ijb-c": _ijbc, "blufr": _lfw,
}  # fmt: skip
TOLD = {
    "ytf": ("12 videos, 0 of them", "settings: representation norm, max_frames 2", "accuracy"),
    "megaface": ("removed 1 probes and 0 distractors", "rank-1", "sizes 10-25",
                 "17 probes of 6 people"),
    "ijb-c": ("12 templates, 0 of them", "mode N1D1F0", "mean of the galleries G1, G2",
              "1:N, gallery G2"),
    "blufr": ("splits our own", "TAR at FAR at most", "over 4 trials", "mean - std",
              "DIR at rank 1 at FPIR at most", "every photo against every other"),
}  # fmt: skip
SETTINGS = {
    "ytf": ("representation=norm", "max_frames=2"),
    "megaface": ("sizes=10,25",),
    "ijb-c": ("mode=ND",),
    "blufr": ("trials=4",),
}


@pytest.fixture(scope="module", params=sorted(LAYOUTS))
def benchmark(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Name of a protocol, and its files."""
    root = tmp_path_factory.mktemp(request.param)
    LAYOUTS[request.param](root)
    return request.param, root


def test_crops_to_figures_records_and_a_report(
    benchmark: Any, tiny_model: Path, run: Any, tmp_path: Path
) -> None:
    name, root = benchmark
    chosen = [word for setting in SETTINGS[name] for word in ("--set", setting)]
    base = ("evaluate", name, "--root", root, *chosen)
    crops = ("--aligned", "--model", tiny_model)
    record, stored = tmp_path / "record.json", tmp_path / "faces.npz"
    done = run(*base, *crops, "--json", "--output", record, "--save-embeddings", stored)
    assert done.code == 0, done.err
    report = done.json
    assert report["protocol"] == name
    for key in ("n_genuine", "n_impostor", "failures", "n_photos"):
        assert isinstance(report[key], int)
    assert 0 <= report["tar_at_far"] <= 1
    assert report["failures"] == 0
    assert (report["accuracy"] is not None) == (name == "ytf")
    assert len(report["files_sha256"]) == {"ytf": 1, "megaface": 1, "ijb-c": 6, "blufr": 0}[name]
    assert report["settings"]
    # The same from the file of embeddings, in words.
    told = run(*base, "--aligned", "--embeddings", stored)
    assert told.code == 0, told.err
    words = " ".join(told.out.split())
    for text in ("stored embeddings, faces.npz", *TOLD[name]):
        assert text in words, text
    again = run(*base, "--aligned", "--embeddings", stored, "--json").json
    assert {key: value for key, value in again.items() if key not in NOT_COMPARED} == {
        key: value for key, value in report.items() if key not in NOT_COMPARED
    }
    # A record that can be read back, and a page of it.
    assert load_record(record).protocol == name
    page = tmp_path / "page.html"
    made = run("report", record, "--output", page, "--json", "--worst", "3")
    assert made.code == 0, made.err
    html = page.read_text(encoding="utf-8")
    for text in {
        "ytf": ("representation norm",),
        "megaface": ("Mate among the first 1", "25 distractors", "CMC", "Rank 1 among"),
        "ijb-c": ("Each gallery", "mode N1D1F0", "CMC"),
        "blufr": ("DIR at rank 1, over trials", "mean - std", "TAR at FMR, every photo"),
    }[name]:
        assert text in html, text


def test_photos_go_through_the_detector(
    photos: Path, tiny_model: Path, run: Any, tmp_path: Path
) -> None:
    """Two people of the demo as videos; a frame without a face is left out."""
    root = tmp_path / "videos"
    rows: list[str] = []
    folders = sorted(path for path in photos.iterdir() if path.is_dir())
    for folder in folders:
        for video in (0, 1):
            place = root / folder.name.replace(" ", "_") / f"{video}"
            place.mkdir(parents=True)
            for frame, photo in enumerate(sorted(folder.iterdir())[2 * video : 2 * video + 2]):
                shutil.copy(photo, place / f"{video}.{frame}{photo.suffix}")
        rows.append(f"{len(rows) + 1}, {place.parent.name}/0, {place.parent.name}/1, 1")
    (root / rows[0].split(", ")[1] / "0.7.jpg").write_bytes(b"no image")
    one, two = (row.split(", ")[1] for row in rows)
    rows += [f"1, {one}, {two}, 0", f"2, {two}, {one[:-1]}1, 0"]
    (root / "splits.txt").write_text("\n".join(rows))
    done = run("evaluate", "ytf", "--root", root, "--model", tiny_model, "--json")
    assert done.code == 0, done.err
    assert (done.json["failures"], done.json["failed_sets"]) == (1, 0)
    assert (done.json["n_genuine"], done.json["n_impostor"]) == (2, 2)
    assert done.json["detector"] == "mtcnn"


def test_listed_landmarks_need_no_detector(tiny_model: Path, run: Any, tmp_path: Path) -> None:
    _ijbc(tmp_path)
    base = ("evaluate", "ijb-c", "--root", tmp_path, "--model", tiny_model, "--json")
    done = run(*base, "--detector", "yunet:none")
    assert done.code == 0, done.err
    assert done.json["settings"] == {"mode": "N1D1F0", "landmarks": "list"}
    wrong = run(*base, "--set", "mode=NDF")
    assert wrong.code == 2
    assert "run with --flip add or concat" in wrong.err
    flipped = run(*base, "--set", "mode=NDF", "--flip", "add")
    assert flipped.json["settings"]["mode"] == "N1D1F2"
