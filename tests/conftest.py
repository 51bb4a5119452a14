"""What the tests of several folders share: public-domain portraits and a tiny embedder."""

import os
import random
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper
from tests.gallery.stores.postgres.server import OWNER, PASSWORD, SERVICE, Server, running_server

from vultus.core.faces import Image
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.embedding.embedder import Embedder, open_embedder
from vultus.image.io import read_image
from vultus.matching.calibration import Calibration, CalibrationData
from vultus.matching.fpir_curves import FpirCurves
from vultus.matching.fpir_levels import FpirCurve, PhotoLevel
from vultus.models.cards import Licence, ModelCard
from vultus.models.digest import sha256_file

# A busy machine is no reason to fail, nor is an example that nobody tried before: those are looked
# for where somebody asks for it.
settings.register_profile(
    "vultus", deadline=None, derandomize=not os.environ.get("VULTUS_TEST_EXPLORE")
)
settings.load_profile("vultus")

TINY_DIM = 32


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """What a test draws from the global generators is the same in every run."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - that of others' code
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def packaged(package: str, path: str) -> Image:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return read_image(Path(spec.origin).parent / path)


@pytest.fixture(scope="session")
def hopper() -> Image:
    """Grace Hopper, (600, 512, 3); US Navy, public domain."""
    return packaged("matplotlib", "mpl-data/sample_data/grace_hopper.jpg")


@pytest.fixture(scope="session")
def collins() -> Image:
    """Eileen Collins, (512, 512, 3); NASA, public domain."""
    return packaged("skimage", "data/astronaut.png")


@pytest.fixture(scope="session")
def rocket() -> Image:
    """A rocket on its pad and nobody."""
    return packaged("skimage", "data/rocket.jpg")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of public model files; skips the test where there is none."""
    folder = os.environ.get("VULTUS_MODELS_MIRROR", "")
    if not folder:
        pytest.skip("needs public model files: set VULTUS_MODELS_MIRROR to their folder")
    return Path(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A real PostgreSQL server, with a database for galleries; skips the test where none starts."""
    running = running_server()
    try:
        server = running.__enter__()
    except RuntimeError as error:
        pytest.skip(f"needs a PostgreSQL server: {error}")
    try:
        server.sql(f"CREATE DATABASE faces OWNER {OWNER}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGPASSWORD", PASSWORD)
            from vultus.gallery.stores.places import DatabasePlace
            from vultus.gallery.stores.postgres.schema import upgrade

            place = DatabasePlace(user=OWNER, hosts=server.address, database="faces", gallery=None)
            upgrade(place, grant=(SERVICE,))
        yield server
    finally:
        running.__exit__(None, None, None)


@pytest.fixture
def postgres_url(postgres_server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a database with tables for galleries, without the gallery's name."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("VULTUS_POSTGRES_CONNECTIONS", "6")
    return f"postgresql://{SERVICE}@{postgres_server.address}/faces"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file with its card beside it: block means of the crop, randomly projected.

    It tells crops apart by their layout of light and dark, which is enough to see photos of one
    portrait closer together than photos of two; it is no face recogniser.
    """
    path = tmp_path_factory.mktemp("tiny") / "tiny.onnx"
    weights = np.random.default_rng(0).normal(size=(192, TINY_DIM)).astype(np.float32)
    block = [14, 14]
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["x"], ["pool"], kernel_shape=block, strides=block),
            helper.make_node("Flatten", ["pool"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["y"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 3, 112, 112])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", TINY_DIM])],
        [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    card = ModelCard(
        name="tiny",
        task="embedding",
        description="block means for tests",
        file_name=path.name,
        sha256=sha256_file(path),
        licence=Licence("Apache-2.0", commercial_use=True, source="the tests"),
        template="arcface-112",
        mean=127.5,
        std=128.0,
        embedding_dim=TINY_DIM,
        flip="none",
        thresholds=ThresholdTable(
            (
                Threshold(0.80, fmr=1e-2, n_impostor=30_000, origin="made up for tests"),
                Threshold(0.90, fmr=1e-3, n_impostor=30_000, origin="made up for tests"),
                Threshold(0.95, fmr=1e-4, n_impostor=30_000, origin="made up for tests"),
            )
        ),
    )
    path.with_suffix(".toml").write_text(card.to_toml(), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_embedder(tiny_model: Path) -> Embedder:
    """The tiny model, open."""
    return open_embedder(tiny_model, threads=1)


@pytest.fixture(scope="session")
def tiny_calibration(tiny_embedder: Embedder) -> Calibration:
    """Of a site of 400 people: stricter than the tiny model's card, and not as far-reaching.

    FMR 1e-2 and 3e-3 alone; FPIR 0.01 at 0.5 + 0.1 log10(N), 0.05 more for three photos.
    """
    table = ThresholdTable(
        (
            Threshold(0.7, fmr=1e-2, n_impostor=5000, origin="this site"),
            Threshold(0.85, fmr=3e-3, n_impostor=5000, origin="this site"),
        )
    )
    levels = [
        PhotoLevel(
            photos,
            tuple(
                FpirCurve(
                    size,
                    shift + 0.1 * np.log10(size) + np.array([0.3, 0.5, 0.55]),
                    np.array([0.3, 0.01, 0.005]),
                )
                for size in (1, 10, 100)
            ),
            400,
            400,
            800,
        )
        for photos, shift in ((1, 0.0), (3, 0.05))
    ]
    data = CalibrationData("people", "f" * 64, 400, 800, 400, 800, 0, None, 0)
    curves = FpirCurves(tuple(levels), "this site")
    return Calibration(tiny_embedder.space, "2026-11-23T00:00:00+00:00", data, table, curves)
