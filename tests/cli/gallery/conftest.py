from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings
from vultus.embedding.embedder import Embedder
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import PersonDetails
from vultus.gallery.security.master_key import MasterKey

Make = Callable[..., Path]


@pytest.fixture
def make(tiny_embedder: Embedder, tmp_path: Path) -> Make:
    """Makes a gallery of Ann, Bob, whose time is over, and Cleo."""

    def made(name: str = "people.db", *, key: MasterKey | None = None) -> Path:
        path, space = tmp_path / name, tiny_embedder.space
        raw = np.random.default_rng(0).normal(size=(3, space.dim))
        with Gallery.open(path, space=space, key=key) as gallery:
            for row, person in zip(raw, ("Ann", "Bob", "Cleo"), strict=True):
                gallery.enroll(person, Embeddings.from_raw(row[None], space))
            gallery.note("Bob", PersonDetails(retain_until="2020-01-01"))
        return path

    return made


@pytest.fixture(autouse=True)
def no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VULTUS_GALLERY_KEY", raising=False)
