import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import CalibrationError, ConfigError, InputError
from vultus.core.faces import Faces, Image
from vultus.image.io import write_image
from vultus.models.cards import ModelCard
from vultus.models.store import ModelStore
from vultus.pipeline.measuring.trust_limit import measure_trust_limit
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.trust_head import trust_limit_path
from vultus.quality.gate import QualityGate
from vultus.quality.trust import TrustHead, save_trust_head
from vultus.quality.trust_limit import save_trust_limit
from vultus.runtime.pools import Tap

PHOTOS = 60
POOLS = 6


class WholePhoto:
    """Takes the middle of a photo for its face; a black photo has none."""

    name = "whole"

    def detect(self, image: Image) -> Faces:
        if not image.any():
            return Faces.empty()
        points = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]]
        return Faces(
            np.array([[10, 10, 100, 110]], np.float32),
            np.array([points], np.float32),
            np.ones(1, np.float32),
        )

    def detect_batch(self, images: Any) -> list[Faces]:
        return [self.detect(image) for image in images]


def head(card: ModelCard, **changes: Any) -> TrustHead:
    """The brighter above, the more a face is trusted."""
    first = np.zeros((2 * POOLS + 1, 1), np.float32)
    first[0, 0] = 1
    values: dict[str, Any] = {
        "taps": (Tap("pool", 2),),
        "kinds": ("clean", "noise"),
        "model_sha256": card.sha256,
        "preprocessing": "arcface-112 rgb (x-127.5)/128 flip=none",
        "min_trust": 0.5,
        "doubt": 0.0,
        "midpoint": -0.6,
        "width": 0.2,
        "norm_midpoint": 1.0,
        "norm_width": 1.0,
        "notes": "",
        "centre": np.full(2 * POOLS + 1, -1, np.float32),
        "scale": np.ones(2 * POOLS + 1, np.float32),
        "first": first,
        "first_bias": np.zeros(1, np.float32),
        "second": np.array([[-1, 0, 0, 0]], np.float32),
        "second_bias": np.zeros(4, np.float32),
    }
    return TrustHead(**{**values, **changes})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From dark to bright, all with some pattern; one without a face, and one that is no photo."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for place in range(PHOTOS):
        coarse = rng.integers(0, 90, (16, 16, 3)) + 2 * place
        pixels = np.kron(coarse, np.ones((7, 7, 1)))
        write_image(root / f"{place:02}.png", pixels.astype(np.uint8))
    write_image(root / "black.png", np.zeros((112, 112, 3), np.uint8))
    (root / "broken.png").write_bytes(b"no image")
    return root


@pytest.fixture
def card(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    """The tiny model's, with a trust head in a store of the test's own."""
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    found = ModelCard.from_file(tiny_model.with_suffix(".toml"))
    path = ModelStore().trust_path(found.name)
    path.parent.mkdir(parents=True)
    save_trust_head(path, head(found))
    return found


def recognizer(model: Path, **settings: Any) -> Recognizer:
    gate = QualityGate(max_occlusion=None, min_sharpness=None, min_inter_eye_px=None)
    values: dict[str, Any] = {"detector": WholePhoto(), "gate": gate, "threads": 1, **settings}
    return Recognizer(embedder=model, righting=(), **values)


def test_the_limit_refuses_the_share_that_was_asked_for_and_then_counts(
    tiny_model: Path, photos: Path, card: ModelCard
) -> None:
    limit = measure_trust_limit(photos, recognizer(tiny_model), cost=0.1)
    assert (limit.model, limit.detector, limit.cost) == (card.name, "whole", 0.1)
    assert limit.n_faces == PHOTOS
    assert limit.n_refused == 6
    assert 0.05 < limit.min_trust < 0.95
    usual = recognizer(tiny_model)
    assert usual.trust_head is not None
    before = [bool(one.refusals[0]) for one in usual.analyse(sorted(photos.glob("[0-9]*.png")))]
    assert sum(before) == limit.n_refused_by_usual != 6

    save_trust_limit(trust_limit_path(card.name), limit)
    found = recognizer(tiny_model)
    assert found.trust_head is not None
    assert found.trust_head.min_trust == limit.min_trust
    after = [one.refusals[0] for one in found.analyse(sorted(photos.glob("[0-9]*.png")))]
    assert sum(bool(reasons) for reasons in after) == 6
    assert f"needs {limit.min_trust:.6f}".rstrip("0") in after[0][0]
    # Measured again, it starts from what came with the head, and finds the same.
    again = measure_trust_limit(photos, recognizer(tiny_model), cost=0.1)
    assert dataclasses.replace(again, created=limit.created) == limit


def test_a_limit_of_another_head_is_refused(
    tiny_model: Path, photos: Path, card: ModelCard
) -> None:
    limit = measure_trust_limit(photos, recognizer(tiny_model), cost=0.1)
    save_trust_limit(trust_limit_path(card.name), limit)
    save_trust_head(ModelStore().trust_path(card.name), head(card, midpoint=-0.5))
    with pytest.raises(ConfigError, match=r"trust_limit.json must be for the trust head of tiny"):
        recognizer(tiny_model).trust_head  # noqa: B018 - looked for when asked
    trust_limit_path(card.name).write_text("{}")
    with pytest.raises(ConfigError, match="names none"):
        recognizer(tiny_model).trust_head  # noqa: B018


def test_faces_that_other_limits_refuse_take_no_part(
    tiny_model: Path, photos: Path, card: ModelCard
) -> None:
    gate = QualityGate(max_occlusion=None, min_sharpness=None, min_inter_eye_px=60)
    with pytest.raises(CalibrationError, match="at least 10, got 0"):
        measure_trust_limit(photos, recognizer(tiny_model, gate=gate), cost=0.1)


def test_a_model_without_a_head_has_no_limit(
    tiny_model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    with pytest.raises(InputError, match="'tiny' has none; vultus train-trust makes one"):
        measure_trust_limit(photos, recognizer(tiny_model), cost=0.1)
