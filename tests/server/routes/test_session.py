import httpx
import pytest
from tests.server.conftest import Client

from vultus.server.access import Role
from vultus.server.app import make_app
from vultus.server.context import Context
from vultus.server.sessions import COOKIE, CSRF_HEADER

SESSION = "/v1/session"


@pytest.fixture
def browser(client: Client) -> httpx.Client:
    """Knows no key; keeps cookies."""
    return client(None)


def _log_in(browser: httpx.Client, key: str) -> dict[str, str]:
    answer = browser.post(SESSION, json={"key": key})
    assert answer.status_code == 201
    return {CSRF_HEADER: answer.json()["csrf"]}


def test_the_cookie_stands_for_the_key(browser: httpx.Client, context: Context) -> None:
    key, text = context.keys.add(Role.operator, ["people"])
    answer = browser.post(SESSION, json={"key": f" {text} "})
    told = answer.json()
    assert {**told, "csrf": ""} == {
        "key_id": key.id,
        "role": "operator",
        "galleries": ["people"],
        "csrf": "",
    }
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert "secure" not in cookie
    assert text not in cookie
    assert browser.get(SESSION).json() == told
    assert browser.get("/v1/galleries").status_code == 200
    assert browser.get("/v1/keys").status_code == 403  # as for the key itself
    assert browser.get("/v1/galleries/others").status_code == 403


def test_what_changes_something_takes_the_token(browser: httpx.Client, context: Context) -> None:
    token = _log_in(browser, context.keys.add(Role.admin)[1])
    wanted = {"role": "reader"}
    for headers in ({}, {CSRF_HEADER: ""}, {CSRF_HEADER: "x" * 32}):
        refused = browser.post("/v1/keys", json=wanted, headers=headers)
        assert refused.status_code == 403
        assert refused.json()["code"] == "csrf"
        assert browser.delete(SESSION, headers=headers).status_code == 403
    assert browser.post("/v1/keys", json=wanted, headers=token).status_code == 201


def test_of_key_and_cookie_the_key_counts(
    browser: httpx.Client, context: Context, client: Client
) -> None:
    _log_in(browser, context.keys.add(Role.admin)[1])
    reader = client(Role.reader).headers["authorization"]
    assert browser.get("/v1/keys", headers={"Authorization": reader}).status_code == 403
    assert browser.get("/v1/keys", headers={"Authorization": "Bearer x"}).status_code == 401


def test_log_out(browser: httpx.Client, context: Context) -> None:
    token = _log_in(browser, context.keys.add(Role.admin)[1])
    kept = browser.cookies[COOKIE]
    assert browser.delete(SESSION, headers=token).status_code == 204
    assert COOKIE not in browser.cookies
    browser.cookies.set(COOKIE, kept)
    assert browser.get(SESSION).status_code == 401
    assert browser.get("/v1/galleries").status_code == 401
    assert browser.delete(SESSION, headers=token).status_code == 401


def test_a_new_log_in_ends_the_one_before(browser: httpx.Client, context: Context) -> None:
    _log_in(browser, context.keys.add(Role.admin)[1])
    before = browser.cookies[COOKIE]
    _log_in(browser, context.keys.add(Role.reader)[1])
    assert context.sessions.find(before) is None


def test_a_key_taken_back_ends_its_sessions(browser: httpx.Client, context: Context) -> None:
    key, text = context.keys.add(Role.admin)
    _log_in(browser, text)
    context.keys.remove(key.id)
    assert browser.get("/v1/galleries").status_code == 401


def test_what_is_no_log_in(browser: httpx.Client) -> None:
    assert browser.get(SESSION).status_code == 401
    assert browser.post(SESSION, json={"key": "x" * 40}).status_code == 401
    assert browser.post(SESSION, json={"key": ""}).status_code == 422
    assert browser.post(SESSION, json={"key": "x" * 501}).status_code == 422
    foreign = browser.post(SESSION, json={"key": "x"}, headers={"Origin": "http://elsewhere"})
    assert foreign.json()["code"] == "foreign-origin"
    # A form of another page cannot say that it is JSON.
    form = browser.post(SESSION, content=b'{"key": "x"}', headers={"Content-Type": "text/plain"})
    assert form.status_code == 422
    assert COOKIE not in browser.cookies


def test_attempts_are_limited(browser: httpx.Client, context: Context) -> None:
    answers = [browser.post(SESSION, json={"key": "x"}) for _ in range(11)]
    assert {answer.status_code for answer in answers[:-1]} == {401}
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    right = browser.post(SESSION, json={"key": context.keys.add(Role.admin)[1]})
    assert right.status_code == 429  # else guessing could go on unseen


@pytest.mark.anyio
async def test_by_tls_the_cookie_is_for_tls_alone(context: Context) -> None:
    transport = httpx.ASGITransport(make_app(context))
    async with httpx.AsyncClient(transport=transport, base_url="https://x") as client:
        answer = await client.post(SESSION, json={"key": context.keys.add(Role.admin)[1]})
    assert "secure" in answer.headers["set-cookie"].lower()
