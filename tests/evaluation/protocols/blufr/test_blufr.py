"""BLUFR on tiny copies of the benchmark's list files, and on splits of our own."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import CalibrationError, InputError
from vultus.evaluation.measures.identification import Searches
from vultus.evaluation.measures.intervals import mean_rate_interval
from vultus.evaluation.protocols import PROTOCOLS
from vultus.evaluation.protocols.blufr.blufr import open_set_figures
from vultus.evaluation.protocols.blufr.blufr_splits import draw_trials
from vultus.evaluation.protocols.search_figures import GallerySearches
from vultus.image.io import read_image, write_image
from vultus.models.digest import sha256_file

N_PEOPLE = 24


@pytest.fixture
def lfw(tmp_path: Path, face_photo: Any, write_person: Any) -> Path:
    """People with one to four photos; the pixels are too noisy for a perfect score."""
    for person in range(N_PEOPLE):
        name = f"P_{chr(ord('A') + person)}"
        write_person(tmp_path, name, person, 1 + person % 4)
        for photo in (tmp_path / name).iterdir():
            number = int(photo.stem[-4:])
            write_image(photo, face_photo(person, number, noise=170.0))
    return tmp_path


def _write_lists(root: Path, trials: list[tuple[list[int], list[int]]]) -> Path:
    """(people enrolled, people of the test set) a trial, in the layout of ``list/lfw``."""
    folder = root / "list" / "lfw"
    folder.mkdir(parents=True, exist_ok=True)
    photos = sorted(root.rglob("*.png"))
    names = [f"{path.stem}.jpg" for path in photos]
    people = [ord(path.parent.name[-1]) - ord("A") + 1 for path in photos]
    (folder / "image_list.txt").write_text("\n".join(names) + "\n")
    (folder / "labels.txt").write_text("\n".join(map(str, people)) + "\n")
    parts: dict[str, list[list[int]]] = {"test": [], "gallery": [], "probe": []}
    for enrolled, tested in trials:
        test = [place for place, person in enumerate(people) if person in tested]
        firsts = [people.index(person) for person in enrolled]
        parts["test"].append(test)
        parts["gallery"].append(firsts)
        parts["probe"].append([place for place in test if place not in firsts])
    for kind, sets in parts.items():
        lines = [str(len(sets))]
        for places in sets:
            lines.append(str(len(places)))
            lines += [f"{place + 1}, {names[place]}" for place in places]
        (folder / f"{kind}_set.txt").write_text("\n".join(lines) + "\n")
    return folder


TRIALS = [
    ([2, 3, 4, 6, 7, 8], list(range(1, 18))),
    ([10, 11, 12, 14, 15, 16], list(range(5, 25))),
    ([3, 7, 11, 15, 19], list(range(1, 25))),
]


def _vectors(root: Path, names: list[str]) -> list[np.ndarray | None]:
    files = {path.stem: path for path in root.rglob("*.png")}
    vectors: list[np.ndarray | None] = []
    for name in names:
        pixels = read_image(files[name.removesuffix(".jpg")])[..., 0].ravel().astype(np.float64)
        centred = pixels - pixels.mean()
        vectors.append(None if np.ptp(pixels) == 0 else centred / np.linalg.norm(centred))
    return vectors


def _similarity(a: np.ndarray | None, b: np.ndarray | None) -> float:
    return -math.inf if a is None or b is None else float(a @ b)


def _rate_at(genuine: list[float], impostor: list[float], rate: float) -> float:
    """Highest share of genuine scores accepted with at most that share of impostors."""
    best = 0.0
    for threshold in sorted({*genuine, *impostor} - {-math.inf}, reverse=True):
        if sum(score >= threshold for score in impostor) > rate * len(impostor):
            break
        best = sum(score >= threshold for score in genuine) / len(genuine)
    return best


def _sets(folder: Path, kind: str) -> list[list[int]]:
    """Places of a set's photos, by their names and not by their numbers."""
    names = (folder / "image_list.txt").read_text().split()
    sets: list[list[int]] = []
    for line in (folder / f"{kind}_set.txt").read_text().splitlines()[1:]:
        if "," in line:
            sets[-1].append(names.index(line.split(", ")[1]))
        else:
            sets.append([])
    return sets


def _naive(root: Path, far: float, fpir: float) -> tuple[list[float], list[float]]:
    """TAR and DIR of each trial, by loops."""
    folder = root / "list" / "lfw"
    vectors = _vectors(root, (folder / "image_list.txt").read_text().split())
    people = [int(word) for word in (folder / "labels.txt").read_text().split()]
    tars, dirs = [], []
    trials = zip(*(_sets(folder, kind) for kind in ("test", "gallery", "probe")), strict=True)
    for test, gallery, probes in trials:
        genuine, impostor = [], []
        for k, a in enumerate(test):
            for b in test[k + 1 :]:
                score = _similarity(vectors[a], vectors[b])
                if people[a] == people[b]:
                    genuine.append(score)
                elif score > -math.inf:
                    impostor.append(score)
        tars.append(_rate_at(genuine, impostor, far))
        first, strangers = [], []
        enrolled = {people[place] for place in gallery}
        for probe in probes:
            scores = {
                people[place]: _similarity(vectors[probe], vectors[place]) for place in gallery
            }
            top = max(scores.values())
            if people[probe] in enrolled:
                mine = scores[people[probe]]
                alone = sum(score >= mine for score in scores.values()) == 1
                first.append(mine if alone else -math.inf)
            elif top > -math.inf:
                strangers.append(top)
        dirs.append(_rate_at(first, strangers, fpir))
    return tars, dirs


def _check(report: dict[str, Any], root: Path) -> None:
    verification, searched = report["verification"], report["open_set_identification"]
    tars, dirs = _naive(root, verification["far"], searched["fpir"])
    assert verification["tar"] == pytest.approx(tars)
    assert searched["dir"] == pytest.approx(dirs)
    for figures, rates in ((verification, tars), (searched, dirs)):
        assert figures["mean"] == pytest.approx(np.mean(rates))
        assert figures["std"] == pytest.approx(np.std(rates, ddof=1))
        assert figures["mean_minus_std"] == pytest.approx(np.mean(rates) - np.std(rates, ddof=1))
        assert figures["interval"]["low"] <= figures["mean"] <= figures["interval"]["high"]
    assert report["tar_at_far"] == pytest.approx(np.mean(tars))
    assert report["far"] == verification["far"]


def test_trials_of_the_lists_agree_with_loops(lfw: Path, embed: Any) -> None:
    folder = _write_lists(lfw, TRIALS)
    report = PROTOCOLS.create("blufr", root=lfw).run(embed).to_dict()
    _check(report, lfw)
    assert report["settings"] == {"splits": "the benchmark's lists", "trials": 3}
    assert report["files_sha256"] == {path.name: sha256_file(path) for path in folder.iterdir()}
    assert 0 < min(report["verification"]["tar"]) < max(report["verification"]["tar"]) < 1
    # The first test set has 5 people with one photo, and 4 each with two, three and four.
    assert report["verification"]["n_genuine"][0] == 4 * (1 + 3 + 6)
    assert report["verification"]["n_impostor"][0] == 41 * 40 // 2 - 40
    assert report["open_set_identification"]["n_enrolled"] == [6, 6, 5]
    # The third test set is everybody, as are the comparisons of the whole.
    assert report["n_impostor"] == report["verification"]["n_impostor"][2] == 60 * 59 // 2 - 60


def test_the_interval_is_over_people() -> None:
    """Two trials; a hit is a mate that comes first and reaches the threshold."""
    generator = np.random.default_rng(0)
    galleries, hits, trials = [], [], []
    for number in range(2):
        people = np.concatenate([generator.integers(0, 8, 40), np.arange(8, 68)])
        mated = people < 8
        ranks = np.where(mated, generator.integers(1, 3, 100), 2**62)
        mates = np.where(mated, generator.uniform(0.3, 0.9, 100), -np.inf)
        tops = np.where(mated, mates, generator.uniform(0.2, 0.6, 100))
        failed = np.zeros(100, np.bool_)
        galleries.append(
            GallerySearches(f"{number}", Searches(mated, ranks, mates, tops, failed), people, 8)
        )
        threshold = sorted(tops[~mated])[-7]  # six strangers of 60 may be found
        found = [(mates[k] > threshold) and ranks[k] == 1 for k in range(40)]
        hits.append(
            [sum(f for f, who in zip(found, people, strict=False) if who == p) for p in range(68)]
        )
        trials.append([sum(who == p for who in people[:40]) for p in range(68)])
    figures = open_set_figures(galleries, fpir=0.1, generator=np.random.default_rng(7))
    assert figures is not None
    expected = mean_rate_interval(
        np.array(hits), np.array(trials), generator=np.random.default_rng(7)
    )
    assert figures.interval == expected
    assert figures.dir == pytest.approx([sum(row) / 40 for row in hits])


def test_failures_are_misses(lfw: Path, embed: Any, blank: Callable[[Path], None]) -> None:
    _write_lists(lfw, TRIALS)
    # Enrolled in two trials; a probe; and a stranger.
    for name in ("P_C/P_C_0001.png", "P_D/P_D_0003.png", "P_Q/P_Q_0001.png"):
        blank(lfw / name)
    report = PROTOCOLS.create("blufr", root=lfw).run(embed).to_dict()
    assert report["failures"] == 3
    _check(report, lfw)
    assert report["verification"]["n_genuine"][0] == 40


def test_a_rate_of_ones_own(lfw: Path, embed: Any) -> None:
    _write_lists(lfw, TRIALS)
    result = PROTOCOLS.create("blufr", root=lfw).run(embed)
    tars, _ = _naive(lfw, 0.1, 0.1)
    assert result.to_dict(far=0.1)["tar_at_far"] == pytest.approx(np.mean(tars))
    with pytest.raises(CalibrationError):
        result.to_dict(far=1e-4)


def test_splits_of_our_own_follow_the_rules(lfw: Path, embed: Any) -> None:
    people = np.array([path.parent.name for path in sorted(lfw.rglob("*.png"))])
    generator = np.random.default_rng(0)
    trials = list(draw_trials(people, trials=20, generator=generator))
    for trial in trials:
        tested = set(people[trial.test])
        assert len(tested) == N_PEOPLE - round(1500 / 5749 * N_PEOPLE)
        # All photos of the people of the test set, and nobody else's.
        assert sorted(trial.test) == [k for k, who in enumerate(people) if who in tested]
        several = [who for who in tested if (people == who).sum() >= 2]
        enrolled = people[trial.gallery]
        assert len(set(enrolled)) == len(enrolled) == round(0.8 * len(several))
        assert set(enrolled) <= set(several)
        assert sorted([*trial.gallery, *trial.probes]) == sorted(trial.test)
    assert len({tuple(trial.gallery) for trial in trials}) == 20
    drawn = np.concatenate([trial.gallery for trial in trials])
    assert len({*drawn.tolist()}) > 0.8 * (np.unique(people, return_counts=True)[1][
        np.unique(people, return_inverse=True)[1]] >= 2).sum()  # fmt: skip
    again = list(draw_trials(people, trials=20, generator=np.random.default_rng(0)))
    assert all((a.test == b.test).all() for a, b in zip(trials, again, strict=True))


def test_without_lists_the_result_says_whose_splits_they_are(lfw: Path, embed: Any) -> None:
    one, two, other = (
        PROTOCOLS.create("blufr", root=lfw, trials=3, seed=seed).run(embed).to_dict()
        for seed in (4, 4, 5)
    )
    assert one["settings"] == {"splits": "our own", "seed": 4, "trials": 3}
    assert one == two
    assert one["verification"] != other["verification"]
    assert one["files_sha256"] == {}
    assert len(one["verification"]["tar"]) == 3


def test_one_trial_has_no_deviation(lfw: Path, embed: Any) -> None:
    report = PROTOCOLS.create("blufr", root=lfw, trials=1).run(embed).to_dict()
    assert report["verification"]["std"] is None
    assert report["verification"]["mean_minus_std"] is None


def test_too_few_people_to_split(tmp_path: Path, write_person: Any) -> None:
    for person in range(4):
        write_person(tmp_path, f"P{person}", person, 1)
    with pytest.raises(InputError, match="people with two photos and strangers"):
        PROTOCOLS.create("blufr", root=tmp_path)


@pytest.mark.parametrize(
    ("file", "damage", "match"),
    [
        ("labels.txt", lambda text: text[:-3], "a number for each of the 60 photos"),
        ("labels.txt", lambda text: text.replace("1\n", "x\n", 1), "a number for each"),
        ("test_set.txt", lambda text: text.replace("3\n41", "3\nmany", 1), ":2 must be a count"),
        ("test_set.txt", lambda text: text.replace("3\n", "2\n", 1), "equally many trials"),
        ("test_set.txt", lambda text: text.replace("3\n", "4\n", 1), "count, got the end"),
        ("gallery_set.txt", lambda text: text.replace(", P_B", "; P_B", 1), "'number, name'"),
        ("gallery_set.txt", lambda text: text.replace("2, P_B", "3, P_B", 1), "photo 3 of"),
        ("gallery_set.txt", lambda text: text.rsplit("\n", 2)[0], "it ends"),
        ("probe_set.txt", lambda text: text.replace("1, P_A_0001", "2, P_B_0001", 1),
         "trial 1 .* must be its gallery and probes"),
        ("image_list.txt", lambda text: text.replace("P_A_0001", "P_A_0009"), "P_A_0009"),
    ],
)  # fmt: skip
def test_damaged_lists_are_refused(
    lfw: Path, file: str, damage: Callable[[str], str], match: str
) -> None:
    folder = _write_lists(lfw, TRIALS)
    path = folder / file
    path.write_text(damage(path.read_text()))
    with pytest.raises(InputError, match=match):
        PROTOCOLS.create("blufr", root=lfw)
