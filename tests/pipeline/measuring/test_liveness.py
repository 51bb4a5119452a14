"""How often attacks pass, on folders of photos, with networks whose answers are known."""

from pathlib import Path

import numpy as np
import pytest
from tests.liveness.fakes import by_brightness

from vultus.core.errors import ImageError, InputError
from vultus.core.faces import Image
from vultus.embedding.embedder import Embedder
from vultus.image.io import write_image
from vultus.liveness.passive import site_threshold_path
from vultus.liveness.signal import LivenessFile
from vultus.models.store import ModelStore
from vultus.pipeline.measuring.attack_threshold import LivenessSettings
from vultus.pipeline.measuring.liveness import evaluate_liveness, save_threshold
from vultus.pipeline.photos import Skipped
from vultus.pipeline.recognizer import Recognizer


def dimmed(image: Image, share: float) -> Image:
    return np.asarray(image * share, np.uint8)


def write(root: Path, photos: dict[str, Image]) -> Path:
    for name, image in photos.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(root / name, image)
    return root


def test_rates_of_a_folder(tmp_path: Path, hopper: Image, collins: Image, rocket: Image) -> None:
    root = write(
        tmp_path / "door",
        {
            "live/1.png": hopper,
            "live/2.png": collins,
            "live/3.png": rocket,
            "attack/print/1.png": dimmed(hopper, 0.3),
            "attack/print/2.png": hopper,
            "attack/screen/1.png": dimmed(collins, 0.3),
        },
    )
    (root / "live" / "broken.jpg").write_bytes(b"no photo")
    skipped = Skipped()
    found = evaluate_liveness(
        root, liveness=by_brightness(0.25), recognizer=Recognizer(), on_error=skipped
    )
    assert found.rates.threshold == 0.25
    worst = found.rates.worst
    assert worst is not None
    assert (worst.name, worst.apcer and worst.apcer.rate) == ("print", 0.5)
    assert found.rates.bpcer is not None
    assert (found.rates.bpcer.n_errors, found.rates.bpcer.n) == (0, 2)
    assert (found.rates.bpnrr.n_errors, found.rates.bpnrr.n) == (2, 4)  # a rocket, no photo
    assert len(skipped.photos) == 2
    assert found.system is None
    assert found.threshold.species == "print"
    assert found.threshold.n_bona_fide == 2
    assert "door" in found.threshold.origin


def test_the_threshold_is_set_on_other_faces_than_those_that_check_it(
    tmp_path: Path, hopper: Image
) -> None:
    photos = {f"live/{n}.png": dimmed(hopper, 1 - 0.05 * n) for n in range(8)}
    root = write(tmp_path, {**photos, "attack/print/1.png": dimmed(hopper, 0.3)})
    found = evaluate_liveness(
        root,
        liveness=by_brightness(),
        recognizer=Recognizer(),
        settings=LivenessSettings(bpcer=0.0),
    )
    assert found.n_set_on == 4
    assert found.rates.bpcer is not None
    # Set on 0, 2, 4, 6, which are brighter than 7.
    assert (found.rates.bpcer.n_errors, found.rates.bpcer.n) == (1, 4)
    assert "set on 4 other living faces" in found.threshold.origin


def test_with_people_the_matcher_takes_part(
    tmp_path: Path, hopper: Image, collins: Image, tiny_embedder: Embedder
) -> None:
    root = write(
        tmp_path,
        {
            "live/grace/1.png": hopper,
            "live/grace/2.png": hopper,
            "live/eileen/1.png": collins,
            "live/eileen/2.png": dimmed(collins, 0.3),
            "attack/print/grace/1.png": hopper,
            "attack/print/grace/2.png": dimmed(hopper, 0.3),
            "attack/screen/grace/1.png": collins,
            "attack/screen/eileen/1.png": dimmed(collins, 0.3),
        },
    )
    found = evaluate_liveness(
        root, liveness=by_brightness(0.25), recognizer=Recognizer(embedder=tiny_embedder, gate=None)
    )
    system = found.system
    assert system is not None
    # A print of Grace as she is passes both; Eileen's face does not pass for Grace.
    assert (system.species, system.iapar.n_errors, system.iapar.n) == ("print", 1, 2)
    assert (system.fnmr.n_errors, system.fnmr.n) == (1, 2)  # the dim photo of Eileen
    assert system.riapar == 1.0


def test_a_threshold_is_kept_for_these_networks(tmp_path: Path, hopper: Image) -> None:
    photos = {"live/1.png": hopper, "attack/print/1.png": hopper}
    root = write(tmp_path / "photos", photos)
    found = evaluate_liveness(root, liveness=by_brightness(), recognizer=Recognizer())
    store = ModelStore(tmp_path / "store")
    path = save_threshold(found.threshold, store=store)
    assert path == site_threshold_path(store)
    kept = LivenessFile.load(path)
    assert kept.threshold == found.threshold
    assert kept.networks["minifasnet-v2"] == store.card("minifasnet-v2").sha256


def test_folders_that_cannot_be_measured_are_refused(tmp_path: Path, hopper: Image) -> None:
    def measure(settings: LivenessSettings = LivenessSettings()) -> None:  # noqa: B008
        evaluate_liveness(
            tmp_path, liveness=by_brightness(), recognizer=Recognizer(), settings=settings
        )

    with pytest.raises(InputError, match="has no live/"):
        measure()
    write(tmp_path, {"live/1.png": hopper})
    with pytest.raises(InputError, match="has no attack/"):
        measure()
    (tmp_path / "attack").mkdir()
    with pytest.raises(InputError, match="a folder for each kind of attack"):
        measure()
    (tmp_path / "attack" / "print").mkdir()
    with pytest.raises(ImageError, match="no image below"):
        measure()
    write(tmp_path, {"attack/print/1.png": hopper})
    with pytest.raises(InputError, match="living faces to set it on and others to check it"):
        measure(LivenessSettings(bpcer=0.1))
    with pytest.raises(InputError, match="not both"):
        LivenessSettings(threshold=0.5, bpcer=0.1)
