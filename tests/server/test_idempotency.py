import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from tests.server.conftest import Client, jpeg, running
from tests.server.jobs.test_killed import Killed

from vultus.core.faces import Image
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.idempotency import (
    _ATTEMPT,
    HEADER,
    REPLAYED,
    Attempt,
    Idempotency,
    answered_once,
    attempt_now,
)
from vultus.server.running import open_context
from vultus.server.service_file import ServiceFile
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


@pytest.mark.parametrize("keep_events", [True, False])
def test_what_was_done_before_a_kill_is_not_done_again(
    admin: httpx.Client,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    hopper_jpeg: bytes,
    rocket_jpeg: bytes,
    keep_events: bool,
) -> None:
    monkeypatch.setitem(context.settings.__dict__, "keep_events", keep_events)
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
    monkeypatch.setattr(context.background.state, "boot", "the next start")
    again = ask()
    assert again.status_code == 201
    (person,) = admin.get(PEOPLE).json()["people"]
    told = again.json()
    assert (told["person"], told["added"]) == (person, 1)
    assert [(photo["photo"], photo["code"]) for photo in told["refused"]] == [(1, "no-face")]
    assert ask().json() == told
    events = admin.get("/v1/galleries/people/events").json()["events"]
    assert [event["type"] for event in events] == ["enrolled"] * keep_events


@pytest.mark.parametrize("keep_events", [True, False])
def test_photos_that_were_added_before_a_kill_are_not_added_again(
    admin: httpx.Client,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    hopper_jpeg: bytes,
    hopper: Image,
    enrol: Callable[..., dict[str, Any]],
    keep_events: bool,
) -> None:
    monkeypatch.setitem(context.settings.__dict__, "keep_events", keep_events)
    store, person = context.background.idempotency, enrol("Grace", hopper_jpeg)["id"]
    more = {"photos": ("2.jpg", jpeg(hopper[:590]))}

    def ask() -> httpx.Response:
        return admin.post(f"{PEOPLE}/{person}/photos", files=more, headers={HEADER: "k1"})

    def killed(*_: object) -> None:
        raise RuntimeError("between the change and the answer")

    with monkeypatch.context() as patch:
        patch.setattr(store, "finish", killed)
        assert ask().status_code == 500
    monkeypatch.setattr(context.background.state, "boot", "the next start")
    again = ask()
    assert again.status_code == 201, again.text
    assert again.json()["added"] == 1
    assert admin.get(f"{PEOPLE}/{person}").json()["photos"] == 2
    assert ask().json() == again.json()


G = "/v1/galleries/people"
MADE = [
    ("/v1/galleries", {"id": "staff"}, "/v1/galleries", "galleries", 2),
    ("/v1/keys", {"role": "reader"}, "/v1/keys", "keys", 3),
    (f"{G}/webhooks", {"url": "https://93.184.215.14/x"}, f"{G}/webhooks", "webhooks", 1),
    (f"{G}/jobs/review-clustering", None, f"{G}/jobs", "jobs", 1),
    (f"{G}/jobs/migration", {"model": "facenet-casia"}, f"{G}/jobs", "jobs", 1),
    (f"{G}/merges", {}, f"{G}/merges", "merges", 1),
]


@pytest.mark.parametrize("point", ["begin", "finish"])
@pytest.mark.parametrize(("path", "body", "listed", "field", "there"), MADE)
def test_a_kill_between_making_and_answer_makes_no_two(
    admin: httpx.Client,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    enrol: Callable[..., dict[str, Any]],
    hopper_jpeg: bytes,
    collins_jpeg: bytes,
    path: str,
    body: dict[str, str] | None,
    listed: str,
    field: str,
    there: int,
    point: str,
) -> None:
    store = context.background.idempotency
    if field == "merges":
        gone, stays = enrol("Grace", hopper_jpeg), enrol("Eileen", collins_jpeg)
        body = {"person": gone["id"], "into": stays["id"]}
    headers = {HEADER: "k1"}
    if body is None:
        headers["Content-Length"] = "0"

    def ask() -> httpx.Response:
        return admin.post(path, json=body, headers=headers)

    begin = store.begin

    def killed(*arguments: Any) -> None:
        if point == "begin":
            begin(*arguments)
        raise RuntimeError("the service is killed here")

    with monkeypatch.context() as patch:
        patch.setattr(store, point, killed)
        assert ask().status_code == 500
    monkeypatch.setattr(context.background.state, "boot", "the next start")
    again = ask()
    assert again.is_success, again.text
    assert len(admin.get(listed).json()[field]) == there
    assert ask().json() == again.json()
    told = again.json()
    if field == "keys":
        bearer = {"Authorization": f"Bearer {told['key']}"}
        assert admin.get("/v1/galleries/people", headers=bearer).status_code == 200
    if field == "webhooks":
        hook = context.background.webhooks.get("people", told["id"])
        known = context.galleries.get("people", actor="test")
        assert context.background.webhooks.secrets(known, hook) == [told["secret"]]
    # Another request with another key is another one.
    other = admin.post(path, json=body, headers={**headers, HEADER: "k2"})
    if field in ("keys", "webhooks", "jobs"):
        assert other.json()["id"] != told["id"]
    else:
        assert other.status_code in (404, 409)


def test_a_secret_is_changed_once(
    admin: httpx.Client, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, hooks = context.background.idempotency, context.background.webhooks
    made = admin.post(f"{G}/webhooks", json={"url": "https://93.184.215.14/x"}).json()
    path, headers = f"{G}/webhooks/{made['id']}/rotate", {HEADER: "k1", "Content-Length": "0"}

    def killed(*_: Any) -> None:
        raise RuntimeError("the service is killed here")

    with monkeypatch.context() as patch:
        patch.setattr(store, "finish", killed)
        assert admin.post(path, headers=headers).status_code == 500
    monkeypatch.setattr(context.background.state, "boot", "the next start")
    told = admin.post(path, headers=headers).json()
    known = context.galleries.get("people", actor="test")
    secrets = hooks.secrets(known, hooks.get("people", made["id"]))
    assert secrets == [told["secret"], made["secret"]]


def test_what_a_key_is_made_of_goes_when_the_answer_is_kept(
    admin: httpx.Client, context: Context
) -> None:
    admin.post("/v1/keys", json={"role": "reader"}, headers={HEADER: "k1"}).raise_for_status()
    file = context.background.jobs.store.file
    assert file.rows("SELECT seed FROM idempotency") == [(None,)]


def test_a_file_of_before_is_brought_up_to_date(tmp_path: Path) -> None:
    file = ServiceFile(tmp_path / "service.sqlite")
    file.define(
        "CREATE TABLE idempotency (tag BLOB PRIMARY KEY, asked BLOB NOT NULL, at REAL NOT NULL,"
        " boot TEXT, answer BLOB)"
    )
    for _ in range(2):
        Idempotency(file, keep_s=10)
    assert [row[1] for row in file.rows("PRAGMA table_info(idempotency)")][-1] == "seed"
    file.close()


KILLED = """
import os, sys
from vultus.server import access, idempotency

def end(*_, **__):
    os._exit(9)

if sys.argv.pop(1) == "made":
    idempotency.Idempotency.finish = end
else:
    access.KeyRing.add = end
from vultus.cli.main import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("point", ["begun", "made"])
def test_a_service_that_is_killed_makes_one_key(tmp_path: Path, point: str) -> None:
    service = Killed(tmp_path)
    ask: dict[str, Any] = {"json": {"role": "reader"}, "headers": {HEADER: "k1"}}
    with service.start("-c", KILLED, point) as client:
        keys = str(client.base_url.copy_with(path="/v1/keys"))
        with pytest.raises(httpx.TransportError):
            client.post(keys, **ask)
    assert service.process is not None
    assert service.process.wait(30) == 9
    with service.start() as client:
        try:
            told = [client.post(keys, **ask).json() for _ in range(2)]
            listed = client.get(keys).json()["keys"]
        finally:
            service.kill()
    assert told[0] == told[1]
    assert [key["id"] for key in listed if key["id"] != "admin"] == [told[0]["id"]]


def test_answers_are_forgotten_in_time(admin: httpx.Client, context: Context) -> None:
    store = context.background.idempotency
    assert admin.post("/v1/keys", json={"role": "reader"}, headers={HEADER: "k"}).is_success
    assert store.expire() == 0
    store.keep_s = 0.0
    time.sleep(0.01)
    assert store.expire() == 1
    again = admin.post("/v1/keys", json={"role": "operator"}, headers={HEADER: "k"})
    assert json.loads(again.text)["role"] == "operator"


def test_a_request_without_a_key_is_no_part_of_the_last_attempt_on_its_connection() -> None:
    # A connection whose reading was paused goes on in the context of the request it waited for.
    seen = []

    async def handle(_: Request) -> Response:
        seen.append(attempt_now())
        return Response()

    async def next_request() -> None:
        _ATTEMPT.set(Attempt("0" * 64, b"secret", b"seed", False))
        await answered_once(Request({"type": "http", "headers": []}), handle)

    asyncio.run(next_request())
    assert seen == [None]
