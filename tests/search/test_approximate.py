"""The approximate way: what it compares, it answers exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.errors import InputError
from vultus.search import approximate as module
from vultus.search.approximate import agreeing, signs
from vultus.search.coded import can_scan
from vultus.search.index import VectorIndex
from vultus.search.index_file import IndexFile, Stamp

SCANS = [True, False] if can_scan() else [False]


def unit(rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("compiled", SCANS)
@pytest.mark.parametrize("dim", [1, 7, 64, 65, 128, 500])
def test_the_rows_that_differ_in_fewest_signs(
    monkeypatch: pytest.MonkeyPatch, dim: int, compiled: bool
) -> None:
    monkeypatch.setattr(module, "can_scan", lambda: compiled)
    monkeypatch.setattr(module, "_AT_ONCE", 30)
    rng = np.random.default_rng(dim)
    rows, probe = rng.standard_normal((200, dim)), rng.standard_normal((1, dim))
    differing = ((rows > 0) != (probe > 0)).sum(axis=1)
    kept = rng.random(200) < 0.5
    for n in (1, 20, 500):
        for mask in (None, kept):
            found = agreeing(signs(rows), signs(probe)[0], n, kept=mask)
            among = np.arange(200) if mask is None else np.flatnonzero(mask)
            last = np.sort(differing[among])[min(n, len(among)) - 1]
            assert found.tolist() == among[differing[among] <= last].tolist()
    assert not len(agreeing(signs(rows), signs(probe)[0], 5, kept=np.zeros(200, np.bool_)))


def test_what_is_compared_is_answered_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng.standard_normal((3000, 128)))
    probes = unit(vectors[:50] + 0.05 * rng.standard_normal((50, 128)))
    index = VectorIndex(128)
    index.add(vectors[:2000])
    index.search(probes, rank=1, approximate=10)  # signs are kept from here on
    index.add(vectors[2000:])
    index.save(tmp_path / "index", Stamp(b"", 0))
    opened = VectorIndex.open(IndexFile(tmp_path / "index"))
    for searched in (index, opened):
        searched.update([7], vectors[60:61])
        searched.remove([8, 2500])
        exact = searched.search(probes, rank=3)
        few = searched.search(probes, rank=3, approximate=100)
        every = searched.search(probes, rank=3, approximate=2998)
        assert {answer.way for answer in few} == {"approximate"}
        assert {answer.way for answer in every} == {"exact"}
        hits = 0
        for right, rough, whole in zip(exact, few, every, strict=True):
            assert whole.ids.tolist() == right.ids.tolist()
            assert 100 <= rough.reranked < 400
            hits += right.ids[0] == rough.ids[0]
            known = dict(zip(rough.ids.tolist(), rough.similarities.tolist(), strict=True))
            for number, similarity in zip(right.ids.tolist(), right.similarities, strict=True):
                assert known.get(number, similarity) == similarity
            assert not {8, 2500} & set(rough.ids.tolist())
        assert hits >= 48
        [some] = searched.search(probes[:1], rank=9, approximate=5, among=np.arange(1000))
        assert set(some.ids.tolist()) <= set(range(1000))
        assert some.way == "approximate"
    for _ in range(2):  # until memory is given back
        index.remove(index.ids[: len(index) // 2 + 1])
    kept = index.ids[-1]
    assert index.search(vectors[kept][None], rank=1, approximate=1)[0].ids[0] == kept
    with pytest.raises(InputError, match="approximate"):
        index.search(probes, rank=1, approximate=0)
