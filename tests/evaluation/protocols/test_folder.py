from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import CalibrationError, InputError
from vultus.evaluation.protocols import PROTOCOLS


def _make(root: Path, write_person: Any, *, people: int = 12, photos: int = 4) -> None:
    for number in range(people):
        write_person(root, f"person{number:02d}", number, photos)


def test_a_folder_per_person(tmp_path: Path, embed: Any, write_person: Any) -> None:
    _make(tmp_path, write_person)
    result = PROTOCOLS.create("folder", root=tmp_path).run(embed)
    report = result.to_dict()
    assert report["n_people"] == 12
    assert report["n_genuine"] == 12 * 6
    assert report["n_impostor"] == 48 * 47 // 2 - 72
    assert report["accuracy"] == 1.0
    assert report["tar_at_far"] == 1.0
    # 1,056 impostor comparisons carry 3 / 1056 = 2.8e-3.
    assert report["far"] == 1e-2
    assert [p["target_fmr"] for p in report["operating_points"]] == [1e-1, 1e-2]
    intervals = [report["operating_points"][0][f"{rate}_interval"] for rate in ("fmr", "tar")]
    assert [interval["method"].split()[0] for interval in intervals] == ["bootstrap", "rule"]
    with pytest.raises(CalibrationError):
        result.to_dict(far=1e-3)


def test_identification_counts(tmp_path: Path, embed: Any, write_person: Any) -> None:
    _make(tmp_path, write_person)
    found = PROTOCOLS.create("folder", root=tmp_path).run(embed).to_dict()["identification"]
    # Six people are enrolled with one photo each, three more photos of each are searched.
    assert (found["n_enrolled"], found["n_mated"], found["n_strangers"]) == (6, 18, 24)
    assert found["rank"]["1"]["rate"] == 1.0
    assert [row["target_fpir"] for row in found["open_set"]] == []


def test_failures_cost_accuracy_and_searches(
    tmp_path: Path, embed: Any, write_person: Any, blank: Callable[[Path], None]
) -> None:
    _make(tmp_path, write_person)
    blank(tmp_path / "person00" / "person00_0001.png")  # enrolled: its three searches miss
    blank(tmp_path / "person02" / "person02_0002.png")  # searched: one miss
    blank(tmp_path / "person01" / "person01_0001.png")  # a stranger: left out
    report = PROTOCOLS.create("folder", root=tmp_path).run(embed).to_dict()
    assert report["failures"] == 3
    found = report["identification"]
    assert found["n_strangers"] == 23
    for rank in ("1", "10"):
        assert found["rank"][rank]["rate"] == pytest.approx(14 / 18)
    assert report["n_genuine"] == 72
    assert report["tar_at_far"] == pytest.approx((72 - 9) / 72)
    assert report["accuracy"] < 1


def test_the_same_seed_gives_the_same_report(tmp_path: Path, embed: Any, write_person: Any) -> None:
    _make(tmp_path, write_person)
    first, second = (
        PROTOCOLS.create("folder", root=tmp_path, seed=3).run(embed).to_dict() for _ in range(2)
    )
    assert first == second


def test_people_are_not_shared_between_folds(
    tmp_path: Path, embed: Any, write_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(tmp_path, write_person)
    seen: list[np.ndarray] = []

    def spy(scores: np.ndarray, genuine: np.ndarray, *, folds: np.ndarray) -> None:
        seen.append(folds)
        assert genuine.sum() * 2 == len(genuine)

    monkeypatch.setattr("vultus.evaluation.protocols.folder.fold_accuracy", spy)
    result = PROTOCOLS.create("folder", root=tmp_path).run(embed)
    assert result.accuracy is None
    assert len(np.unique(seen[0])) == 6


def test_two_people_are_too_few_for_folds_but_give_rates(
    tmp_path: Path, embed: Any, write_person: Any
) -> None:
    _make(tmp_path, write_person, people=2, photos=3)
    report = PROTOCOLS.create("folder", root=tmp_path).run(embed).to_dict()
    assert report["accuracy"] is None
    assert report["n_impostor"] == 9
    assert report["identification"]["n_enrolled"] == 1


def test_too_few_people_or_photos_are_refused(tmp_path: Path, write_person: Any) -> None:
    _make(tmp_path / "alone", write_person, people=1)
    with pytest.raises(InputError, match="1 people"):
        PROTOCOLS.create("folder", root=tmp_path / "alone")
    _make(tmp_path / "single", write_person, people=3, photos=1)
    with pytest.raises(InputError, match="at most 1 photos"):
        PROTOCOLS.create("folder", root=tmp_path / "single")


def test_a_folder_without_faces_is_refused(
    tmp_path: Path, embed: Any, write_person: Any, blank: Callable[[Path], None]
) -> None:
    _make(tmp_path, write_person, people=2, photos=2)
    for path in tmp_path.rglob("*.png"):
        blank(path)
    with pytest.raises(InputError, match="fewer than two of the 4 photos"):
        PROTOCOLS.create("folder", root=tmp_path).run(embed)
