from pathlib import Path

import numpy as np
import pytest
from tests.bulk.conftest import InProcess
from tests.bulk.test_grouping import faces

from vultus.bulk import neighbours
from vultus.bulk.forest import Edges, spanning_forest
from vultus.bulk.neighbours import VectorFile, neighbour_forest
from vultus.core.errors import InputError


@pytest.mark.parametrize("least", [-1.0, 0.2, 0.7, 0.999])
def test_the_forest_is_that_of_every_pair(
    least: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Blocks of several tiles, with more pairs than a block has rows, and one that is not full.
    monkeypatch.setattr(neighbours, "BLOCK", 64)
    monkeypatch.setattr(neighbours, "TILE", 16)
    vectors = faces(25, 7, noise=0.5).vectors
    written = VectorFile.write(tmp_path / "vectors.npy", vectors)
    told: list[tuple[str, int, int]] = []
    found = neighbour_forest(
        written, least, workers=InProcess(), state=tmp_path / "state.npz",
        progress=lambda *what: told.append(what),
    )  # fmt: skip
    exact = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    a, b = np.nonzero(np.triu(exact >= least, 1))
    want = spanning_forest(Edges(a, b, exact[a, b].astype(np.float32)))
    assert set(zip(found.a, found.b, strict=True)) == set(zip(want.a, want.b, strict=True))
    np.testing.assert_allclose(found.weights, want.weights, atol=1e-6)
    assert told[0] == ("comparing", 0, 6)
    assert told[-1] == ("comparing", 6, 6)


def test_a_file_that_changed_under_way_is_told(tmp_path: Path) -> None:
    vectors = faces(4, 2, noise=0.5).vectors
    written = VectorFile.write(tmp_path / "vectors.npy", vectors)
    np.save(tmp_path / "vectors.npy", vectors[:-1])
    with pytest.raises(InputError, match=r"must hold \(8, 32\) float32"):
        written.rows(slice(0, 8))
    (tmp_path / "gone.npy").write_bytes(b"")
    with pytest.raises(InputError, match="every worker can read"):
        VectorFile(tmp_path / "gone.npy", 8, 32).rows(slice(0, 8))
