import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.core.geometry import transform_points
from vultus.embedding.embedder import Embedder
from vultus.pipeline.photos import AnalysedPhoto, DetectedPhoto, Righting
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.righting import WIDTHS, Reader, SequenceReader, check_ways


@pytest.fixture(scope="module")
def recognizer(tiny_embedder: Embedder) -> Recognizer:
    return Recognizer(embedder=tiny_embedder, threads=1, gate=None)


@pytest.fixture(scope="module")
def upright(recognizer: Recognizer, hopper: Image) -> AnalysedPhoto:
    return next(recognizer.analyse([hopper]))


def reader(
    recognizer: Recognizer, trusted: Callable[[Image], float], **options: Any
) -> tuple[Reader, list[int]]:
    """One that trusts photos by their pixels, and counts what it was asked for."""
    detections: list[int] = []

    def detect(images: Sequence[Image]) -> list[Faces]:
        detections.append(len(images))
        return recognizer.detector.detect_batch(list(images))

    def trust(photo: AnalysedPhoto) -> npt.NDArray[np.float32]:
        return np.full(len(photo.faces), trusted(photo.image), np.float32)

    return Reader(detect, recognizer.read, trust, **options), detections


def seeming(photo: AnalysedPhoto, damage: str, stretch: float = 1) -> AnalysedPhoto:
    """A photo whose faces seem to a head to be damaged in that way."""
    n = len(photo.faces)
    told = dataclasses.replace(
        photo.quality,
        trust=np.zeros(n, np.float32),
        damage=np.full(n, damage),
        stretch=np.full(n, stretch, np.float32),
    )
    return dataclasses.replace(photo, quality=told)


def stored(recognizer: Recognizer, image: Image) -> AnalysedPhoto:
    faces = recognizer.detector.detect(image)
    return recognizer.read([DetectedPhoto("a.jpg", image, faces, 0)])[0]


def points_of(turn: int, points: npt.NDArray[Any], size_hw: tuple[int, int]) -> npt.NDArray[Any]:
    """Where points of an upright photo lie in one that is turned clockwise."""
    height, width = size_hw
    x, y = points[..., 0], points[..., 1]
    ways = {90: (height - 1 - y, x), 180: (width - 1 - x, height - 1 - y), 270: (y, width - 1 - x)}
    return np.stack(ways[turn], axis=-1)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_photo_on_its_side_is_read_upright_and_told_in_its_own_frame(
    recognizer: Recognizer, upright: AnalysedPhoto, hopper: Image, turn: int
) -> None:
    image = np.ascontiguousarray(np.rot90(hopper, -turn // 90))
    one, detections = reader(recognizer, lambda seen: float(np.array_equal(seen, hopper)))
    found = one.righted(stored(recognizer, image))

    assert found.righting == Righting(turned_deg=turn)
    assert found.righting.words == f"the photo lies turned by {turn} degrees and was read upright"
    assert detections == [3]
    assert found.image is image
    np.testing.assert_array_equal(found.crops.pixels, upright.crops.pixels)
    np.testing.assert_array_equal(found.embeddings.vectors, upright.embeddings.vectors)
    size = hopper.shape[:2]
    wanted = points_of(turn, upright.faces.landmarks, (size[0], size[1]))
    np.testing.assert_allclose(found.faces.landmarks, wanted, atol=1e-2)
    corners = upright.faces.boxes.reshape(-1, 2, 2)
    boxes = np.sort(points_of(turn, corners, (size[0], size[1])), axis=1).reshape(-1, 4)
    np.testing.assert_allclose(found.faces.boxes, boxes, atol=1e-2)
    # The maps lead from the stored photo to the crop.
    for points, theirs, way, own in zip(
        found.faces.landmarks,
        upright.faces.landmarks,
        found.crops.transforms,
        upright.crops.transforms,
        strict=True,
    ):
        np.testing.assert_allclose(
            transform_points(points, way), transform_points(theirs, own), atol=0.02
        )


@pytest.mark.parametrize("width", [1.5, 1 / 1.5])
def test_a_stretched_photo_is_read_unstretched_with_one_detection(
    recognizer: Recognizer, hopper: Image, width: float
) -> None:
    high, wide = hopper.shape[:2]
    image = np.asarray(cv2.resize(hopper, (round(wide * width), high)), np.uint8)
    one, detections = reader(
        recognizer, lambda seen: float(abs(seen.shape[1] - wide) < 2), turns=False
    )
    before = seeming(
        stored(recognizer, image), "stretched wide" if width > 1 else "stretched tall", width
    )
    found = one.righted(before)
    assert found.righting == Righting(width=width)
    assert ("stretched about 1.5 x in width" if width > 1 else "about 1.5 x too tall") in (
        found.righting.words
    )
    assert detections == []
    assert found.image is image
    np.testing.assert_allclose(found.faces.landmarks, before.faces.landmarks, atol=0.05)
    ratio = found.crops.transforms[:, 0, 0] / found.crops.transforms[:, 1, 1]
    np.testing.assert_allclose(ratio, 1 / width, rtol=0.15)


def test_nothing_is_tried_on_a_photo_that_is_trusted(
    recognizer: Recognizer, upright: AnalysedPhoto
) -> None:
    one, detections = reader(recognizer, lambda _: 0.5)
    assert one.righted(upright) is upright
    assert detections == []


@pytest.mark.parametrize(("there", "righted"), [(0.9, True), (0.3, False), (0.2, False)])
def test_a_doubtful_photo_that_seems_stretched_is_tried_at_other_widths_alone(
    recognizer: Recognizer, hopper: Image, there: float, righted: bool
) -> None:
    high, wide = hopper.shape[:2]
    image = np.asarray(cv2.resize(hopper, (round(wide * 1.5), high)), np.uint8)

    def trusted(seen: Image) -> float:
        return there if abs(seen.shape[1] - wide) < 2 else 0.3 * float(seen is image)

    one, detections = reader(recognizer, trusted, doubtful=0.6)
    before = seeming(stored(recognizer, image), "stretched wide", 1.5)
    found = one.righted(before)
    assert found.righting == (Righting(width=1.5) if righted else Righting())
    assert (found is before) != righted
    assert detections == []  # no turn is tried
    assert one.righted(seeming(before, "noise")).righting == Righting()
    surely, _ = reader(recognizer, lambda _: 0.6, doubtful=0.6)
    assert surely.righted(before) is before


def test_a_photo_that_nothing_helps_stays_as_it_is_after_a_bounded_search(
    recognizer: Recognizer, upright: AnalysedPhoto
) -> None:
    reads: list[int] = []

    def read(photos: Sequence[DetectedPhoto]) -> list[AnalysedPhoto]:
        reads.append(len(photos))
        return recognizer.read(photos)

    one, detections = reader(recognizer, lambda _: 0.0)
    searching = Reader(one.detect, read, one.trust)
    lost = seeming(upright, "stretched wide", 1.5)
    assert searching.righted(lost) is lost
    assert detections == [3]
    assert reads == [3, sum(width > 1 for width in WIDTHS)]
    noisy = seeming(upright, "noise")
    assert searching.righted(noisy) is noisy
    assert reads[2:] == [3]  # another width does not help against noise


def test_a_righted_photo_must_be_trusted_more_than_a_stored_one(
    recognizer: Recognizer, hopper: Image
) -> None:
    image = np.ascontiguousarray(np.rot90(hopper, 2))
    one, _ = reader(recognizer, lambda seen: 0.4 * float(np.array_equal(seen, hopper)))
    before = stored(recognizer, image)
    assert dataclasses.replace(one, sure=0.5).righted(before) is before
    assert dataclasses.replace(one, sure=0.3).righted(before).righting == Righting(turned_deg=180)


def test_ways_are_words() -> None:
    assert check_ways(["widths", "turns"]) == ("turns", "widths")
    assert check_ways([]) == ()
    with pytest.raises(InputError, match="must be of turns, widths"):
        check_ways(["flips"])  # type: ignore[list-item]
    assert Righting().words == ""


def test_faces_vote_together(recognizer: Recognizer, hopper: Image) -> None:
    """Turned by 180 degrees there are two faces of little trust, else one of more."""
    one = stored(recognizer, hopper).faces
    two = Faces.concatenate([one, one])
    order = [two, one, one]
    votes = {2: 0.4, 1: 0.6}

    def trust(photo: AnalysedPhoto) -> npt.NDArray[np.float32]:
        return np.full(len(photo.faces), votes.get(len(photo.faces), 0), np.float32)

    square = np.ascontiguousarray(hopper[:512, :512])
    empty = recognizer.read([DetectedPhoto("a.jpg", square, Faces.empty(), 0)])[0]
    found = Reader(lambda _: order, recognizer.read, trust).righted(empty)
    assert found.righting == Righting(turned_deg=180)
    assert len(found.faces) == 2


def test_a_video_is_decided_once_and_then_costs_one_detection_a_frame(
    recognizer: Recognizer, upright: AnalysedPhoto, hopper: Image
) -> None:
    turned = np.ascontiguousarray(np.rot90(hopper, -1))
    one, detections = reader(recognizer, lambda seen: float(np.array_equal(seen, hopper)))
    video = SequenceReader(one, agreeing=2)
    blank = np.zeros_like(turned)
    assert not len(video.read(blank).faces)
    assert [video.read(turned).righting for _ in range(2)] == [Righting(turned_deg=90)] * 2
    assert video.decided == Righting(turned_deg=90)

    detections.clear()
    dim = (turned // 2).astype(np.uint8)  # not trusted in any way
    found = video.read(dim, name="f7", place=7)
    assert detections == [1]
    assert (found.righting, found.name, found.place) == (Righting(turned_deg=90), "f7", 7)
    assert found.image is dim
    np.testing.assert_allclose(
        video.read(turned).faces.landmarks,
        points_of(90, upright.faces.landmarks, (hopper.shape[0], hopper.shape[1])),
        atol=1e-2,
    )


def test_a_video_that_nobody_trusts_is_read_as_stored_after_some_frames(
    recognizer: Recognizer, hopper: Image
) -> None:
    one, detections = reader(recognizer, lambda _: 0.0, widths=False)
    video = SequenceReader(one, tried=2)
    for _ in range(3):
        assert video.read(hopper).righting == Righting()
    assert video.decided == Righting()
    assert detections == [1, 3, 1, 3, 1]


def test_a_video_keeps_a_known_width(recognizer: Recognizer, hopper: Image) -> None:
    high, wide = hopper.shape[:2]
    image = np.asarray(cv2.resize(hopper, (round(wide * 1.5), high)), np.uint8)
    one, detections = reader(recognizer, lambda _: 1.0)
    found = one.read_as(image, Righting(width=1.5), name="a", place=0)
    assert detections == [1]
    assert found.image is image
    ratio = found.crops.transforms[:, 0, 0] / found.crops.transforms[:, 1, 1]
    np.testing.assert_allclose(ratio, 1 / 1.5, rtol=0.15)


def test_numbers_of_frames_must_be_positive(recognizer: Recognizer) -> None:
    one, _ = reader(recognizer, lambda _: 0.0)
    with pytest.raises(InputError, match="agreeing"):
        SequenceReader(one, agreeing=0)
