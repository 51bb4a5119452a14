"""A passive look: scores, verdicts, thresholds of a site."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.liveness.fakes import ByBrightness, by_brightness, write_network

from vultus.core.errors import ConfigError, InputError, ModelError, ModelNotFoundError
from vultus.core.faces import Faces, Image
from vultus.core.liveness_threshold import LivenessThreshold, SpeciesRate
from vultus.detection.base import open_detector
from vultus.export.minifasnet import import_weights
from vultus.liveness.passive import (
    UNMEASURED,
    PassiveLiveness,
    context_of,
    network_digests,
    open_passive_liveness,
    site_threshold_path,
)
from vultus.liveness.signal import LivenessFile
from vultus.models.store import ModelStore


def faces(*boxes: tuple[float, float, float, float]) -> Faces:
    found = np.array(boxes, np.float32)
    return Faces(found, np.zeros((len(boxes), 5, 2), np.float32), np.ones(len(boxes), np.float32))


def two_halves() -> Image:
    """A dark face on the left, a bright one on the right."""
    image = np.full((200, 400, 3), 20, np.uint8)
    image[:, 200:] = 230
    return image


def test_each_face_is_judged_by_itself() -> None:
    passive = by_brightness(0.5)
    dark, bright = passive.judge(two_halves(), faces((10.0, 10, 110, 110), (290.0, 10, 390, 110)))
    assert (dark.verdict, bright.verdict) == ("attack suspected", "no attack seen")
    assert "a presentation attack is suspected" in dark.refusal[0]
    assert bright.refusal == ()
    alone = passive.judge(two_halves(), faces((290.0, 10, 390, 110)))[0]
    assert alone.score == bright.score


def test_the_networks_get_bgr_and_their_own_context() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[..., 0] = 200  # red
    near, far = ByBrightness(), ByBrightness()
    passive = PassiveLiveness({"near": near, "far": far}, times={"near": 1.0, "far": 2.0})
    image[35:65, 35:65] = 0
    signal = passive.judge(image, faces((40.0, 40, 60, 60)))[0]
    assert near.fed[0].shape == (1, 3, 80, 80)
    assert near.fed[0].max() < far.fed[0].max() == 200
    assert far.fed[0][0, :2].max() == 0  # blue and green come first
    assert signal.score == pytest.approx(np.mean(list(signal.networks.values())))


def test_what_is_too_small_or_cut_too_close_cannot_be_judged() -> None:
    image = np.full((200, 400, 3), 230, np.uint8)
    small = by_brightness(times=2.7).judge(image, faces((100.0, 100, 110, 110)))[0]
    assert small.verdict == "cannot be judged"
    assert "the face is too small" in small.refusal[0]
    close = by_brightness(times=4.0).judge(image, faces((100.0, 10, 220, 190)))[0]
    assert "the photo is cut too close: 4 times the face" in close.refusal[0]
    outside = by_brightness().judge(image, faces((-300.0, 10, -200, 190)))[0]
    assert outside.verdict == "cannot be judged"


def test_no_face_no_signal() -> None:
    assert by_brightness().judge(two_halves(), Faces.empty()) == []


def test_a_threshold_states_its_rates_and_comes_back_from_its_file(tmp_path: Path) -> None:
    rule = LivenessThreshold(
        score=0.7, apcer=0.1, apcer_high=0.4, species="print", n_attacks=10, bpcer=0.02,
        bpcer_high=0.05, n_bona_fide=300, origin="measured at the door",
    )  # fmt: skip
    assert str(rule) == (
        "0.700 (APCER 10.0% (at most 40.0%) of 10 (print); BPCER 2.0% (at most 5.0%) of 300; "
        "measured at the door)"
    )
    kept = LivenessFile(networks={"a": "b"}, threshold=rule, created="2026-11-30T10:00:00+00:00")
    kept.save(tmp_path / "liveness.json")
    assert LivenessFile.load(tmp_path / "liveness.json") == kept
    (tmp_path / "liveness.json").write_text('{"format": "other"}')
    with pytest.raises(ConfigError, match="must be a liveness threshold"):
        LivenessFile.load(tmp_path / "liveness.json")
    with pytest.raises(InputError, match="liveness threshold"):
        LivenessThreshold(score=1.5)


def test_a_card_says_how_much_a_network_sees() -> None:
    card = ModelStore().card("minifasnet-v2")
    assert context_of(card) == 2.7
    with pytest.raises(ConfigError, match="must be context-N"):
        context_of(replace(card, template="arcface-112"))


def test_without_the_files_it_is_said_how_to_have_them(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, mirror=[])
    with pytest.raises(ModelNotFoundError, match=r"vultus liveness convert 2\.7_80x80"):
        open_passive_liveness(store=store)
    with pytest.raises(InputError, match="must be of the task antispoof"):
        open_passive_liveness(["vultus-s2"], store=store)


@pytest.mark.models
def test_the_published_networks_judge_by_a_sites_own_threshold(
    tmp_path: Path, mirror: Path, hopper: Image, collins: Image
) -> None:
    store = ModelStore(tmp_path)
    for name in ("2.7_80x80_MiniFASNetV2", "4_0_0_80x80_MiniFASNetV1SE"):
        import_weights(mirror / f"antispoof_{name}.pth", store=store)
    passive = open_passive_liveness(store=store)
    assert passive.threshold == UNMEASURED
    detector = open_detector("mtcnn")
    for photo in (hopper, collins):
        signal = passive.judge(photo, detector.detect(photo))[0]
        assert signal.verdict == "no attack seen"
        assert set(signal.networks) == {"minifasnet-v2", "minifasnet-v1se"}
    networks = {name: store.card(name).sha256 for name in signal.networks}
    own = LivenessFile(networks=networks, threshold=LivenessThreshold(score=0.99), created="now")
    own.save(site_threshold_path(store))
    assert open_passive_liveness(store=store).threshold.score == 0.99
    replace(own, networks={"minifasnet-v2": "0" * 64}).save(site_threshold_path(store))
    with pytest.raises(ConfigError, match="measure it anew"):
        open_passive_liveness(store=store)
    assert open_passive_liveness(store=store, threshold=0.2).threshold.score == 0.2


def test_a_file_with_its_card_judges_by_the_cards_threshold(tmp_path: Path) -> None:
    rule = LivenessThreshold(
        score=0.6,
        apcer=0.1,
        species="print",
        n_attacks=10,
        by_species=(SpeciesRate(name="print", n_passed=1, n=10, low=0.02, high=0.4),),
    )
    file = write_network(tmp_path / "mine.onnx", threshold=rule)
    for named in ([file], [str(file)]):
        assert open_passive_liveness(named).threshold == rule
    dark, bright = open_passive_liveness([file]).judge(
        two_halves(), faces((10.0, 10, 110, 110), (290.0, 10, 390, 110))
    )
    assert (dark.verdict, bright.verdict) == ("attack suspected", "no attack seen")
    assert set(bright.networks) == {"mine"}


def test_the_sites_threshold_of_a_file_lies_beside_it(tmp_path: Path) -> None:
    file = write_network(tmp_path / "mine.onnx", threshold=LivenessThreshold(score=0.6))
    store = ModelStore(tmp_path / "store", mirror=[])
    place = site_threshold_path(store, [file])
    assert place == tmp_path / "mine.liveness.json"
    own = LivenessThreshold(score=0.9, origin="here")
    LivenessFile(networks=network_digests(store, [file]), threshold=own, created="now").save(place)
    assert open_passive_liveness([file], store=store).threshold == own
    write_network(file, size=32)
    with pytest.raises(ConfigError, match="measure it anew"):
        open_passive_liveness([file], store=store)


def test_files_that_are_no_passive_look_are_refused(tmp_path: Path) -> None:
    file = write_network(tmp_path / "mine.onnx")
    assert open_passive_liveness([file]).threshold == UNMEASURED
    with pytest.raises(InputError, match="must differ, got 'mine' twice"):
        open_passive_liveness([file, file])
    with pytest.raises(ModelError, match=r"probabilities \(b, 2\) or \(b, 3\)"):
        open_passive_liveness([write_network(tmp_path / "five.onnx", classes=5)])
    with pytest.raises(ModelNotFoundError, match="no model file at"):
        open_passive_liveness([tmp_path / "none.onnx"])
    file.with_suffix(".toml").unlink()
    with pytest.raises(ModelError, match="no model card is known"):
        open_passive_liveness([file])
