import base64
import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from vultus.core.errors import InputError
from vultus.evaluation.report.record import ScoredPair
from vultus.evaluation.report.worst_pairs import PairPhotos, ShownPair, shown_pairs
from vultus.image.io import write_image


def decoded(pair: ShownPair) -> list[PilImage.Image]:
    return [
        PilImage.open(BytesIO(base64.b64decode(picture.address.partition(",")[2])))
        for picture in pair.pictures
        if picture is not None
    ]


def test_photos_are_shown_small_and_in_order(tmp_path: Path) -> None:
    for name, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        (tmp_path / name).mkdir()
        image = np.broadcast_to(np.array(colour, np.uint8), (600, 400, 3)).copy()
        write_image(tmp_path / name / "1.png", image)
    (pair,) = shown_pairs([ScoredPair("red/1.jpg", "blue/1.jpg", 0.25)], PairPhotos(tmp_path))
    first, second = decoded(pair)
    assert first.size == second.size == (100, 150)
    assert np.asarray(first)[75, 50].argmax() == 0
    assert np.asarray(second)[75, 50].argmax() == 2
    assert (pair.first, pair.second, pair.similarity) == ("red/1.jpg", "blue/1.jpg", "0.2500")


def test_photos_of_a_verification_set_go_by_number(tmp_path: Path) -> None:
    images = []
    for level in (10, 240):
        buffer = BytesIO()
        PilImage.fromarray(np.full((20, 20, 3), level, np.uint8)).save(buffer, "PNG")
        images.append(buffer.getvalue())
    (tmp_path / "set.bin").write_bytes(pickle.dumps((images, [True])))
    photos = PairPhotos(tmp_path / "set.bin")
    first, second = decoded(shown_pairs([ScoredPair("1", "0", 0.1)], photos)[0])
    assert np.asarray(first).mean() > 200
    assert np.asarray(second).mean() < 50
    for name in ("2", "-1", "x"):
        with pytest.raises(InputError, match="numbered"):
            photos.thumbnail(name)


def test_photos_that_are_gone_leave_the_rest(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((20, 20, 3), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no image")
    pairs = [ScoredPair("a.png", "gone.png", 0.1), ScoredPair("broken.png", "a.png", 0.2)]
    first, second = shown_pairs(pairs, PairPhotos(tmp_path))
    assert [picture is None for picture in first.pictures] == [False, True]
    assert [picture is None for picture in second.pictures] == [True, False]


def test_without_photos_there_are_names_alone() -> None:
    assert shown_pairs([ScoredPair("a", "b", -0.5)], None) == [ShownPair("a", "b", "-0.5000", ())]
