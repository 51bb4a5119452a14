"""Log-ins that hold on every process of a service."""

import time
from contextlib import closing

import httpx
import pytest
from tests.server.state.conftest import Service


def log_in(service: Service, text: str) -> tuple[httpx.Client, dict[str, str]]:
    client = httpx.Client(base_url=service.address, timeout=60)
    told = client.post("/v1/session", json={"key": text})
    assert told.status_code == 201, told.text
    return client, told.json()


def elsewhere(client: httpx.Client, service: Service) -> httpx.Client:
    """The same browser, which the balancer sends to another process."""
    return httpx.Client(base_url=service.address, cookies=dict(client.cookies), timeout=60)


def test_a_log_in_holds_on_both_services_until_it_ends_on_one(pair: list[Service]) -> None:
    made = pair[0].admin.post("/v1/keys", json={"role": "admin"}).json()
    client, told = log_in(pair[0], made["key"])
    with closing(client), elsewhere(client, pair[1]) as other:
        assert other.get("/v1/session").json()["csrf"] == told["csrf"]
        refused = other.post("/v1/galleries", json={"id": "a"})
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf")
        csrf = {"X-CSRF-Token": told["csrf"]}
        assert other.post("/v1/galleries", json={"id": "a"}, headers=csrf).status_code == 201
        assert other.delete("/v1/session", headers=csrf).status_code == 204
        assert client.get("/v1/session").status_code == 401


@pytest.mark.postgres
def test_a_log_in_ends_on_both_with_its_key(pair: list[Service]) -> None:
    made = pair[0].admin.post("/v1/keys", json={"role": "reader"}).json()
    client, _ = log_in(pair[0], made["key"])
    with closing(client), elsewhere(client, pair[1]) as other:
        assert other.get("/v1/galleries").status_code == 200
        assert pair[1].admin.delete(f"/v1/keys/{made['id']}").status_code == 204
        assert client.get("/v1/galleries").status_code == 401
        assert other.get("/v1/galleries").status_code == 401


@pytest.mark.postgres
def test_log_ins_that_are_tried_are_counted_together(pair: list[Service]) -> None:
    told, start = [], time.monotonic()
    for number in range(30):
        with httpx.Client(base_url=pair[number % 2].address) as client:
            told.append(client.post("/v1/session", json={"key": "wrong"}).status_code)
    came_back = int((time.monotonic() - start) * 10 / 60) + 1
    assert 10 <= told.count(401) <= 10 + came_back
    assert set(told) <= {401, 429}


@pytest.mark.postgres
def test_one_that_is_not_used_for_an_hour_ends(pair: list[Service]) -> None:
    made = pair[0].admin.post("/v1/keys", json={"role": "reader"}).json()
    client, _ = log_in(pair[0], made["key"])
    state = pair[0].context.background.state
    with closing(client):
        state.change("UPDATE sessions SET seen_at = seen_at - 3000")
        assert client.get("/v1/galleries").status_code == 200  # and is noted as used
        state.change("UPDATE sessions SET seen_at = seen_at - 3000")
        assert client.get("/v1/galleries").status_code == 200
        state.change("UPDATE sessions SET seen_at = seen_at - 3601")
        assert client.get("/v1/galleries").status_code == 401
    assert state.rows("SELECT * FROM sessions") == []


@pytest.mark.postgres
def test_the_one_that_waited_longest_gives_way(
    pair: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vultus.server.state.sessions.MOST_SESSIONS", 2)
    made = pair[0].admin.post("/v1/keys", json={"role": "reader"}).json()
    clients = [log_in(pair[number % 2], made["key"])[0] for number in range(3)]
    assert [one.get("/v1/galleries").status_code for one in clients] == [401, 200, 200]
    for one in clients:
        one.close()
