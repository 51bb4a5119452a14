from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import adjusted_rand_score
from tests.bulk.conftest import InProcess
from tests.bulk.test_forest import graph

from vultus.bulk import grouping, neighbours
from vultus.bulk.forest import components, spanning_forest
from vultus.bulk.grouping import bounded, cluster_faces
from vultus.bulk.workers import Workers
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, ProviderError
from vultus.core.thresholds import Threshold
from vultus.matching.clustering import cluster

SPACE = EmbeddingSpace("toy", "0" * 64, "none", 32)


def faces(n_people: int, n_photos: int, *, noise: float, seed: int = 0) -> Embeddings:
    """Photos of people, mixed."""
    rng = np.random.default_rng(seed)
    people = rng.normal(size=(n_people, 1, SPACE.dim)) / np.sqrt(SPACE.dim)
    photos = people + noise * rng.normal(size=(n_people, n_photos, SPACE.dim)) / np.sqrt(SPACE.dim)
    return Embeddings.from_raw(rng.permutation(photos.reshape(-1, SPACE.dim)), SPACE)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 128)


@pytest.mark.parametrize(("cut", "noise"), [(0.6, 0.5), (0.45, 0.6), (0.3, 0.7), (-0.2, 1.0)])
@pytest.mark.parametrize("with_photos", [False, True])
def test_the_groups_are_those_of_all_faces_at_once(
    cut: float, noise: float, with_photos: bool, tmp_path: Path
) -> None:
    some = faces(60, 8, noise=noise)
    photos: npt.NDArray[np.int64] | None = None
    if with_photos:
        photos = np.random.default_rng(1).integers(0, 200, len(some))
    want = cluster(
        some,
        threshold=Threshold(cut),
        photo_ids=None if photos is None else photos.tolist(),
    )
    found = cluster_faces(
        some, Threshold(cut), workers=InProcess(), scratch=tmp_path, photos=photos
    )
    np.testing.assert_array_equal(found.clustering.labels, want.labels)
    assert found.divided == 0
    assert list(tmp_path.iterdir()) == []


def test_a_task_says_of_few_components_which_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "_TASK_PIECES", 7)
    sizes: list[int] = []
    grouped = grouping._grouped

    def noted(*arguments: Any) -> Any:
        sizes.append(len(arguments[3]))
        return grouped(*arguments)

    monkeypatch.setattr(grouping, "_grouped", noted)
    some = faces(60, 8, noise=0.5)
    found = cluster_faces(some, Threshold(0.6), workers=InProcess(), scratch=tmp_path)
    want = cluster(some, threshold=Threshold(0.6))
    np.testing.assert_array_equal(found.clustering.labels, want.labels)
    assert max(sizes) == 7
    assert len(sizes) > 5


def test_doubtful_faces_need_more_here_as_there(tmp_path: Path) -> None:
    some = faces(60, 8, noise=0.6)
    raised = np.random.default_rng(2).choice([0, 0.1, 0.3], len(some)).astype(np.float32)
    want = cluster(some, threshold=Threshold(0.4), raised=raised)
    assert want.n_clusters > cluster(some, threshold=Threshold(0.4)).n_clusters
    found = cluster_faces(
        some, Threshold(0.4), workers=InProcess(), scratch=tmp_path, raised=raised
    )
    np.testing.assert_array_equal(found.clustering.labels, want.labels)


def test_a_component_too_large_is_grouped_in_parts_and_then_across_them(tmp_path: Path) -> None:
    some = faces(60, 8, noise=0.6)
    want = cluster(some, threshold=Threshold(0.3))
    found = cluster_faces(
        some, Threshold(0.3), workers=InProcess(), scratch=tmp_path, most_faces=100
    )
    assert found.largest > 100
    assert found.divided >= found.largest
    assert found.settled
    # Not the same for sure: what is joined in a part is joined before what lies across the border.
    assert adjusted_rand_score(found.clustering.labels, want.labels) > 0.95
    assert "joined across the parts" in found.notes()[0]
    apart = faces(60, 8, noise=0.5)
    found = cluster_faces(
        apart, Threshold(0.3), workers=InProcess(), scratch=tmp_path, most_faces=100
    )
    assert found.largest > 100
    np.testing.assert_array_equal(
        found.clustering.labels, cluster(apart, threshold=Threshold(0.3)).labels
    )
    told = cluster_faces(some, Threshold(0.3), workers=InProcess(), scratch=tmp_path, most_faces=20)
    assert not told.settled
    assert "one person may be in several groups" in told.notes()[0]


def test_real_processes_give_the_same_groups(two_workers: Workers, tmp_path: Path) -> None:
    some = faces(40, 6, noise=0.6)
    found = cluster_faces(some, Threshold(0.4), workers=two_workers, scratch=tmp_path)
    np.testing.assert_array_equal(
        found.clustering.labels, cluster(some, threshold=Threshold(0.4)).labels
    )


def test_killed_half_way_it_goes_on_and_compares_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stops(InProcess):
        def run(self, tasks: Any, function: Any, *, after: Any) -> None:
            def some() -> Any:
                for number, task in enumerate(tasks):
                    if number == 5:
                        raise KeyboardInterrupt
                    yield task

            super().run(some(), function, after=after)

    monkeypatch.setattr(neighbours, "_KEPT_EVERY", 1)
    some = faces(60, 8, noise=0.6)
    with pytest.raises(KeyboardInterrupt):
        cluster_faces(some, Threshold(0.4), workers=Stops(), scratch=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["compared.npz"]
    told: list[tuple[str, int, int]] = []
    with pytest.raises(InputError, match="other faces or another threshold"):
        cluster_faces(some, Threshold(0.5), workers=InProcess(), scratch=tmp_path)
    found = cluster_faces(
        some, Threshold(0.4), workers=InProcess(), scratch=tmp_path,
        progress=lambda *what: told.append(what),
    )  # fmt: skip
    assert told[0] == ("comparing", 5, 10)
    np.testing.assert_array_equal(
        found.clustering.labels, cluster(some, threshold=Threshold(0.4)).labels
    )


def test_no_faces_and_wrong_bounds(tmp_path: Path) -> None:
    nobody = Embeddings.empty(SPACE)
    found = cluster_faces(nobody, Threshold(0.4), workers=InProcess(), scratch=tmp_path)
    assert found.clustering.n_clusters == 0
    for most in (1, 40_000):
        with pytest.raises(InputError, match="most_faces must be 2 to 30,000"):
            cluster_faces(
                nobody, Threshold(0.4), workers=InProcess(), scratch=tmp_path, most_faces=most
            )


def test_killed_processes_end_it_with_what_to_do(tmp_path: Path) -> None:
    class Dies(InProcess):
        def _dies(self, arguments: Any) -> bool:
            return True

    with pytest.raises(ProviderError, match="start fewer processes"):
        cluster_faces(faces(2, 2, noise=0.1), Threshold(0), workers=Dies(), scratch=tmp_path)


def test_bounded_pieces_are_small_and_hang_together_by_the_heaviest_edges() -> None:
    forest = spanning_forest(graph(2, 300, 2000, levels=1000))
    kept = bounded(forest, 300, 50)
    sizes = np.bincount(components(300, kept))
    assert sizes.max() <= 50
    assert set(map(tuple, zip(kept.a, kept.b, strict=True))) <= set(
        map(tuple, zip(forest.a, forest.b, strict=True))
    )
    heaviest = forest.chosen(np.arange(20))
    assert {*zip(heaviest.a, heaviest.b, strict=True)} <= {*zip(kept.a, kept.b, strict=True)}
    assert len(bounded(forest, 300, 300)) == len(forest)
