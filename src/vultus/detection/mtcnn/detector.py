"""MTCNN: three small networks in a cascade, with weights that come with the installation."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

from vultus.core.checks import check_range
from vultus.core.choices import Precision, Runtime
from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.detection.base import (
    DETECTORS,
    USUAL_SMALLEST_PX,
    SmallestFace,
    check_images,
)
from vultus.detection.mtcnn.area_means import MeanSampler
from vultus.detection.mtcnn.boxes import View
from vultus.detection.mtcnn.cascade import STAGES, confirm, faces_by_view, propose, refine
from vultus.detection.mtcnn.pyramid import Tile, cut_close_up_tiles, cut_tiles, pack_tiles
from vultus.detection.one_network.anchors import merge_close_ups
from vultus.runtime.session import Session, open_session

SMALLEST_CHUNK_PIXELS, LARGEST_CHUNK_PIXELS = 500_000, 2_000_000
_SMALLEST_FACES_IN_A_SIDE = 48  # of the shorter side
_CLOSE_UP_SHARE = 0.75  # of the shorter side
_CLOSE_UP_CANDIDATE_SHARE = 0.6  # O-Net enlarges hardly one in a hundred by over a quarter


class Networks(NamedTuple):
    """The cascade's three sessions."""

    pnet: Session
    rnet: Session
    onet: Session


@DETECTORS.register("mtcnn")
class MtcnnDetector:
    """MTCNN (Zhang et al. 2016) with the published weights.

    The cascade is that of facenet-pytorch, whose boxes it repeats. A second, small one looks for
    faces that fill or overflow the photo, which the first one misses or misplaces.

    Args:
        min_face_px: Side of the smallest face to look for, in pixels. The work grows with
            ``1 / min_face_px**2``: 40 takes about a quarter of the time of 20. None takes
            `usual_min_face_px` of each photo, so that a large photo costs no more than one of
            about a megapixel.
        thresholds: Scores, each in (0, 1), from which a candidate passes P-Net, R-Net and O-Net.
        runtime: The inference engine, see `vultus.runtime.session.open_session`.
        precision: Arithmetic inside the networks.
        threads: Threads per network; None leaves it to the engine. With 1, batches too stay on one.

    Raises:
        InputError: If a setting is out of range.
        ModelNotFoundError: If the package that carries the weights is not installed.
    """

    name = "mtcnn"

    def __init__(
        self,
        *,
        min_face_px: float | None = None,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        runtime: Runtime = "auto",
        precision: Precision = "f32",
        threads: int | None = None,
    ) -> None:
        if min_face_px is not None:
            check_range("min_face_px", min_face_px, low=10)
        self.min_face_px = min_face_px
        given: object = thresholds  # from a command line it may be anything
        if not isinstance(given, Sequence) or len(given) != 3:
            raise InputError(f"thresholds must be 3 numbers, one a network, got {thresholds!r}")
        p, r, o = (
            check_range("thresholds", value, low=0, high=1, low_open=True, high_open=True)
            for value in thresholds
        )
        self.thresholds = (p, r, o)
        self._workers = 1 if threads == 1 else 2
        self._runtime, self._precision, self._threads = runtime, precision, threads
        self._opening = Lock()
        self._one_run = self._open_networks(streams=1)
        self._several_runs: Networks | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickling, as other processes get it: the networks are opened there anew."""
        settings: dict[str, Any] = {
            "min_face_px": self.min_face_px,
            "thresholds": self.thresholds,
            "runtime": self._runtime,
            "precision": self._precision,
            "threads": self._threads,
        }
        return partial(type(self), **settings), ()

    def detect(self, image: Image) -> Faces:
        """Find the faces in one image; see `vultus.detection.base.Detector.detect`."""
        return self.detect_batch([image])[0]

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        """Find the faces in several images; see `vultus.detection.base.Detector.detect_batch`."""
        check_images(images)
        chunks = list(_chunks(images, workers=self._workers))
        if self._workers == 1 or len(chunks) == 1:
            found = [self._detect_chunk(chunk, self._one_run) for chunk in chunks]
        else:
            # Small networks use several cores better as several runs than as one wide run.
            networks = self._networks_for_chunks()
            with ThreadPoolExecutor(self._workers) as pool:
                found = list(pool.map(lambda chunk: self._detect_chunk(chunk, networks), chunks))
        return [faces for chunk in found for faces in chunk]

    def smallest_face(self, size_hw: tuple[int, int]) -> SmallestFace:
        """Which faces are looked for; see `vultus.detection.base.smallest_face`."""
        if self.min_face_px is not None:
            return SmallestFace(self.min_face_px, "")
        return SmallestFace(usual_min_face_px(size_hw), f"min_face_px={USUAL_SMALLEST_PX}")

    def _open_networks(self, *, streams: int) -> Networks:
        # onnx and joblib make the graphs; who runs another detector need not load them.
        from vultus.detection.mtcnn.graphs import build_graph

        return Networks(
            *(
                open_session(
                    build_graph(stage),
                    runtime=self._runtime,
                    precision=self._precision,
                    threads=self._threads,
                    streams=streams,
                )
                for stage in STAGES
            )
        )

    def _networks_for_chunks(self) -> Networks:
        with self._opening:
            if self._several_runs is None:
                self._several_runs = self._open_networks(streams=self._workers)
            return self._several_runs

    def _detect_chunk(self, images: Sequence[Image], networks: Networks) -> list[Faces]:
        n = len(images)
        samplers = [MeanSampler(image) for image in images]
        views = [View(sampler, "stretch") for sampler in samplers]
        shorter = [min(image.shape[:2]) for image in images]
        views += [
            View(sampler, "repeat", min_side=_CLOSE_UP_CANDIDATE_SHARE * side)
            for sampler, side in zip(samplers, shorter, strict=True)
        ]
        found = self._cascade(networks, views, self._tiles(images))
        return [
            merge_close_ups(usual, close_up, min_side=_CLOSE_UP_SHARE * side)
            for usual, close_up, side in zip(found[:n], found[n:], shorter, strict=True)
        ]

    def _tiles(self, images: Sequence[Image]) -> list[Tile]:
        tiles: list[Tile] = []
        for index, image in enumerate(images):
            size = image.shape[0], image.shape[1]
            least = self.smallest_face(size).px
            tiles += cut_tiles(size, index, min_face_px=least)
            tiles += cut_close_up_tiles(size, index + len(images), min_face_px=least)
        return tiles

    def _cascade(
        self, networks: Networks, views: Sequence[View], tiles: Sequence[Tile]
    ) -> list[Faces]:
        p, r, o = self.thresholds
        candidates = propose(networks.pnet, views, pack_tiles(tiles), threshold=p)
        candidates = refine(networks.rnet, views, candidates, threshold=r)
        found, landmarks = confirm(networks.onet, views, candidates, threshold=o)
        return faces_by_view(found, landmarks, n_views=len(views))


def usual_min_face_px(size_hw: tuple[int, int]) -> float:
    """Side of the smallest face that MTCNN looks for where nothing else is said.

    20 pixels in photos of up to 960 pixels on the shorter side, a 48th of that side in larger ones:
    72 in a photo of 16 megapixels.

    Args:
        size_hw: The photo's height and width.

    Example:
        >>> usual_min_face_px((480, 640)), usual_min_face_px((4608, 3456))
        (20, 72.0)
    """
    return max(USUAL_SMALLEST_PX, min(size_hw) / _SMALLEST_FACES_IN_A_SIDE)


def _chunks(images: Sequence[Image], *, workers: int) -> Iterator[list[Image]]:
    """Groups of images: work for all workers, but bounded memory, whatever the number of images."""
    sizes = [image.shape[0] * image.shape[1] for image in images]
    rounds = math.ceil(sum(sizes) / (workers * LARGEST_CHUNK_PIXELS))
    limit = max(sum(sizes) / (workers * max(rounds, 1)), SMALLEST_CHUNK_PIXELS)
    chunk: list[Image] = []
    pixels = 0
    for image, size in zip(images, sizes, strict=True):
        chunk.append(image)
        pixels += size
        if pixels >= limit:
            yield chunk
            chunk, pixels = [], 0
    if chunk:
        yield chunk
