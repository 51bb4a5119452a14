from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.embedding.embedder import Embedder, open_embedder
from vultus.runtime.pools import usual_taps
from vultus.training.trust import features
from vultus.training.trust.features import crop_features


@pytest.fixture
def embedder(tiny_model: Path) -> Embedder:
    return open_embedder(tiny_model, taps=usual_taps(tiny_model), threads=1)


def crops(n: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (n, 112, 112, 3)).astype(np.uint8)


def test_what_is_kept_is_what_was_found_and_is_not_found_again(
    embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_SAVED_EVERY", 128)
    pixels = crops(140)
    plain = crop_features(embedder, pixels)
    first = crop_features(embedder, pixels[:60], kept=tmp_path)
    np.testing.assert_allclose(first[0], plain[0][:60], atol=1e-5)
    counts: list[int] = []
    usual = features._embedded

    def counting(embedder: Embedder, pixels: Any, progress: Any) -> Any:
        counts.append(len(pixels))
        return usual(embedder, pixels, progress)

    monkeypatch.setattr(features, "_embedded", counting)
    mixed = np.concatenate([pixels[100:], pixels[:100]])
    again = crop_features(embedder, mixed, kept=tmp_path)
    assert sum(counts) == 80
    for got, wanted in zip(again, plain, strict=True):
        np.testing.assert_allclose(got[40:], wanted[:100], atol=1e-5)
        np.testing.assert_allclose(got[:40], wanted[100:], atol=1e-5)
    counts.clear()
    crop_features(embedder, pixels, kept=tmp_path)
    assert counts == []


def test_what_is_broken_is_found_anew(embedder: Embedder, tmp_path: Path) -> None:
    plain = crop_features(embedder, crops(4), kept=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:200])
    again = crop_features(embedder, crops(4), kept=tmp_path)
    np.testing.assert_allclose(again[0], plain[0], atol=1e-5)
