from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import ConfigError
from vultus.models.store import ModelStore
from vultus.pipeline.trust_head import find_trust_head
from vultus.quality.trust import TrustHead
from vultus.training.trust import train
from vultus.training.trust.fit import FitSettings
from vultus.training.trust.train import TrustSettings, save_site_head, train_trust, trust_settings


def test_settings_are_read_from_words() -> None:
    words = ["data.root=a", "limits=b", "cost=0.02", "fit.epochs=3", "damaged=20", "seed=4"]
    settings = trust_settings(words)
    assert (settings.data.root, settings.limits.root) == ("a", "b")
    assert settings.fit == FitSettings(epochs=3)
    assert (settings.cost, settings.damaged, settings.seed) == (0.02, 20, 4)
    with pytest.raises(ConfigError, match="cost"):
        trust_settings(["cots=0.02"])
    with pytest.raises(ConfigError, match="cost"):
        trust_settings(["cost=0.7"])
    with pytest.raises(ConfigError, match="width"):
        trust_settings(["width=0"])


def test_data_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"data\.root"):
        train_trust("vultus-s2", TrustSettings())


@pytest.mark.slow
def test_a_head_is_made_and_found_by_its_model(
    portraits: Path, guessing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "open_detector", lambda _: guessing)
    words = [f"data.root={portraits}", f"limits.root={portraits}", "damaged=8", "clean=50"]
    settings = trust_settings([*words, "fit.epochs=2", "fit.hidden=8", "cost=0.1", "width=0.08"])
    store = ModelStore(tmp_path)
    trained = train_trust("vultus-s2", settings, store=store)
    assert trained.n_samples > 8 * 40
    assert trained.refused_clean <= 0.1
    assert trained.n_clean == 30
    assert "refuses" in trained.head.notes
    assert trained.head.width == 0.08

    path = save_site_head("vultus-s2", trained, store=store)
    assert path == tmp_path / "vultus-s2" / "trust.npz"
    found = find_trust_head("vultus-s2", store=store)
    assert isinstance(found, TrustHead)
    assert found.min_trust == trained.head.min_trust
    np.testing.assert_allclose(found.first, trained.head.first, rtol=1e-3, atol=1e-4)
