"""Two services on one database: what one is told, the other knows."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from tests.gallery.stores.postgres.server import Server
from tests.server.state.conftest import Service

from vultus.client import Client
from vultus.client.operations import identify as identifying
from vultus.core.errors import InputError
from vultus.pipeline.recognizer import Recognizer
from vultus.server.galleries import Galleries
from vultus.server.settings import ServerSettings

WITHIN_S = 1.0


def identified(client: httpx.Client, photo: bytes) -> str | None:
    told = client.post("/v1/galleries/staff/identify", files={"photo": photo})
    assert told.status_code == 200, told.text
    candidates = told.json()["faces"][0]["candidates"]
    return candidates[0]["identity"] if candidates else None


def test_two_services_on_one_database_answer_alike(
    services: list[httpx.Client], hopper_jpeg: bytes, collins_jpeg: bytes
) -> None:
    one, other = services
    assert one.post("/v1/galleries", json={"id": "staff"}).status_code == 201
    assert other.post("/v1/galleries", json={"id": "staff"}).status_code == 409
    for name, photo in (("Grace", hopper_jpeg), ("Eileen", collins_jpeg)):
        made = one.post(
            "/v1/galleries/staff/people", data={"name": name}, files=[("photos", photo)]
        )
        assert made.status_code == 201, made.text
        start = time.monotonic()
        while identified(other, photo) != name:
            assert time.monotonic() - start < WITHIN_S
    person = made.json()["person"]
    seen = other.get(f"/v1/galleries/staff/people/{person['id']}")
    assert (seen.status_code, seen.json()["name"]) == (200, "Eileen")
    # The state that was seen with one service is what the other one changes, or refuses to.
    tag = seen.headers["ETag"]
    url = f"/v1/galleries/staff/people/{person['id']}"
    assert one.patch(url, json={"name": "E."}, headers={"If-Match": tag}).status_code == 200
    late = other.patch(url, json={"name": "X"}, headers={"If-Match": tag})
    assert late.status_code == 412
    assert other.delete(url).status_code == 200
    assert one.get(url).status_code == 404
    assert identified(one, collins_jpeg) == identified(other, collins_jpeg) == "Grace"


def test_a_write_is_seen_by_the_next_request_that_carries_its_position(
    services: list[httpx.Client], hopper_jpeg: bytes, collins_jpeg: bytes
) -> None:
    one, other = services
    assert one.post("/v1/galleries", json={"id": "staff"}).status_code == 201
    clients = [Client(str(s.base_url), s.headers["Authorization"][7:]) for s in services]
    for turn in range(4):
        mine, theirs = clients[turn % 2], clients[1 - turn % 2]
        person = mine.enroll("staff", f"Grace {turn}", [hopper_jpeg]).person
        theirs.see("staff", mine.position("staff"))
        answer = theirs.ask(identifying.identify("staff", photo=hopper_jpeg))
        assert answer.value.faces[0].person == person.id
        assert (answer.position or 0) >= mine.position("staff")
        theirs.erase("staff", person.id)
        mine.see("staff", theirs.position("staff"))
        assert mine.identify("staff", hopper_jpeg).faces[0].identity is None
    # Asked of one that does not see it yet, it waits for what the other one does meanwhile.
    due = str(clients[0].position("staff") + 2)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            other.post,
            "/v1/galleries/staff/identify",
            files={"photo": collins_jpeg},
            headers={"Vultus-Position": due},
        )
        time.sleep(0.2)
        assert not waiting.done()
        clients[0].enroll("staff", "Eileen", [collins_jpeg])
        assert waiting.result().json()["faces"][0]["identity"] == "Eileen"
    for client in clients:
        client.close()


def test_a_service_that_starts_later_serves_what_is_there(
    store: str, services: list[httpx.Client], recognizer: Callable[[], Recognizer]
) -> None:
    assert services[0].post("/v1/galleries", json={"id": "night"}).status_code == 201
    galleries = Galleries(recognizer(), store=store)
    assert galleries.ids == ["night"]
    galleries.close()


def test_what_is_no_store_is_told(recognizer: Callable[[], Recognizer], tmp_path: Path) -> None:
    for wrong in ("people.db", "postgresql://h/db/name"):
        with pytest.raises(InputError, match="a store of galleries is postgresql://"):
            Galleries(recognizer(), store=wrong)
    for given in ({"store": "postgresql://h/db"}, {"gallery": (Path("postgresql://h/db/a"),)}):
        with pytest.raises(ValidationError, match="give a folder of this process"):
            ServerSettings.model_validate(given)


def test_a_gallery_is_deleted_over_http_and_gone_for_both(
    pair: list[Service], hopper_jpeg: bytes, tmp_path: Path
) -> None:
    one, other = (service.admin for service in pair)
    for name in ("staff", "night"):
        assert one.post("/v1/galleries", json={"id": name}).status_code == 201
    people = "/v1/galleries/staff/people"
    made = one.post(people, data={"name": "Grace"}, files=[("photos", hopper_jpeg)])
    assert made.status_code == 201, made.text
    key = one.post("/v1/keys", json={"role": "reader", "galleries": ["staff"]}).json()
    tag = other.get("/v1/galleries/staff").headers["ETag"]
    assert one.delete("/v1/galleries/staff").status_code == 428
    assert one.delete("/v1/galleries/staff", headers={"If-Match": '"x"'}).status_code == 412
    assert identified(other, hopper_jpeg) == "Grace"  # what was refused changed nothing
    done = one.delete("/v1/galleries/staff", headers={"If-Match": tag})
    assert done.status_code == 200, done.text
    told = done.json()
    assert (told["people"], told["photos"]) == (1, 1)
    audit = (tmp_path / "service 0" / told["audit_file"]).read_text().splitlines()
    assert json.loads(audit[-1])["action"] == "delete gallery"
    assert other.get(people).status_code == 404
    assert one.get("/v1/galleries/staff").status_code == 404
    listed = [
        [gallery["id"] for gallery in client.get("/v1/galleries").json()["galleries"]]
        for client in (one, other)
    ]
    assert listed == [["night"], ["night"]]
    with pair[1].client(key["key"]) as reader:
        assert reader.get("/v1/galleries").status_code == 401
    # One of the same name is another one, with nobody in it.
    assert other.post("/v1/galleries", json={"id": "staff"}).status_code == 201
    assert [client.get("/v1/galleries/staff").json()["people"] for client in (one, other)] == [0, 0]


@pytest.mark.postgres
def test_a_gallery_that_was_deleted_and_made_anew_elsewhere_is_the_new_one(
    services: list[httpx.Client], hopper_jpeg: bytes
) -> None:
    one, other = services
    people = "/v1/galleries/staff/people"
    for name in ("Grace", "Ada"):
        assert one.post("/v1/galleries", json={"id": "staff"}).status_code == 201
        made = one.post(people, data={"name": name}, files=[("photos", hopper_jpeg)])
        assert made.status_code == 201, made.text
        start = time.monotonic()
        while other.get(people).status_code != 200 or identified(other, hopper_jpeg) != name:
            assert time.monotonic() - start < 2 * WITHIN_S
            time.sleep(0.02)
        if name == "Grace":
            assert one.delete("/v1/galleries/staff?confirm=staff").status_code == 200


@pytest.mark.postgres
def test_of_two_services_that_make_a_gallery_at_once_one_does(
    services: list[httpx.Client],
) -> None:
    with ThreadPoolExecutor(2) as pool:
        for number in range(3):
            wanted = {"id": f"g{number}"}
            told = pool.map(
                lambda one, wanted=wanted: one.post("/v1/galleries", json=wanted), services
            )
            assert sorted(answer.status_code for answer in told) == [201, 409]


def test_a_request_that_another_service_works_on_is_not_done_twice(pair: list[Service]) -> None:
    one, other = pair
    headers = {"Idempotency-Key": "k1", "Authorization": one.admin.headers["Authorization"]}
    made = one.admin.post("/v1/keys", json={"role": "reader"}, headers=headers)
    again = other.admin.post("/v1/keys", json={"role": "reader"}, headers=headers)
    assert (again.status_code, again.json()) == (201, made.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    reused = other.admin.post("/v1/keys", json={"role": "admin"}, headers=headers)
    assert reused.status_code == 422
    # As if it were being worked on by the first; then as if that one had been killed.
    state = one.context.background.state
    state.change("UPDATE idempotency SET boot = ?, answer = NULL", state.boot)
    busy = other.admin.post("/v1/keys", json={"role": "reader"}, headers=headers)
    assert (busy.status_code, busy.json()["code"]) == (409, "idempotency-in-flight")
    state.change("UPDATE idempotency SET boot = 'of one that was killed'")
    resumed = other.admin.post("/v1/keys", json={"role": "reader"}, headers=headers)
    assert resumed.status_code == 201


@pytest.mark.postgres
def test_a_schedule_that_one_service_is_told_holds_for_both(services: list[httpx.Client]) -> None:
    one, other = services
    wanted = {"every_h": 5, "jobs_days": 3, "deliveries_days": 2, "answers_h": 1}
    assert one.put("/v1/retention", json=wanted).status_code == 200
    told = other.get("/v1/retention").json()
    assert {**told, **wanted} == told
    assert told["was_set"]
    assert told["next_at"] == one.get("/v1/retention").json()["next_at"]
    assert other.delete("/v1/retention").json() == one.get("/v1/retention").json()


@pytest.mark.postgres
def test_one_service_looks_for_what_is_over(pair: list[Service]) -> None:
    state = pair[0].context.background.state
    deadline = time.monotonic() + 10
    while not state.rows("SELECT next_at FROM schedule"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    state.change("UPDATE schedule SET next_at = 1")
    while pair[1].admin.get("/v1/retention").json()["last_at"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    looked = [one.context.background.retention._last_s for one in pair]
    assert looked.count(None) == 1
    assert one_next(pair[0]) == one_next(pair[1])


def one_next(service: Service) -> str:
    told: str = service.admin.get("/v1/retention").json()["next_at"]
    return told


@pytest.mark.postgres
def test_a_database_that_is_away_is_told_and_health_answers(
    pair: list[Service], postgres_server: Server, store: str
) -> None:
    one = pair[0]
    name = store.rpartition("/")[2]
    ends = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
        f" '{name}' AND pid <> pg_backend_pid()"
    )
    # Lost connections are replaced, nobody is told of them.
    postgres_server.sql(ends)
    assert one.admin.get("/v1/keys").status_code == 200
    postgres_server.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", ends)
    try:
        told = one.admin.get("/v1/keys")
        assert (told.status_code, told.json()["code"]) == (503, "no-database")
        assert int(told.headers["Retry-After"]) > 0
        assert one.admin.get("/health/live").status_code == 200
    finally:
        postgres_server.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    deadline = time.monotonic() + 60
    while one.admin.get("/v1/keys").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
