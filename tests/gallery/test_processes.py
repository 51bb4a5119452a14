"""Eight processes that enrol, erase and search at once leave what a sequential run leaves."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from tests.gallery.rounds import rounds

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey

SPACE = EmbeddingSpace("toy", "0" * 64, "none", 64)
KEY = MasterKey(bytes(range(32)))
N_PROCESSES = 8
N_SHARED = 3


def photo(person: int, number: int) -> Embeddings:
    centre = np.random.default_rng([person]).standard_normal(64)
    raw = centre + 0.3 * np.random.default_rng([person, number]).standard_normal(64)
    return Embeddings.from_raw(raw[None], SPACE)


def work(path: Path, who: int, steps: int, key: MasterKey | None) -> None:
    """Enrol people of its own, and photos of people whom all enrol; erase each third."""
    with Gallery.open(path, space=SPACE, key=key) as gallery:
        for step in range(steps):
            person = who * 10_000 + step
            gallery.enroll(f"{who} {step}", photo(person, 0))
            gallery.enroll(f"shared {step % N_SHARED}", photo(10**6 + step % N_SHARED, person))
            best = gallery.search(photo(person, 1), rank=1)[0][0]
            assert best.identity == f"{who} {step}"
            if step % 3 == 2:
                gallery.remove(f"{who} {step - 1}")
                found = gallery.search(photo(person - 1, 1), rank=10**6)[0]
                assert f"{who} {step - 1}" not in {candidate.identity for candidate in found}


def state(path: Path, key: MasterKey | None) -> dict[str, tuple[int, np.ndarray]]:
    with Gallery.open(path, key=key) as gallery:
        assert gallery.check() == []
        templates = gallery.template_set()
        photos = {person.identity: person.n_photos for person in gallery.identities()}
        assert list(photos) == list(templates.identities)
        rows = zip(photos.items(), templates.vectors, strict=True)
        return {name: (n, vector) for (name, n), vector in rows}


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("key", [None, KEY], ids=["without key", "with key"])
def test_eight_processes_leave_what_one_after_the_other_leaves(
    tmp_path: Path, key: MasterKey | None
) -> None:
    steps = min(rounds(12), 60)
    together, alone = tmp_path / "together.db", tmp_path / "alone.db"
    context = multiprocessing.get_context("forkserver")
    children = [
        context.Process(target=work, args=(together, who, steps, key)) for who in range(N_PROCESSES)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * N_PROCESSES
    for who in range(N_PROCESSES):
        work(alone, who, steps, key)
    found, expected = state(together, key), state(alone, key)
    assert {name: n for name, (n, _) in found.items()} == {
        name: n for name, (n, _) in expected.items()
    }
    assert sum(name.startswith("shared") for name in found) == N_SHARED
    for name, (_, vector) in found.items():
        # Photos of people whom all enrol came in another order: but for rounding.
        np.testing.assert_allclose(vector, expected[name][1], atol=1e-6)
