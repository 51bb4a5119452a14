import hashlib
import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from skimage.data import astronaut
from tests.models.dlib_resnet.small_network import SmallNetwork

from vultus.alignment.crop_templates import ARCFACE_POINTS
from vultus.core.crops import AlignedCrops
from vultus.embedding.embedder import open_embedder
from vultus.models.built import find_origin
from vultus.models.built_in import built_in_cards
from vultus.models.dlib_resnet.graph import (
    CHIP_ORIGIN_XY,
    CHIP_SCALE,
    bilinear_matrix,
    build_graph,
)
from vultus.models.dlib_resnet.network import Convolution, read_network
from vultus.models.settings import mirror_folders
from vultus.models.store import ModelStore
from vultus.runtime.providers import installed_engines


def test_the_graph_gives_what_loops_give(small_network: SmallNetwork) -> None:
    network = read_network(small_network.content())
    session = onnxruntime.InferenceSession(build_graph(network, chips=True))
    # Declared sizes are those of the file: this one takes chips of 25 pixels.
    chips = np.random.default_rng(2).integers(0, 256, (3, 3, 25, 25)).astype(np.float32)
    got = session.run(None, {"crops": chips})[0]
    wanted = np.stack([small_network.forward(chip.astype(np.float64)) for chip in chips])
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    alone = np.concatenate([session.run(None, {"crops": chip[None]})[0] for chip in chips])
    np.testing.assert_allclose(alone, got, rtol=1e-5, atol=1e-6)


def test_crops_are_resampled_before(small_network: SmallNetwork) -> None:
    network = read_network(small_network.content())
    session = onnxruntime.InferenceSession(build_graph(network))
    crop = np.random.default_rng(3).integers(0, 256, (1, 3, 112, 112)).astype(np.float32)
    chip = np.zeros((3, 25, 25))
    for i in range(25):
        for j in range(25):
            x, y = CHIP_ORIGIN_XY[0] + CHIP_SCALE * j, CHIP_ORIGIN_XY[1] + CHIP_SCALE * i
            left, top = int(x), int(y)
            a, b = x - left, y - top
            window = crop[0, :, top : top + 2, left : left + 2]
            chip[:, i, j] = (1 - b) * ((1 - a) * window[:, 0, 0] + a * window[:, 0, 1]) + b * (
                (1 - a) * window[:, 1, 0] + a * window[:, 1, 1]
            )
    got = session.run(None, {"crops": crop})[0][0]
    np.testing.assert_allclose(got, small_network.forward(chip), rtol=1e-4, atol=1e-5)


def test_beyond_the_crop_it_is_black() -> None:
    rows = bilinear_matrix(150, CHIP_ORIGIN_XY[1]).sum(axis=1)
    inside = CHIP_ORIGIN_XY[1] + CHIP_SCALE * np.arange(150) <= 111.5
    np.testing.assert_allclose(rows, inside.astype(np.float32), atol=1e-6)
    assert 120 < inside.sum() < 150


def test_the_chip_lies_where_dlib_lays_it() -> None:
    # In the median over 241 crops of real faces, by dlib's own predictor of five points.
    centre = np.array(CHIP_ORIGIN_XY) + CHIP_SCALE * 74.5
    np.testing.assert_allclose(centre, (55.8, 72.4), atol=1)
    assert abs(CHIP_SCALE - 0.685) < 0.05
    # And the eyes of the template lie level in it, as in dlib's mean face.
    eyes = (np.array(ARCFACE_POINTS[:2]) - CHIP_ORIGIN_XY) / CHIP_SCALE
    assert abs(eyes[0, 1] - eyes[1, 1]) < 1
    np.testing.assert_allclose(eyes.mean(axis=0)[0], 74, atol=1)


def test_the_same_file_gives_the_same_bytes(small_network: SmallNetwork) -> None:
    network = read_network(small_network.content())
    digests = {hashlib.sha256(build_graph(network)).hexdigest() for _ in range(2)}
    assert len(digests) == 1


# What dlib-bin 20.0.1 gives for `astronaut()[45:195, 150:300]`, in units of 1e-5.
_DLIB_ASTRONAUT = """
-8622 7532 2799 4514 -15711 2785 -570 -12998 5813 -5992 19678 -8733 -29456 -7446 5638 14284 -11154
-9857 -16090 -7587 1516 9154 300 4515 -16364 -37466 -6047 -11624 4873 -5541 -8084 9484 -14296 -3068
6011 1574 -782 -7856 17708 -7388 -23106 -987 7476 25919 26497 -5424 -908 -2655 12894 -22523 1151
12710 14584 7940 4896 -14416 -221 17763 -25403 2408 -876 -14010 477 -5092 18125 6906 -11855 -16351
13681 -20397 -3260 5634 -19430 -20211 -41016 2832 43464 17668 -27511 -3130 -2224 -3901 9227 8967
-4360 -11528 -12415 6070 22587 -5610 -5329 25833 2485 -3309 2395 10293 -12036 -7012 -9451 -1236
2916 -9356 4022 21639 -18485 21419 -1660 1481 -596 -4962 -4890 -1563 16369 -22449 14296 16453 3418
14254 -3979 2370 -5262 -359 -20381 -9157 9987 -6143 4566 4487
"""


class TestPublished:
    @pytest.fixture
    def origin(self, public_mirror: str | None) -> Path:
        mirrors = mirror_folders(public_mirror.split(os.pathsep)) if public_mirror else ()
        origin = find_origin(built_in_cards()["dlib-resnet"], mirrors)
        if origin is None:
            pytest.skip("needs dlib's file: pip install '.[dlib]', or VULTUS_MODELS_MIRROR")
        return origin

    @pytest.mark.models
    def test_the_published_network_gives_what_dlib_gives(self, origin: Path) -> None:
        network = read_network(origin.read_bytes(), name=origin.name)
        assert sum(isinstance(layer, Convolution) for layer in network.layers) == 29
        assert network.n_parameters == 5_614_592
        assert network.size_px == 150
        session = onnxruntime.InferenceSession(build_graph(network, chips=True))
        photo = np.asarray(astronaut())  # type: ignore[no-untyped-call]
        chip = photo[45:195, 150:300].transpose(2, 0, 1)[None].astype(np.float32)
        got = session.run(None, {"crops": chip})[0][0].astype(np.float64)
        wanted = np.array([int(number) for number in _DLIB_ASTRONAUT.split()]) * 1e-5
        np.testing.assert_allclose(got, wanted, atol=1e-5)

    @pytest.mark.models
    def test_the_graph_is_the_file_of_the_card(self, origin: Path) -> None:
        card = built_in_cards()["dlib-resnet"]
        content = build_graph(read_network(origin.read_bytes(), name=origin.name))
        assert hashlib.sha256(content).hexdigest() == card.sha256
        assert len(content) == card.size_bytes

    @pytest.mark.models
    def test_engines_agree_and_a_face_alone_is_the_face_in_a_batch(
        self, origin: Path, tmp_path: Path
    ) -> None:
        store = ModelStore(tmp_path, origin.parent)
        photo = np.asarray(astronaut())  # type: ignore[no-untyped-call]
        pixels = np.stack([photo[45 + i : 157 + i, 168:280] for i in range(0, 40, 8)])
        crops = AlignedCrops(pixels, np.zeros((5, 2, 3), np.float32), "arcface-112")
        both = []
        for engine in installed_engines():
            embedder = open_embedder("dlib-resnet", store=store, runtime=engine, threads=1)
            both.append(embedder.embed(crops).vectors)
            alone = np.concatenate([embedder.embed(crops[i]).vectors for i in range(5)])
            np.testing.assert_allclose(alone, both[-1], atol=1e-5)
        np.testing.assert_allclose(both[0], both[-1], atol=1e-5)
