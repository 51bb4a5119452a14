import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.server.conftest import Client, running

from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.idempotency import HEADER, REPLAYED
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

PEOPLE = "/v1/galleries/people/people"


def _enrol(client: httpx.Client, key: str, name: str, photo: bytes) -> httpx.Response:
    return client.post(
        PEOPLE, data={"name": name}, files={"photos": ("a.jpg", photo)}, headers={HEADER: key}
    )


def test_asked_again_it_is_done_once_and_answered_alike(
    admin: httpx.Client, hopper_jpeg: bytes, collins_jpeg: bytes
) -> None:
    first = _enrol(admin, "k1", "Grace", hopper_jpeg)
    again = _enrol(admin, "k1", "Grace", hopper_jpeg)  # of another boundary
    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert again.headers[REPLAYED] == "true"
    assert REPLAYED not in first.headers
    for name, photo in (("Grace", collins_jpeg), ("Eileen", hopper_jpeg)):
        other = _enrol(admin, "k1", name, photo)
        assert other.status_code == 422
        assert other.json()["code"] == "idempotency-key-reused"
    assert len(admin.get(PEOPLE).json()["people"]) == 1


def test_every_post_that_makes_something_takes_it(admin: httpx.Client) -> None:
    for path, body in (
        ("/v1/galleries", {"id": "staff"}),
        ("/v1/keys", {"role": "reader"}),
    ):
        answers = [admin.post(path, json=body, headers={HEADER: "k1" + path}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201], path
        assert answers[0].json() == answers[1].json()
    assert len(admin.get("/v1/keys").json()["keys"]) == 3
    told = admin.get("/v1/openapi.json").json()["paths"]
    for path, methods in told.items():
        for method, operation in methods.items():
            takes = any(p["name"] == HEADER for p in operation.get("parameters", []))
            makes = method == "post" and bool({"201", "202"} & set(operation["responses"]))
            assert takes == (makes and path != "/v1/session"), (method, path)


def test_keys_of_two_callers_are_two_keys(client: Client) -> None:
    one, other = client(Role.admin), client(Role.admin)
    first = one.post("/v1/keys", json={"role": "reader"}, headers={HEADER: "k"}).json()
    second = other.post("/v1/keys", json={"role": "reader"}, headers={HEADER: "k"}).json()
    assert first["id"] != second["id"]


def test_a_refused_request_may_be_sent_again(admin: httpx.Client, rocket_jpeg: bytes) -> None:
    for _ in range(2):
        assert _enrol(admin, "k1", "Grace", rocket_jpeg).json()["code"] == "no-photo-taken"
    for key in ("", "x" * 256, "\u00e9"):
        headers = [(HEADER.encode(), key.encode())]
        assert admin.post("/v1/keys", json={"role": "reader"}, headers=headers).status_code == 400


def test_what_is_being_worked_on_is_not_begun_twice(
    admin: httpx.Client,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    hopper_jpeg: bytes,
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    enroll = context.recognizer.enroll

    def slow(*args: object, **options: object) -> int:
        begun.set()
        go_on.wait(30)
        return enroll(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(context.recognizer, "enroll", slow)
    answers: list[httpx.Response] = []
    first = threading.Thread(
        target=lambda: answers.append(_enrol(admin, "k1", "Grace", hopper_jpeg))
    )
    first.start()
    assert begun.wait(30)
    try:
        second = _enrol(admin, "k1", "Grace", hopper_jpeg)
    finally:
        go_on.set()
        first.join()
    assert second.status_code == 409
    assert second.json()["code"] == "idempotency-in-flight"
    assert second.headers["retry-after"] == "1"
    assert answers[0].status_code == 201
    assert _enrol(admin, "k1", "Grace", hopper_jpeg).json() == answers[0].json()


def test_answers_outlive_the_service_and_are_sealed(
    tmp_path: Path, recognizer: Callable[[], Recognizer], hopper_jpeg: bytes
) -> None:
    key_file = tmp_path / "admin.key"
    settings = ServerSettings(gallery=(tmp_path / "people.db",), admin_key_file=key_file)
    told = []
    for _ in range(2):
        context = open_context(settings, recognizer())
        headers = {"Authorization": f"Bearer {key_file.read_text().strip()}"}
        with running(context) as address, httpx.Client(base_url=address, headers=headers) as one:
            told.append(_enrol(one, "marker-key", "Marker Person", hopper_jpeg))
    assert told[0].json() == told[1].json()
    assert told[1].headers[REPLAYED] == "true"
    for file in tmp_path.glob("*-service.sqlite*"):
        assert b"arker" not in file.read_bytes(), file
        assert hopper_jpeg[:64] not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0


def test_what_was_done_before_a_kill_is_not_done_again(
    admin: httpx.Client,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    hopper_jpeg: bytes,
    rocket_jpeg: bytes,
) -> None:
    store = context.background.idempotency
    data = {"name": "Grace"}
    files = [("photos", ("1.jpg", rocket_jpeg)), ("photos", ("2.jpg", hopper_jpeg))]

    def ask() -> httpx.Response:
        return admin.post(PEOPLE, data=data, files=files, headers={HEADER: "k1"})

    def killed(*_: object) -> None:
        raise RuntimeError("between the change and the answer")

    with monkeypatch.context() as patch:
        patch.setattr(store, "finish", killed)
        assert ask().status_code == 500
    monkeypatch.setattr(store, "_boot", "the next start")
    again = ask()
    assert again.status_code == 201
    (person,) = admin.get(PEOPLE).json()["people"]
    told = again.json()
    assert (told["person"], told["added"]) == (person, 1)
    assert [(photo["photo"], photo["code"]) for photo in told["refused"]] == [(1, "no-face")]
    assert ask().json() == told
    events = admin.get("/v1/galleries/people/events").json()["events"]
    assert [event["type"] for event in events] == ["enrolled"]


def test_answers_are_forgotten_in_time(admin: httpx.Client, context: Context) -> None:
    store = context.background.idempotency
    assert admin.post("/v1/keys", json={"role": "reader"}, headers={HEADER: "k"}).is_success
    assert store.expire() == 0
    store.keep_s = 0.0
    time.sleep(0.01)
    assert store.expire() == 1
    again = admin.post("/v1/keys", json={"role": "operator"}, headers={HEADER: "k"})
    assert json.loads(again.text)["role"] == "operator"
