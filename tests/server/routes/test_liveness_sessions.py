from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydantic import ValidationError
from tests.liveness.session.heads import landmarks, picture
from tests.server.conftest import Client

from vultus.core.faces import Image
from vultus.liveness.session.challenge import Challenge
from vultus.liveness.session.movements import Movement
from vultus.liveness.session.session import Seen
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.live_sessions import LiveSessions
from vultus.server.settings import ServerSettings

SESSIONS = "/v1/liveness/sessions"
PEOPLE = "/v1/galleries/people/people"


@pytest.fixture
def nodding(context: Context, monkeypatch: pytest.MonkeyPatch, hopper: Image) -> None:
    """Frames show the person of the portrait: ahead, then the chin goes down; four in a second."""
    face = context.recognizer.embed_face(hopper)
    assert isinstance(context.live_sessions, LiveSessions)
    made = [0.0] * 3 + [4.0, 9.0] + [14.0] * 60
    poses: list[Iterator[float]] = []
    rng, clock = np.random.default_rng(0), [context.live_sessions.clock()]

    def looked(_: Recognizer, image: Image, *, time_s: float, sent_s: float | None) -> Seen:
        pitch = next(poses[-1])
        noisy = picture(0, pitch) + rng.normal(0, 3, (240, 240, 3))
        return Seen(
            time_s=time_s,
            image=np.clip(noisy, 0, 255).astype(np.uint8),
            n_faces=1,
            landmarks=landmarks(0, pitch),
            embedding=face,
        )

    def ticked() -> float:
        clock[0] += 0.1
        return clock[0]

    def drawn(n: int, *, lights: int) -> Challenge:
        asked: tuple[Movement, ...] = ("nod",)
        poses.append(iter(made))
        return Challenge(movements=asked, nonce="a" * 32)

    monkeypatch.setattr("vultus.server.routes.liveness_sessions.look", looked)
    monkeypatch.setattr("vultus.server.live_sessions.draw_challenge", drawn)
    monkeypatch.setattr(context.live_sessions, "clock", ticked)


def _token(caller: httpx.Client, frame: bytes, *, gallery: str | None = None) -> str:
    query = {} if gallery is None else {"gallery": gallery}
    begun = caller.post(SESSIONS, params=query).json()
    assert (begun["state"], begun["asked"], begun["token"]) == ("straight ahead", None, None)
    told = begun
    for _ in range(40):
        address = f"{SESSIONS}/{begun['id']}/frames"
        told = caller.post(address, params={"nonce": begun["nonce"]}, files={"photo": frame}).json()
        if told["state"] in ("accepted", "rejected"):
            break
    assert (told["state"], told["reasons"]) == ("accepted", [])
    assert caller.get(f"{SESSIONS}/{begun['id']}").json() == told
    return str(told["token"])


@pytest.mark.usefixtures("nodding")
def test_an_accepted_session_is_demanded_once(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    token = _token(admin, hopper_jpeg)
    files = {"a": hopper_jpeg, "b": hopper_jpeg}
    answer = admin.post("/v1/verify", params={"live_session": token}, files=files)
    assert answer.json()["same_person"]
    again = admin.post("/v1/verify", params={"live_session": token}, files=files)
    assert again.status_code == 422
    assert "used before" in again.json()["detail"]


@pytest.mark.usefixtures("nodding")
def test_a_token_is_for_its_gallery(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    admin.post(PEOPLE, data={"name": "Grace"}, files={"photos": hopper_jpeg})
    identify = "/v1/galleries/people/identify"
    token = _token(admin, hopper_jpeg, gallery="people")
    query = {"live_session": token}
    (face,) = admin.post(identify, params=query, files={"photo": hopper_jpeg}).json()["faces"]
    assert face["identity"] == "Grace"
    other = _token(admin, hopper_jpeg)
    refused = admin.post(identify, params={"live_session": other}, files={"photo": hopper_jpeg})
    assert "something else" in refused.json()["detail"]


@pytest.mark.usefixtures("nodding")
def test_a_session_is_of_the_key_that_began_it(
    admin: httpx.Client, client: Client, hopper_jpeg: bytes
) -> None:
    token = _token(admin, hopper_jpeg)
    begun = admin.post(SESSIONS).json()
    other = client(Role.operator)
    assert other.get(f"{SESSIONS}/{begun['id']}").status_code == 404
    files = {"a": hopper_jpeg, "b": hopper_jpeg}
    answer = other.post("/v1/verify", params={"live_session": token}, files=files)
    assert answer.status_code == 422


def _rule(context: Context, *demanded: str) -> None:
    ruled = context.settings.model_copy(update={"require_live_session": demanded})
    object.__setattr__(context, "settings", ruled)  # as if it had been started so


@pytest.mark.usefixtures("nodding")
def test_a_gallery_whose_decisions_take_a_session(
    admin: httpx.Client, context: Context, hopper_jpeg: bytes
) -> None:
    made = admin.post(PEOPLE, data={"name": "Grace"}, files={"photos": hopper_jpeg}).json()
    person = f"{PEOPLE}/{made['person']['id']}/verify"
    gallery, photo = "/v1/galleries/people", {"photo": hopper_jpeg}
    _rule(context, "people")
    assert admin.get("/v1/version").json()["require_live_session"] == ["people"]
    asked = [
        (f"{gallery}/identify", photo),
        (f"{gallery}/search", photo),
        (person, photo),
        (f"{gallery}/identify/photos", {"photos": hopper_jpeg}),
        (f"{gallery}/identify/person", {"photos": hopper_jpeg}),
    ]
    for address, files in asked:
        refused = admin.post(address, files=files)
        assert (refused.status_code, refused.json()["code"]) == (409, "live-session-required")
    for address in (f"{gallery}/identify", person):
        token = _token(admin, hopper_jpeg, gallery="people")
        answer = admin.post(address, params={"live_session": token}, files=photo)
        assert answer.status_code == 200
    verified = answer.json()
    assert verified["same_person"]
    pair = {"a": hopper_jpeg, "b": hopper_jpeg}
    assert admin.post("/v1/verify", files=pair).status_code == 200
    _rule(context, "*")
    assert admin.post("/v1/verify", files=pair).json()["code"] == "live-session-required"


@pytest.mark.usefixtures("nodding")
def test_another_persons_session_verifies_nobody(
    admin: httpx.Client, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = admin.post(PEOPLE, data={"name": "Grace"}, files={"photos": hopper_jpeg}).json()
    token = _token(admin, hopper_jpeg, gallery="people")
    monkeypatch.setattr(
        "vultus.liveness.session.proof.LiveProof.likeness",
        lambda _, faces: np.full(len(faces), 0.1, np.float32),
    )
    answer = admin.post(
        f"{PEOPLE}/{made['person']['id']}/verify",
        params={"live_session": token},
        files={"photo": hopper_jpeg},
    )
    assert answer.status_code == 422
    assert "not the person of the liveness session" in answer.json()["detail"]


def test_what_is_refused(admin: httpx.Client, client: Client, hopper_jpeg: bytes) -> None:
    begun = admin.post(SESSIONS).json()
    address, photo = f"{SESSIONS}/{begun['id']}/frames", {"photo": hopper_jpeg}
    assert len({admin.post(SESSIONS).json()["nonce"] for _ in range(3)}) == 3
    wrong = admin.post(address, params={"nonce": "0" * 32}, files=photo)
    assert (wrong.status_code, wrong.json()["code"]) == (403, "forbidden")
    gone = admin.get(f"{SESSIONS}/{'0' * 32}")
    assert (gone.status_code, gone.json()["code"]) == (404, "session-not-found")
    nonce = {"nonce": begun["nonce"]}
    assert admin.post(address, params=nonce, files={"photo": b"none"}).status_code == 422
    assert (
        client(Role.reader, ["others"]).post(SESSIONS, params={"gallery": "people"}).status_code
        == 403
    )


def test_photos_that_are_one_are_found_out(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    begun = admin.post(SESSIONS).json()
    address, nonce = f"{SESSIONS}/{begun['id']}/frames", {"nonce": begun["nonce"]}
    for _ in range(12):
        told = admin.post(address, params=nonce, files={"photo": hopper_jpeg}).json()
    assert told["state"] == "rejected"
    assert told["reasons"][0]["code"] == "repeated-frames"
    assert told["token"] is None


def test_a_rule_for_a_gallery_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="must be ids of galleries here"):
        ServerSettings(gallery=(tmp_path / "people.db",), require_live_session=("peolpe",))
    kept = ServerSettings(gallery=(tmp_path / "people.db",), require_live_session=("people",))
    assert kept.demands_session("people")
    assert not kept.demands_session("")
