import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.embedding.embedder import Embedder
from vultus.liveness.session.challenge import Challenge
from vultus.pipeline.recognizer import Recognizer
from vultus.video.frame import Frame
from vultus.video.liveness_session import parse_region, run_session

CHALLENGE = Challenge(movements=("turn_left", "nod"), nonce="0" * 32, movement_s=1)


@pytest.fixture(scope="module")
def recognizer(tiny_embedder: Embedder) -> Recognizer:
    return Recognizer(embedder=tiny_embedder)


def _frames(image: Image, n: int) -> list[Frame]:
    rng = np.random.default_rng(0)
    noisy = [np.clip(image + rng.normal(0, 2, image.shape), 0, 255) for _ in range(n)]
    return [Frame(k, k / 5, one.astype(np.uint8)) for k, one in enumerate(noisy)]


def test_a_still_photo_does_nothing(recognizer: Recognizer, hopper: Image) -> None:
    session = run_session(_frames(hopper[::2, ::2], 12), recognizer, CHALLENGE)
    (reason,) = session.progress.reasons
    assert reason.code == "too-slow"
    assert session.progress.depth_deg < 1.5


def test_one_of_two_people_by_a_region(recognizer: Recognizer, hopper: Image) -> None:
    small = np.ascontiguousarray(hopper[::2, ::2])
    both = _frames(np.hstack([small, small]), 3)
    (reason,) = run_session(both, recognizer, CHALLENGE).progress.reasons
    assert reason.code == "several-faces"
    width = small.shape[1]
    alone = run_session(both, recognizer, CHALLENGE, region_xyxy=(0, 0, width, small.shape[0]))
    assert alone.progress.reasons[0].code == "ended"
    assert alone.progress.n_frames == 3


def test_a_region_beyond_the_frames(recognizer: Recognizer, hopper: Image) -> None:
    with pytest.raises(InputError, match=r"inside of the frames, 512 x 600"):
        run_session(_frames(hopper, 1), recognizer, CHALLENGE, region_xyxy=(0, 0, 513, 10))


def test_regions_as_texts() -> None:
    assert parse_region("1, 2,3,4") == (1, 2, 3, 4)
    for text in ("", "1,2,3", "a,b,c,d", "-1,0,2,2"):
        with pytest.raises(InputError, match="X1,Y1,X2,Y2"):
            parse_region(text)
