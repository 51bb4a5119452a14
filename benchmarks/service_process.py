"""A service of a benchmark, as a process: real but for the models.

The whole photo of 112 x 112 is one face, whose embedding is a projection of its blocks: what is
measured is what a service does with embeddings, not how it makes them.

    python -m benchmarks.service_process URL --data DIR [--host 127.0.0.1] [--port 8000] [--sealed]
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image as PilImage

from vultus.alignment.crop_templates import ARCFACE_POINTS
from vultus.core.faces import Faces, Image
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.embedding.embedder import open_embedder
from vultus.gallery.security.master_key import MasterKey
from vultus.models.cards import Licence, ModelCard
from vultus.models.digest import sha256_file
from vultus.pipeline.recognizer import Recognizer
from vultus.server.running import open_context, serve
from vultus.server.settings import ServerSettings

DIM, BLOCK, SIDE = 128, 14, 112
KEY = MasterKey(bytes(range(32)))


class WholePhoto:
    """A detector to which each photo is one face."""

    name = "whole photo"

    def detect(self, image: Image) -> Faces:
        """One face."""
        height, width = image.shape[:2]
        scale = np.array([width, height], np.float32) / SIDE
        return Faces(
            boxes=np.array([[0, 0, width, height]], np.float32),
            landmarks=(np.array([ARCFACE_POINTS], np.float32) * scale).astype(np.float32),
            scores=np.ones(1, np.float32),
        )

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        """One face each."""
        return [self.detect(image) for image in images]


def photo(person: int, number: int = 0) -> bytes:
    """A PNG of somebody who does not exist; photos of one person are alike."""
    blocks = np.random.default_rng([person]).integers(0, 256, (8, 8, 3))
    noise = np.random.default_rng([person, number]).integers(-8, 9, (8, 8, 3))
    pixels = np.clip(blocks + noise, 0, 255).astype(np.uint8).repeat(BLOCK, 0).repeat(BLOCK, 1)
    stream = io.BytesIO()
    PilImage.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def recognizer(folder: Path) -> Recognizer:
    """A recogniser that takes next to no time; its model is written into a folder."""
    path = folder / "blocks.onnx"
    weights = np.random.default_rng(0).normal(size=(192, DIM)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node(
                "AveragePool", ["x"], ["p"], kernel_shape=[BLOCK] * 2, strides=[BLOCK] * 2
            ),
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("MatMul", ["f", "w"], ["y"]),
        ],
        "blocks",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", DIM])],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    card = ModelCard(
        name="blocks", task="embedding", description="block means", file_name=path.name,
        sha256=sha256_file(path), licence=Licence("Apache-2.0", commercial_use=True, source="here"),
        template="arcface-112", mean=127.5, std=128.0, embedding_dim=DIM, flip="none",
        thresholds=ThresholdTable(
            tuple(
                Threshold(similarity, fmr=fmr, n_impostor=10**9, origin="made up")
                for similarity, fmr in ((0.7, 1e-3), (0.8, 1e-5), (0.85, 1e-8))
            )
        ),
    )  # fmt: skip
    path.with_suffix(".toml").write_text(card.to_toml(), encoding="utf-8")
    embedder = open_embedder(path, threads=1)
    return Recognizer(detector=WholePhoto(), embedder=embedder, gate=None, righting=())


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("place", help="URL of a database, or a gallery's file")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--admin-key-file", type=Path, required=True)
    parser.add_argument("--sealed", action="store_true", help="the galleries have a key")
    options = parser.parse_args()
    options.data.mkdir(exist_ok=True, parents=True)
    is_url = options.place.startswith("postgresql:")
    settings = ServerSettings(
        store=options.place if is_url else None,
        gallery=() if is_url else (Path(options.place),),
        data=options.data,
        host=options.host,
        port=options.port,
        admin_key_file=options.admin_key_file,
        requests_per_minute=10**6,
    )
    key = KEY if options.sealed else None
    context = open_context(settings, recognizer(options.data), key=key)
    serve(context, on_ready=lambda address: print(address, flush=True))


if __name__ == "__main__":
    main()
