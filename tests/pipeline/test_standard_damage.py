"""What `ofiq-syngen` does to a photo by the standard shows in the score, or is refused."""

import cv2
import numpy as np
import pytest
from ofiq_syngen import COMPONENT_REGISTRY, components

from vultus.core.faces import Image
from vultus.pipeline.photos import AnalysedPhoto
from vultus.pipeline.recognizer import Recognizer

pytestmark = pytest.mark.slow

WAYS = [
    (component.removesuffix(".scalar"), way.function)
    for component, ways in sorted(COMPONENT_REGISTRY.items())
    for way in ways
]


@pytest.fixture(autouse=True)
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads are turned in the plane: the models of the other way are not here."""
    monkeypatch.setattr(components, "_3D_PIPELINE", False)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer(threads=1, righting=())


@pytest.fixture(scope="module")
def clean(recognizer: Recognizer, hopper: Image, collins: Image) -> list[AnalysedPhoto]:
    # Small, because some operators fill large holes pixel by pixel.
    portraits = [hopper[:500, :500], collins[20:300, 100:380]]
    small = [cv2.resize(photo, (250, 250), interpolation=cv2.INTER_AREA) for photo in portraits]
    return list(recognizer.analyse([np.asarray(photo, np.uint8) for photo in small]))


def test_all_components_of_the_standard_are_tried() -> None:
    assert len({component for component, _ in WAYS}) >= 28


@pytest.mark.parametrize(
    ("component", "operator"), WAYS, ids=[f"{name}-{way.__name__}" for name, way in WAYS]
)
def test_what_costs_similarity_costs_score_or_is_refused(
    recognizer: Recognizer, clean: list[AnalysedPhoto], component: str, operator: object
) -> None:
    assert callable(operator)
    for number, before in enumerate(clean):
        bgr = np.ascontiguousarray(before.image[..., ::-1])
        made = np.asarray(operator(bgr, 0.7, number), np.uint8)
        after = next(recognizer.analyse([np.ascontiguousarray(made[..., ::-1])]))
        if not len(after.faces) or after.refusals[face := after.faces.largest()]:
            continue
        own = before.faces.largest()
        similarity = float(after.embeddings.vectors[face] @ before.embeddings.vectors[own])
        assert similarity > 0.85 or after.quality.score[face] < before.quality.score[own], component
