"""YouTube Faces on tiny videos in the layout of the data set."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.protocols import PROTOCOLS
from vultus.evaluation.protocols.ytf.ytf import read_ytf_pairs
from vultus.image.io import read_image, write_image
from vultus.models.digest import sha256_file

PEOPLE = ("Adam_Ant", "Bo_Derek", "Cid_Ray", "Dee_Dee", "Eve_Ash", "Fay_Wray")
FRAMES = 5
HEADING = "split number, pair number, first name, second name, is same\n"


@pytest.fixture
def ytf(tmp_path: Path, face_photo: Any) -> Path:
    """Three splits of two genuine and two impostor pairs; two videos of each of six people."""
    for person, name in enumerate(PEOPLE):
        for video in (0, 3):
            folder = tmp_path / "frame_images_DB" / name / f"{video}"
            folder.mkdir(parents=True)
            # Frame numbers that sort otherwise as words than as numbers.
            for frame in range(8, 8 + FRAMES):
                image = face_photo(person, 100 * video + frame, noise=90.0)
                write_image(folder / f"{video}.{frame}.png", image)
    rows, number = [], 0
    for split, (a, b) in enumerate(((0, 1), (2, 3), (4, 5)), start=1):
        one, two = PEOPLE[a], PEOPLE[b]
        for first, second, same in (
            (f"{one}/0", f"{one}/3", 1),
            (f"{two}/0", f"{two}/3", 1),
            (f"{one}/0", f"{two}/3", 0),
            (f"{two}/0", f"{one}/3", 0),
        ):
            number += 1
            rows.append(f"{split}, {number}, {first}, {second}, {same}")
    (tmp_path / "splits.txt").write_text("\n".join(rows) + "\n")
    return tmp_path


def _raw(path: Path) -> np.ndarray:
    pixels = read_image(path)[..., 0].ravel().astype(np.float64)
    return np.asarray(pixels - pixels.mean())


def _naive(root: Path, video: str, frames: list[int] | None = None) -> list[np.ndarray]:
    folder = root / "frame_images_DB" / video
    number = video.split("/")[1]
    wanted = range(8, 8 + FRAMES) if frames is None else frames
    return [_raw(folder / f"{number}.{frame}.png") for frame in wanted]


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(sum(a * b) / math.sqrt(sum(a * a) * sum(b * b)))


def _unit(a: np.ndarray) -> np.ndarray:
    return a / math.sqrt(sum(a * a))


def _similarity(a: list[np.ndarray], b: list[np.ndarray], representation: str) -> float:
    if representation == "mean":
        return _cosine(np.mean([_unit(x) for x in a], 0), np.mean([_unit(x) for x in b], 0))
    if representation == "norm":
        return _cosine(np.mean(a, 0), np.mean(b, 0))
    return float(np.mean([_cosine(x, y) for x, y in itertools.product(a, b)]))


@pytest.mark.parametrize("representation", ["mean", "norm", "pairs"])
def test_similarities_of_videos_agree_with_loops(
    ytf: Path, embed: Any, representation: str
) -> None:
    result = PROTOCOLS.create("ytf", root=ytf, representation=representation).run(embed)
    pairs = read_ytf_pairs(ytf / "splits.txt")
    expected = [
        _similarity(_naive(ytf, pair.first), _naive(ytf, pair.second), representation)
        for pair in pairs
    ]
    assert result.evidence is not None
    np.testing.assert_allclose(result.evidence.scores, expected, atol=1e-5)
    report = result.to_dict()
    assert report["settings"] == {"representation": representation, "max_frames": None}
    assert report["accuracy"] == 1.0
    assert (report["n_genuine"], report["n_impostor"]) == (6, 6)
    assert (report["n_photos"], report["n_sets"], report["failures"]) == (60, 12, 0)
    assert report["folds"]["accuracies"] == [1.0, 1.0, 1.0]
    assert report["files_sha256"] == {"splits.txt": sha256_file(ytf / "splits.txt")}


def test_the_three_ways_differ(ytf: Path, embed: Any) -> None:
    scores = []
    for representation in ("mean", "norm", "pairs"):
        result = PROTOCOLS.create("ytf", root=ytf, representation=representation).run(embed)
        assert result.evidence is not None
        scores.append(result.evidence.scores)
    for one, other in itertools.combinations(scores, 2):
        assert np.abs(one - other).max() > 1e-4


def test_a_cap_takes_evenly_spaced_frames(ytf: Path, embed: Any) -> None:
    result = PROTOCOLS.create("ytf", root=ytf, max_frames=3).run(embed)
    assert result.n_photos == 12 * 3
    assert [name.split(".", 1)[1] for name in embed.asked[0].names[:3]] == [
        "8.png", "10.png", "12.png",
    ]  # fmt: skip
    a, b = (_naive(ytf, f"Adam_Ant/{video}", [8, 10, 12]) for video in (0, 3))
    assert result.evidence is not None
    assert result.evidence.scores[0] == pytest.approx(_similarity(a, b, "mean"), abs=1e-5)


def test_few_videos_at_a_time(ytf: Path, embed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = PROTOCOLS.create("ytf", root=ytf).run(embed).to_dict()
    assert len(embed.asked) == 1
    monkeypatch.setattr(
        "vultus.evaluation.protocols.base.embed_sets.__kwdefaults__", {"portion": 10}
    )
    assert PROTOCOLS.create("ytf", root=ytf).run(embed).to_dict() == whole
    assert {len(photos) for photos in embed.asked[1:]} == {10}


def test_frames_without_a_face_are_left_out_and_empty_videos_are_errors(
    ytf: Path, embed: Any, blank: Callable[[Path], None]
) -> None:
    videos = ytf / "frame_images_DB"
    blank(videos / "Bo_Derek" / "0" / "0.9.png")
    for frame in (videos / "Adam_Ant" / "0").iterdir():
        blank(frame)
    result = PROTOCOLS.create("ytf", root=ytf).run(embed)
    report = result.to_dict()
    assert (report["failures"], report["failed_sets"]) == (6, 1)
    # One genuine and one impostor pair of the first split have no video.
    assert report["folds"]["accuracies"] == [0.5, 1.0, 1.0]
    assert (report["n_genuine"], report["n_impostor"]) == (6, 5)
    assert report["tar_at_far"] == pytest.approx(5 / 6)
    assert result.evidence is not None
    left = _naive(ytf, "Bo_Derek/0", [8, 10, 11, 12])
    expected = _similarity(left, _naive(ytf, "Bo_Derek/3"), "mean")
    assert result.evidence.scores[1] == pytest.approx(expected, abs=1e-5)


def test_labelled_faces_say_which_face_is_meant(ytf: Path, embed: Any) -> None:
    listed = ytf / "frame_images_DB" / "Adam_Ant.labeled_faces.txt"
    listed.write_text("Adam_Ant\\3\\3.9.jpg,0,8,6,4,8,0.0,1\n")
    result = PROTOCOLS.create("ytf", root=ytf).run(embed)
    photos = embed.asked[0]
    known = np.flatnonzero(np.isfinite(photos.boxes).all(axis=1))
    assert [photos.names[place] for place in known] == ["Adam_Ant/3/3.9.png"]
    np.testing.assert_array_equal(photos.boxes[known[0]], [6, 2, 10, 10])
    assert "*.labeled_faces.txt" in result.files_sha256
    aligned = PROTOCOLS.create("ytf", root=ytf, aligned=True).run(embed)
    assert embed.asked[1].boxes is None
    assert "*.labeled_faces.txt" not in aligned.files_sha256


def test_a_list_with_a_heading_and_without_numbers_of_pairs(ytf: Path) -> None:
    path = ytf / "splits.txt"
    pairs = read_ytf_pairs(path)
    short = [", ".join(np.delete(line.split(", "), 1)) for line in path.read_text().splitlines()]
    path.write_text(HEADING + "\n".join(short))
    assert read_ytf_pairs(path) == pairs
    assert pairs[2].first == "Adam_Ant/0"
    assert (pairs[2].second, pairs[2].genuine, pairs[2].fold) == ("Bo_Derek/3", False, 1)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("1, 1, A/0, B/1, 2\n", r"splits\.txt:1 must be"),
        ("1, 1, Adam_Ant/0, Adam_Ant/3, 1\n1, A/0, 1\n", r"splits\.txt:2 must be"),
        (HEADING, "it holds none"),
        ("1, 1, Adam_Ant/0, Adam_Ant/9, 1\n", r"lacks 1, e\.g\. Adam_Ant/9"),
    ],
)
def test_damaged_lists_are_refused(ytf: Path, embed: Any, text: str, match: str) -> None:
    (ytf / "splits.txt").write_text(text)
    with pytest.raises(InputError, match=match):
        PROTOCOLS.create("ytf", root=ytf).run(embed)


def test_settings_are_checked(ytf: Path) -> None:
    with pytest.raises(InputError, match="mean, norm, pairs"):
        PROTOCOLS.create("ytf", root=ytf, representation="median")
    with pytest.raises(InputError, match="max_frames"):
        PROTOCOLS.create("ytf", root=ytf, max_frames=0)
    (ytf / "splits.txt").rename(ytf / "other.txt")
    with pytest.raises(InputError, match="list of pairs must be"):
        PROTOCOLS.create("ytf", root=ytf)
    assert PROTOCOLS.create("ytf", root=ytf, pairs=ytf / "other.txt") is not None
