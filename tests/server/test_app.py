import json
import logging
import re
import socket

import httpx
import pytest
from fastapi.routing import APIRoute
from tests.server.conftest import Client

from vultus.server.access import Role
from vultus.server.app import ROUTERS
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
    ("POST", "/v1/crop", Role.reader),
    ("POST", "/v1/cluster", Role.reader),
    ("GET", "/v1/models", Role.reader),
    ("GET", "/v1/calibration", Role.reader),
    ("PUT", "/v1/calibration", Role.admin),
    ("GET", "/v1/galleries", Role.reader),
    ("POST", "/v1/galleries", Role.admin),
    ("GET", _G, Role.reader),
    ("PUT", f"{_G}/crops", Role.admin),
    ("DELETE", f"{_G}/crops", Role.admin),
    ("GET", f"{_G}/thresholds", Role.reader),
    ("POST", f"{_G}/identify", Role.reader),
    ("POST", f"{_G}/identify/photos", Role.reader),
    ("POST", f"{_G}/identify/person", Role.reader),
    ("POST", f"{_G}/search", Role.reader),
    ("GET", f"{_G}/events", Role.operator),
    ("GET", f"{_G}/events/stream", Role.operator),
    ("GET", f"{_G}/jobs", Role.operator),
    ("POST", f"{_G}/jobs/enrolment", Role.operator),
    ("POST", f"{_G}/jobs/clustering", Role.operator),
    ("POST", f"{_G}/jobs/review-clustering", Role.operator),
    ("POST", f"{_G}/jobs/calibration", Role.admin),
    ("POST", f"{_G}/jobs/migration", Role.admin),
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
    ("GET", "/v1/keys", Role.admin),
    ("POST", "/v1/keys", Role.admin),
    ("DELETE", "/v1/keys/{key_id}", Role.admin),
]
"""Every operation that takes a key, as the service describes it, with the least role."""


def filled(path: str) -> str:
    """An address of an operation."""
    names = {"gallery": "people", "person": "0" * 32, "number": "0", "key_id": "x"}
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "x"), path)


def test_each_operation_takes_its_role(client: Client) -> None:
    clients = {role: client(role) for role in Role}
    stranger = client(None)
    for method, path, needed in OPERATIONS:
        address = filled(path)
        assert stranger.request(method, address).status_code == 401, path
        for role, one in clients.items():
            with one.stream(method, address) as answer:  # some go on for ever
                assert (answer.status_code == 403) == (role < needed), (method, path, role)


def test_a_key_touches_its_galleries_alone(client: Client) -> None:
    other = client(Role.admin, ["others"])
    for method, template, _ in OPERATIONS:
        path = filled(template)
        whole_service = path.startswith(("/v1/keys", "/metrics")) or (method, path) in (
            ("POST", "/v1/galleries"),
            ("PUT", "/v1/calibration"),
        )
        if path.startswith("/v1/galleries/") or whole_service:
            body = {"id": "new", "role": "admin"} if whole_service and method == "POST" else None
            assert other.request(method, path, json=body).status_code == 403, (method, path)
    assert other.get("/v1/galleries").json() == {"galleries": []}


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
    assert admin.put("/v1/galleries").headers["allow"] == "GET, POST"
    person = f"/v1/galleries/people/people/{'0' * 32}"
    assert admin.post(person).headers["allow"] == "DELETE, GET, PATCH"


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
