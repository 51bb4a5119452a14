"""Features by content: kept on disk, in order, whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from vultus.curation.audit import feature_store
from vultus.curation.audit.feature_store import FeatureStore

FIELDS = {"vector": (np.float32, (3,)), "score": (np.float32, ())}


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def store(folder: Path, key: str = "a") -> FeatureStore:
    return FeatureStore(folder, name="x", key=key, fields=FIELDS)


def fill(target: FeatureStore, numbers: range) -> None:
    for n in numbers:
        target.add(digest(n), {"vector": [n, n + 1, n + 2], "score": n / 10})


def test_what_was_added_comes_back_in_any_order_and_after_reopening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_store, "ROWS_PER_FILE", 4)
    first = store(tmp_path)
    fill(first, range(10))
    first.save()
    for opened in (first, store(tmp_path)):
        assert len(opened) == 10
        taken = opened.take([digest(n) for n in (9, 0, 5, 5)])
        assert taken["vector"].tolist() == [[9, 10, 11], [0, 1, 2], [5, 6, 7], [5, 6, 7]]
        assert taken["score"].tolist() == pytest.approx([0.9, 0.0, 0.5, 0.5])


def test_a_stopped_run_keeps_whole_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_store, "ROWS_PER_FILE", 4)
    fill(store(tmp_path), range(10))  # two files of four; two rows were never saved
    opened = store(tmp_path)
    assert [n for n in range(10) if digest(n) in opened] == list(range(8))
    fill(opened, range(10))
    assert len(opened) == 10
    opened.save()
    assert len(store(tmp_path)) == 10


def test_other_keys_do_not_meet(tmp_path: Path) -> None:
    fill(first := store(tmp_path), range(2))
    first.save()
    assert len(store(tmp_path, key="b")) == 0


def test_a_damaged_file_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(first := store(tmp_path), range(2))
    first.save()
    path = next(tmp_path.glob("*.npz"))
    path.write_bytes(path.read_bytes()[:100])
    opened = store(tmp_path)
    assert len(opened) == 0
    assert "damaged" in caplog.text
    fill(opened, range(2))
    opened.save()  # beside it, not over it
    assert len(store(tmp_path)) == 2
