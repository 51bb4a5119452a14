from pathlib import Path

import numpy as np
import pytest

from vultus.baselines.head_file import load_head, save_head
from vultus.core.errors import InputError


def test_arrays_come_back_and_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    for value in (1.0, 2.0):
        save_head(path, {"weights": np.full(3, value)}, kind="toy-1")
    assert load_head(path, kind="toy-1", names=("weights",))["weights"].tolist() == [2.0] * 3
    assert [file.name for file in tmp_path.iterdir()] == ["head.npz"]


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    with pytest.raises(InputError, match="there is no file"):
        load_head(path, kind="toy-1", names=())
    path.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(InputError, match="is no toy-1 file"):
        load_head(path, kind="toy-1", names=())
    np.savez(path, kind=np.array({"a": 1}, dtype=object))
    with pytest.raises(InputError, match="is no toy-1 file"):
        load_head(path, kind="toy-1", names=())


@pytest.mark.parametrize(
    ("kind", "weights", "message"),
    [
        ("toy-2", np.ones(3), "must be of kind toy-1, got toy-2"),
        ("toy-1", np.full(3, np.nan), "weights must be finite"),
        ("toy-1", np.ones(3, np.float32), "finite float64, got float32"),
    ],
)
def test_another_kind_of_head_is_refused(
    tmp_path: Path, kind: str, weights: np.ndarray, message: str
) -> None:
    save_head(tmp_path / "head.npz", {"weights": weights}, kind=kind)
    with pytest.raises(InputError, match=message):
        load_head(tmp_path / "head.npz", kind="toy-1", names=("weights",))
