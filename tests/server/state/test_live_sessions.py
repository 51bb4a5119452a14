"""Liveness sessions that go on at any of two processes."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as PilImage
from tests.liveness.session.heads import SPACE, landmarks, picture, seen
from tests.server.state.conftest import Service

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import LivenessError, SpaceMismatchError
from vultus.core.faces import Image
from vultus.gallery.stores.places import DatabasePlace
from vultus.image.io import read_image
from vultus.liveness.session.challenge import Challenge
from vultus.liveness.session.session import Seen
from vultus.pipeline.recognizer import Recognizer
from vultus.server.live_sessions import Standing
from vultus.server.problems import ProblemError
from vultus.server.state.database import ServiceDatabase
from vultus.server.state.live_sessions import SharedLiveSessions

NODDED = [0.0] * 3 + [4.0, 9.0] + [14.0] * 8
KEY = "key-1"
Sessions = list[SharedLiveSessions]


@pytest.fixture
def states(place: DatabasePlace, tmp_path: Path) -> Iterator[list[ServiceDatabase]]:
    with ExitStack() as stack:
        made = [ServiceDatabase(place, folder_lock=tmp_path / f"{n}.lock") for n in range(2)]
        for one in made:
            stack.callback(one.close)
        yield made


@pytest.fixture
def both(states: list[ServiceDatabase], monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """What two processes have; a nod is asked."""
    monkeypatch.setattr(
        "vultus.server.live_sessions.draw_challenge",
        lambda _, **__: Challenge(movements=("nod",), nonce="a" * 32),
    )
    return [SharedLiveSessions(state, SPACE, most_pixels=10**6) for state in states]


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    rng = np.random.default_rng(0)
    return [_png(picture(0, pitch) + rng.normal(0, 3, (240, 240, 3))) for pitch in NODDED]


def _png(image: npt.NDArray[np.float64]) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _take(at: SharedLiveSessions, begun: Standing, photos: list[bytes], k: int) -> Standing:
    def look(time_s: float) -> Seen:
        # 0.2 s apart, as a camera's frames are, however fast the test is.
        return seen(time_s + 0.2 * k, landmarks(0, NODDED[k]), read_image(photos[k]))

    return at.take(begun.id, KEY, nonce=begun.nonce, photo=photos[k], look=look)


def _driven(both: Sessions, photos: list[bytes], *, turns: tuple[int, ...]) -> Standing:
    begun = both[0].begin(KEY, audience="people", movements=2)
    for k in range(len(NODDED)):
        told = _take(both[turns[k % len(turns)]], begun, photos, k)
        if told.progress.is_over:
            break
    assert told.progress.reasons == ()
    assert told.progress.state == "accepted"
    return told


@pytest.mark.parametrize("turns", [(0, 1), (1,), (0, 0, 1, 1, 1)])
def test_a_session_goes_on_at_any_process(
    both: Sessions, photos: list[bytes], states: list[ServiceDatabase], turns: tuple[int, ...]
) -> None:
    told = _driven(both, photos, turns=turns)
    assert [one.standing(told.id, KEY) for one in both] == [told, told]
    assert states[0].rows("SELECT * FROM liveness_frames") == []


def test_a_process_that_comes_late_tells_the_same(both: Sessions, photos: list[bytes]) -> None:
    begun = both[0].begin(KEY, audience="", movements=2)
    for k in range(5):
        told = _take(both[0], begun, photos, k)
    assert told.progress.n_frames == 5
    assert both[1].standing(begun.id, KEY) == both[0].standing(begun.id, KEY)
    assert both[1].standing(begun.id, KEY).progress == told.progress


@pytest.mark.postgres
def test_a_token_is_spent_once_at_one_of_them(both: Sessions, photos: list[bytes]) -> None:
    told = _driven(both, photos, turns=(0, 1))

    def spend(at: SharedLiveSessions) -> int:
        try:
            proof = at.proof(told.token, KEY, audience="people")
        except LivenessError:
            return 0
        assert proof.embeddings.vectors.shape == (3, 8)
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spend, both * 8)) == 1
    with pytest.raises(ProblemError, match="no such liveness session"):
        both[0].standing(told.id, KEY)


@pytest.mark.postgres
def test_a_token_is_of_its_key_and_gallery(both: Sessions, photos: list[bytes]) -> None:
    told = _driven(both, photos, turns=(0, 1))
    with pytest.raises(LivenessError, match="none of this service"):
        both[1].proof(told.token, "key-2", audience="people")
    with pytest.raises(LivenessError, match="none of this service"):
        both[1].proof(told.token[:-1] + "?", KEY, audience="people")
    with pytest.raises(LivenessError, match="something else"):
        both[1].proof(told.token, KEY, audience="others")


@pytest.mark.postgres
def test_who_began_it_goes_on_with_it(both: Sessions, photos: list[bytes]) -> None:
    begun = both[0].begin(KEY, audience="", movements=2)
    for one in both:
        with pytest.raises(ProblemError, match="no such liveness session"):
            one.standing(begun.id, "key-2")
        with pytest.raises(ProblemError, match="nonce"):
            one.take(begun.id, KEY, nonce="b" * 32, photo=b"", look=lambda _: seen(0, None, _NONE))


_NONE: Image = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.postgres
def test_frames_sent_at_once_to_both_are_each_taken_once(
    both: Sessions, photos: list[bytes]
) -> None:
    begun = both[0].begin(KEY, audience="", movements=2)
    with ThreadPoolExecutor(2) as pool:
        for k in range(0, 6, 2):
            pair = zip(both, (k, k + 1), strict=True)
            list(pool.map(lambda one: _take(one[0], begun, photos, one[1]), pair))
    told = [one.standing(begun.id, KEY) for one in both]
    assert told[0] == told[1]
    assert told[0].progress.n_frames == 6


@pytest.mark.postgres
def test_time_goes_on_at_any_process(
    both: Sessions, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = both[0].begin(KEY, audience="", movements=2)
    for k in range(4):
        _take(both[0], begun, photos, k)
    later = "extract(epoch FROM clock_timestamp())::float8 + 20"
    monkeypatch.setattr("vultus.server.state.live_sessions._NOW", later)
    told = both[1].standing(begun.id, KEY)
    assert [reason.code for reason in told.progress.reasons] == ["no-face"]
    assert both[0].standing(begun.id, KEY) == told
    assert _take(both[0], begun, photos, 4) == told


@pytest.mark.postgres
def test_sessions_are_forgotten(
    both: Sessions, states: list[ServiceDatabase], photos: list[bytes]
) -> None:
    begun = both[0].begin(KEY, audience="", movements=2)
    _take(both[1], begun, photos, 0)
    states[0].change("UPDATE liveness_sessions SET ends_at = ends_at - 121")
    for one in both:
        with pytest.raises(ProblemError, match="its time is over"):
            one.standing(begun.id, KEY)
    both[1].begin(KEY, audience="", movements=2)
    assert states[0].rows("SELECT count(*) FROM liveness_sessions") == [(1,)]
    assert states[0].rows("SELECT * FROM liveness_frames") == []


@pytest.mark.postgres
def test_too_many(both: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vultus.server.state.live_sessions.MOST_SESSIONS", 2)
    for one in both:
        one.begin(KEY, audience="", movements=2)
    with pytest.raises(ProblemError, match="come again"):
        both[0].begin(KEY, audience="", movements=2)


@pytest.mark.postgres
def test_a_process_of_another_model_refuses(
    both: Sessions, states: list[ServiceDatabase], photos: list[bytes]
) -> None:
    begun = both[0].begin(KEY, audience="", movements=2)
    space = EmbeddingSpace("others", "0" * 64, "none", 8)
    other = SharedLiveSessions(states[1], space, most_pixels=10**6)
    with pytest.raises(SpaceMismatchError):
        _take(other, begun, photos, 0)


@pytest.mark.postgres
def test_the_database_shows_nothing(
    both: Sessions, states: list[ServiceDatabase], photos: list[bytes]
) -> None:
    begun = both[0].begin(KEY, audience="people", movements=2)
    for k in range(4):
        _take(both[0], begun, photos, k)
    rows = states[0].rows("SELECT * FROM liveness_sessions") + states[0].rows(
        "SELECT * FROM liveness_frames"
    )
    kept = b"".join(bytes(one) for row in rows for one in row if isinstance(one, bytes))
    assert len(kept) > sum(map(len, photos[:4]))
    for plain in (b"PNG", b"nod", b"landmarks", begun.nonce.encode(), begun.id.encode()):
        assert plain not in kept
    assert begun.id not in str(rows)


@pytest.mark.postgres
def test_over_http(
    pair: list[Service], hopper: Image, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    face = pair[0].context.recognizer.embed_face(hopper)
    taken = iter(NODDED)

    def looked(_: Recognizer, image: Image, *, time_s: float, sent_s: float | None) -> Seen:
        points = landmarks(0, next(taken))
        return Seen(
            time_s=time_s, image=image, n_faces=1, landmarks=points, embedding=face, sent_s=sent_s
        )

    monkeypatch.setattr("vultus.server.routes.liveness_sessions.look", looked)
    monkeypatch.setattr(
        "vultus.server.live_sessions.draw_challenge",
        lambda _, **__: Challenge(movements=("nod",), nonce="a" * 32),
    )
    key = pair[0].admin.post("/v1/keys", json={"role": "reader"}).json()["key"]
    clients: list[httpx.Client] = [one.client(key) for one in pair]
    begun = clients[0].post("/v1/liveness/sessions").json()
    address = f"/v1/liveness/sessions/{begun['id']}"
    for k, photo in enumerate(photos[:5]):
        answer = clients[k % 2].post(
            f"{address}/frames", params={"nonce": begun["nonce"]}, files={"photo": photo}
        )
        assert answer.status_code == 200, answer.text
    told = [one.get(address).json() for one in clients]
    assert told[0] == told[1]
    assert (told[0]["state"], told[0]["asked"]) == ("moving", "nod")
    for one in clients:
        one.close()
