import json
import logging
import re
import socket
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from tests.server.conftest import Client

from vultus.server.access import Role
from vultus.server.app import ROUTERS, make_app
from vultus.server.context import Context
from vultus.server.routing import checks_of

FREE = ("/health/live", "/health/ready", "/v1/version", "/v1/session")
"""What takes no key; a log-in shows its own."""

_G = "/v1/galleries/{gallery}"
OPERATIONS = [
    ("POST", "/v1/detect", Role.reader),
    ("POST", "/v1/detect/photos", Role.reader),
    ("POST", "/v1/quality", Role.reader),
    ("POST", "/v1/embeddings", Role.operator),
    ("POST", "/v1/verify", Role.reader),
    ("POST", "/v1/liveness", Role.reader),
    ("POST", "/v1/crop", Role.reader),
    ("POST", "/v1/liveness/sessions", Role.reader),
    ("GET", "/v1/liveness/sessions/{session}", Role.reader),
    ("POST", "/v1/liveness/sessions/{session}/frames", Role.reader),
    ("POST", "/v1/cluster", Role.reader),
    ("GET", "/v1/models", Role.reader),
    ("GET", "/v1/calibration", Role.reader),
    ("PUT", "/v1/calibration", Role.admin),
    ("GET", "/v1/galleries", Role.reader),
    ("POST", "/v1/galleries", Role.admin),
    ("GET", _G, Role.reader),
    ("DELETE", _G, Role.admin),
    ("PUT", f"{_G}/crops", Role.admin),
    ("DELETE", f"{_G}/crops", Role.admin),
    ("GET", f"{_G}/thresholds", Role.reader),
    ("POST", f"{_G}/identify", Role.reader),
    ("POST", f"{_G}/identify/photos", Role.reader),
    ("POST", f"{_G}/identify/person", Role.reader),
    ("POST", f"{_G}/search", Role.reader),
    ("GET", f"{_G}/events", Role.operator),
    ("GET", f"{_G}/events/stream", Role.operator),
    ("GET", f"{_G}/events/{{position}}/picture", Role.operator),
    ("GET", f"{_G}/jobs", Role.operator),
    ("POST", f"{_G}/jobs/enrolment", Role.operator),
    ("POST", f"{_G}/jobs/clustering", Role.operator),
    ("POST", f"{_G}/jobs/review-clustering", Role.operator),
    ("POST", f"{_G}/jobs/calibration", Role.admin),
    ("POST", f"{_G}/jobs/migration", Role.admin),
    ("POST", f"{_G}/jobs/film", Role.operator),
    ("GET", f"{_G}/jobs/{{job}}", Role.operator),
    ("DELETE", f"{_G}/jobs/{{job}}", Role.operator),
    ("GET", f"{_G}/jobs/{{job}}/stream", Role.operator),
    ("GET", f"{_G}/jobs/{{job}}/people", Role.operator),
    ("POST", f"{_G}/jobs/{{job}}/cancel", Role.operator),
    ("GET", f"{_G}/webhooks", Role.admin),
    ("POST", f"{_G}/webhooks", Role.admin),
    ("GET", f"{_G}/webhooks/{{webhook}}", Role.admin),
    ("DELETE", f"{_G}/webhooks/{{webhook}}", Role.admin),
    ("POST", f"{_G}/webhooks/{{webhook}}/test", Role.admin),
    ("POST", f"{_G}/webhooks/{{webhook}}/rotate", Role.admin),
    ("POST", f"{_G}/webhooks/{{webhook}}/enable", Role.admin),
    ("GET", f"{_G}/webhooks/{{webhook}}/deliveries", Role.admin),
    ("GET", f"{_G}/attendance", Role.operator),
    ("GET", f"{_G}/monitors", Role.reader),
    ("POST", f"{_G}/monitors", Role.admin),
    ("GET", f"{_G}/monitors/{{monitor}}", Role.reader),
    ("PATCH", f"{_G}/monitors/{{monitor}}", Role.admin),
    ("DELETE", f"{_G}/monitors/{{monitor}}", Role.admin),
    ("POST", f"{_G}/monitors/{{monitor}}/start", Role.operator),
    ("POST", f"{_G}/monitors/{{monitor}}/stop", Role.operator),
    ("GET", f"{_G}/monitors/{{monitor}}/present", Role.operator),
    ("GET", f"{_G}/monitors/{{monitor}}/preview", Role.operator),
    ("GET", f"{_G}/people", Role.reader),
    ("POST", f"{_G}/people", Role.operator),
    ("GET", f"{_G}/people/{{person}}", Role.reader),
    ("PATCH", f"{_G}/people/{{person}}", Role.operator),
    ("DELETE", f"{_G}/people/{{person}}", Role.admin),
    ("POST", f"{_G}/people/{{person}}/verify", Role.reader),
    ("GET", f"{_G}/people/{{person}}/photos", Role.operator),
    ("POST", f"{_G}/people/{{person}}/photos", Role.operator),
    ("DELETE", f"{_G}/people/{{person}}/photos/{{number}}", Role.operator),
    ("GET", f"{_G}/people/{{person}}/photos/{{number}}/crop", Role.operator),
    ("GET", "/metrics", Role.operator),
    ("GET", f"{_G}/people/{{person}}/export", Role.admin),
    ("GET", f"{_G}/review", Role.operator),
    ("PUT", f"{_G}/review", Role.admin),
    ("DELETE", f"{_G}/review", Role.admin),
    ("GET", f"{_G}/review/groups", Role.operator),
    ("GET", f"{_G}/review/{{number}}/crop", Role.operator),
    ("POST", f"{_G}/review/assign", Role.operator),
    ("POST", f"{_G}/review/deny", Role.operator),
    ("POST", f"{_G}/review/dismiss", Role.operator),
    ("GET", f"{_G}/merges", Role.operator),
    ("POST", f"{_G}/merges", Role.operator),
    ("POST", f"{_G}/merges/{{number}}/undo", Role.operator),
    ("GET", f"{_G}/audit", Role.admin),
    ("POST", f"{_G}/audit/verify", Role.admin),
    ("GET", f"{_G}/export", Role.admin),
    ("GET", f"{_G}/retention", Role.operator),
    ("PUT", f"{_G}/retention", Role.admin),
    ("GET", "/v1/retention", Role.admin),
    ("PUT", "/v1/retention", Role.admin),
    ("DELETE", "/v1/retention", Role.admin),
    ("GET", "/v1/keys", Role.admin),
    ("POST", "/v1/keys", Role.admin),
    ("DELETE", "/v1/keys/{key_id}", Role.admin),
]
"""Every operation that takes a key, as the service describes it, with the least role."""


WHOLE_SERVICE = {("POST", "/v1/galleries"), ("DELETE", _G), ("PUT", "/v1/calibration")} | {
    (method, path)
    for method, path, _ in OPERATIONS
    if path.startswith(("/v1/keys", "/v1/retention", "/metrics"))
}
"""What concerns all galleries, and so takes a key for all of them."""
SCOPES: dict[str, list[str] | None] = {"all": None, "own": ["people"], "foreign": ["others"]}
"""Galleries that a key may touch, where the gallery `people` is asked of."""


def filled(path: str) -> str:
    """An address of an operation."""
    names = {"gallery": "people", "person": "0" * 32, "number": "0", "key_id": "x"}
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "x"), path)


def _may(operation: tuple[str, str, Role], role: Role, scope: str) -> bool:
    method, path, needed = operation
    touches = scope != "foreign" or "{gallery}" not in path
    return role >= needed and touches and (scope == "all" or (method, path) not in WHOLE_SERVICE)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("role", Role)
def test_every_operation_by_role_and_gallery(client: Client, role: Role, scope: str) -> None:
    one = client(role, SCOPES[scope])
    for operation in OPERATIONS:
        method, path, _ = operation
        body = {"id": "new", "role": "reader"} if method == "POST" else None
        with one.stream(method, filled(path), json=body) as answer:  # some go on for ever
            assert answer.status_code != 401, operation
            assert (answer.status_code != 403) == _may(operation, role, scope), operation
    galleries = [told["id"] for told in one.get("/v1/galleries").json()["galleries"]]
    assert set(galleries) - {"new"} == ({"people"} if scope != "foreign" else set())


def test_a_stranger_may_do_nothing_of_it(client: Client) -> None:
    stranger = client(None)
    for method, path, _ in OPERATIONS:
        assert stranger.request(method, filled(path)).status_code == 401, path


def test_a_stranger_is_refused_before_the_body_is_read(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    for method, path, _ in OPERATIONS:
        if method != "POST":
            continue
        form = "/people" in path or "photos" in path
        kind = "multipart/form-data; boundary=x" if form else "application/json"
        with socket.create_connection((host, int(port)), timeout=10) as line:
            head = f"{method} {filled(path)} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
            line.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode())
            assert b" 401 " in line.recv(100), path  # no byte of the body was sent


def test_every_operation_asks_for_one_role_and_says_so(admin: httpx.Client) -> None:
    told = admin.get("/v1/openapi.json").json()
    assert told["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            needed = len(checks_of(route))
            assert needed == (route.path not in FREE)
            for method in route.methods or ():
                operation = told["paths"][route.path][method.lower()]
                ways: list[dict[str, list[str]]] = [{"key": []}, {"session": []}]
                assert operation.get("security", []) == (ways if needed else [])


def test_every_operation_is_in_the_table_of_roles(admin: httpx.Client) -> None:
    paths = admin.get("/v1/openapi.json").json()["paths"]
    told = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if path not in FREE
    }
    assert told == {(method, path) for method, path, _ in OPERATIONS}


def test_errors_are_problems(admin: httpx.Client, client: Client) -> None:
    answers = [
        client(None).get("/v1/galleries"),
        admin.get("/v1/nothing"),
        admin.delete("/v1/galleries"),
        admin.get("/v1/galleries/none"),
        admin.get("/v1/galleries/people/people?limit=0"),
        admin.post("/v1/galleries", json={"id": "../a"}),
        admin.post("/v1/detect", content=b"x", headers={"Content-Type": "text/plain"}),
        admin.post("/v1/detect", content=b"x", headers={"Content-Type": "image/jpeg"}),
    ]
    assert [answer.status_code for answer in answers] == [401, 404, 405, 404, 422, 422, 415, 422]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json()
        assert told["status"] == answer.status_code
        assert told["request_id"] == answer.headers["x-request-id"]
        assert told["code"]
        assert told["detail"]


def test_an_address_tells_all_its_methods(admin: httpx.Client) -> None:
    assert admin.put("/v1/galleries").headers["allow"] == "GET, HEAD, POST"
    person = f"/v1/galleries/people/people/{'0' * 32}"
    assert admin.post(person).headers["allow"] == "DELETE, GET, HEAD, PATCH"


def test_a_body_has_a_length_and_is_not_too_large(admin: httpx.Client, context: Context) -> None:
    kind = {"Content-Type": "image/jpeg"}
    large = admin.post("/v1/detect", content=b"x" * (context.settings.most_bytes + 1), headers=kind)
    assert large.status_code == 413
    chunked = admin.post("/v1/detect", content=iter([b"x"]), headers=kind)
    assert chunked.status_code == 411


def test_a_failure_inside_tells_nothing_of_it(
    admin: httpx.Client, context: Context, monkeypatch: pytest.MonkeyPatch, hopper_jpeg: bytes
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(context.recognizer, "analyse", fail)
    answer = admin.post("/v1/detect", files={"photo": hopper_jpeg})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "secret" not in answer.text


def test_who_asks_too_often_is_told_when_to_come_again(
    admin: httpx.Client, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context.rates, "_per_minute", 1)
    answers = [admin.get("/v1/galleries") for _ in range(3)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_the_log_has_no_name_photo_or_key(
    admin: httpx.Client, caplog: pytest.LogCaptureFixture, hopper_jpeg: bytes
) -> None:
    with caplog.at_level(logging.INFO):
        made = admin.post(
            "/v1/galleries/people/people",
            data={"name": "Marker Person", "external_id": "marker-id"},
            files=[("photos", ("marker-file.jpg", hopper_jpeg))],
        )
        admin.post("/v1/galleries/people/identify", files={"photo": ("marker.jpg", hopper_jpeg)})
        admin.get("/v1/galleries/people/people?cursor=marker")
        admin.post("/v1/verify", files={"a": ("marker", b"marker"), "b": ("x", b"x")})
    assert made.status_code == 201
    ours = [record for record in caplog.records if record.name == "vultus.server"]
    assert len(ours) == 4
    assert json.loads(ours[0].message)["operation"] == "/v1/galleries/{gallery}/people"
    # The client of this test logs the addresses that it asks.
    others = [record for record in caplog.records if not record.name.startswith("http")]
    text = "\n".join(record.getMessage() for record in others)
    assert "arker" not in text
    assert admin.headers["authorization"].removeprefix("Bearer ") not in text


def test_head_is_answered_as_get_without_the_body(admin: httpx.Client, client: Client) -> None:
    known, stranger = "/v1/galleries/people", client(None)
    for path in ("/", "/health/ready", known, "/page/main.js", "/v1/openapi.json", "/metrics"):
        got, head = admin.get(path), admin.head(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers.get("etag") == got.headers.get("etag")
    stream = admin.head(f"{known}/events/stream")  # does not go on without an end
    assert stream.status_code == 200
    assert admin.head(f"{known}x").status_code == 404
    assert admin.head("/v1/detect").status_code == 405
    assert stranger.head(known).status_code == 401
    assert admin.get(known).json()["id"] == "people"  # the connection is still in step


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("GET", "/v1/galleries/people/people?groups=staff", {}),
        ("GET", "/v1/galleries/people/events?type=unknown", {}),
        ("POST", "/v1/galleries/people/identify?threshold=0.5", {"files": {"photo": b"x"}}),
        (
            "POST",
            "/v1/galleries/people/identify",
            {"files": {"photo": b"x"}, "data": {"fpir": "0.001"}},
        ),
        ("POST", "/v1/verify", {"files": {"a": b"x", "b": b"x", "c": b"x"}}),
        (
            "POST",
            "/v1/galleries/people/people",
            {"files": {"photos": b"x"}, "data": {"name": "A", "external-id": "1"}},
        ),
        ("POST", "/v1/keys", {"json": {"role": "reader", "gallery": ["people"]}}),
        ("POST", "/v1/galleries", {"json": {"id": "staff", "people": 3}}),
        (
            "POST",
            "/v1/galleries/people/webhooks",
            {"json": {"url": "https://93.184.215.14", "type": ["left"]}},
        ),
    ],
)
def test_what_nobody_reads_is_refused(
    admin: httpx.Client, method: str, path: str, sent: dict[str, Any]
) -> None:
    answer = admin.request(method, path, **sent)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input"), answer.text
    assert answer.json()["errors"]


def test_an_address_is_no_other_with_a_slash(admin: httpx.Client) -> None:
    assert admin.get("/v1/galleries/").status_code == 404
    assert admin.get("/v1/galleries/people/").status_code == 404


def test_a_body_that_stalls_gives_its_place_back(
    address: str, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vultus.server.guard._STALLED_S", 0.3)
    host, port = address.removeprefix("http://").split(":")
    key = context.keys.add(Role.admin)[1]
    for path, kind in (
        ("/v1/detect", "image/jpeg"),
        ("/v1/keys", "application/json"),
        ("/v1/galleries/people/people", "multipart/form-data; boundary=x"),
        ("/v1/galleries/people/jobs/enrolment", "application/zip"),
    ):
        with socket.create_connection((host, int(port)), timeout=30) as line:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
            head += f"Authorization: Bearer {key}\r\nContent-Length: 100\r\n\r\n--x"
            line.sendall(head.encode())
            got = b"".join(iter(lambda: line.recv(4000), b""))
            assert b" 408 " in got, (path, got)
            assert b"request-timeout" in got, (path, got)


@pytest.mark.anyio
async def test_by_tls_browsers_are_to_stay_there(context: Context) -> None:
    told = {}
    for scheme in ("http", "https"):
        transport = httpx.ASGITransport(make_app(context))
        async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://x") as one:
            answer = await one.get("/health/live")
            told[scheme] = answer.headers.get("strict-transport-security")
    assert told == {"http": None, "https": "max-age=31536000"}
