from collections.abc import Sequence

import pytest

from vultus.core.errors import InputError, RegistryError
from vultus.core.faces import Faces, Image
from vultus.core.registry import Registry
from vultus.detection import base
from vultus.detection.base import (
    open_detector,
    smallest_face,
    too_small_to_see,
    with_setting,
)
from vultus.detection.mtcnn.detector import MtcnnDetector


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What a detector ``toy`` was made with."""
    calls: list[dict[str, object]] = []
    toys: Registry[object] = Registry("detectors")

    @toys.register("toy")
    def toy(*, model: str = "usual", side: float = 1, limits: object = None, threads: int) -> str:
        calls.append({"model": model, "side": side, "limits": limits, "threads": threads})
        return "toy"

    monkeypatch.setattr(base, "DETECTORS", toys)
    return calls


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("toy", {}),
        ("toy:", {}),
        ("toy:other", {"model": "other"}),
        ("toy:side=2.5", {"side": 2.5}),
        ("toy:other, side=2", {"model": "other", "side": 2}),
        ("toy:limits=[0.1, 0.2],other", {"limits": [0.1, 0.2], "model": "other"}),
        ("toy:threads=3", {"threads": 3}),
    ],
)
def test_a_text_says_detector_model_and_settings(
    made: list[dict[str, object]], text: str, settings: dict[str, object]
) -> None:
    open_detector(text, threads=1)
    usual = {"model": "usual", "side": 1, "limits": None, "threads": 1}
    assert made == [usual | settings]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("toy:sides=3", "no setting 'sides'; did you mean 'side'"),
        ("toy:one,two", "says model twice"),
        ("toy:side=1,side=2", "says side twice"),
        ("toy:=3", "key=value"),
    ],
)
@pytest.mark.usefixtures("made")
def test_what_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_detector(text, threads=1)


def test_real_detectors_check_their_settings() -> None:
    with pytest.raises(RegistryError, match="did you mean 'mtcnn'"):
        open_detector("mtccn:min_face_px=60")
    for value in ("5", "abc", "nan", "true"):
        with pytest.raises(InputError, match="min_face_px must be a number"):
            open_detector(f"mtcnn:min_face_px={value}")
    for value in ("3", "[0.1, 0.2]"):
        with pytest.raises(InputError, match="thresholds must be 3 numbers"):
            open_detector(f"mtcnn:thresholds={value}")
    opened = open_detector("mtcnn:min_face_px=60", threads=1)
    assert isinstance(opened, MtcnnDetector)
    assert opened.min_face_px == 60


def test_what_is_too_small_to_be_looked_for_is_said_with_the_way_to_it() -> None:
    large, usual = (3456, 4608), (960, 1280)
    mtcnn = MtcnnDetector(threads=1)
    assert smallest_face(mtcnn, large) == (72, "min_face_px=20")
    assert smallest_face(mtcnn, usual) == (20, "min_face_px=20")
    said = too_small_to_see(mtcnn, large, text="mtcnn")
    assert "under 72 pixels" in said
    assert "mtcnn:min_face_px=20" in said
    assert too_small_to_see(mtcnn, usual, text="mtcnn") == ""
    chosen = MtcnnDetector(min_face_px=60, threads=1)
    assert smallest_face(chosen, large) == (60, "")


def test_a_detector_that_does_not_say_what_it_looks_for_is_not_asked() -> None:
    assert smallest_face(Mute(), (9000, 9000)) is None
    assert too_small_to_see(Mute(), (9000, 9000), text="mute") == ""


class Mute:
    name = "mute"

    def detect(self, image: Image) -> Faces:
        raise NotImplementedError

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("text", "setting", "joined"),
    [
        ("mtcnn", "min_face_px=20", "mtcnn:min_face_px=20"),
        ("yunet:yunet-n-dynamic", "max_side=1280", "yunet:yunet-n-dynamic,max_side=1280"),
        ("yunet:max_side = 900", "max_side=1800", ""),
        ("yunet", "", ""),
    ],
)
def test_a_setting_is_added_to_a_detectors_text(text: str, setting: str, joined: str) -> None:
    assert with_setting(text, setting) == joined
