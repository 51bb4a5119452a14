from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.conftest import running

from vultus.pipeline.recognizer import Recognizer
from vultus.server.proxies import believe_proxies, limited_as
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")]


def seen(peer: str | None, *forwarded: str, proto: str = "", kind: str = "http") -> tuple[Any, Any]:
    """Who asks, and by what scheme."""
    headers = [(b"x-forwarded-for", told.encode()) for told in forwarded]
    if proto:
        headers.append((b"x-forwarded-proto", proto.encode()))
    scope = {
        "type": kind,
        "scheme": "http" if kind == "http" else "ws",
        "client": None if peer is None else (peer, 5),
        "headers": headers,
    }
    believe_proxies(scope, TRUSTED)
    return None if scope["client"] is None else scope["client"][0], scope["scheme"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.9", ["198.51.100.7"], "192.0.2.9"),  # not of a proxy of ours
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("2001:db8:1::5", ["198.51.100.7"], "198.51.100.7"),
        # Made up by who asks, on the left of what the proxy added.
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.9, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8:2::1]:443"], "2001:db8:2::1"),
        ("10.0.0.1", ["1.1.1.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [", ,"], "10.0.0.1"),
        (None, ["198.51.100.7"], None),
        ("unix", ["198.51.100.7"], "unix"),
    ],
)
def test_the_client_is_the_rightmost_that_is_no_proxy(
    peer: str | None, forwarded: list[str], client: str | None
) -> None:
    assert seen(peer, *forwarded)[0] == client


def test_the_scheme_is_what_a_trusted_proxy_says() -> None:
    assert seen("10.0.0.1", "198.51.100.7", proto="https")[1] == "https"
    assert seen("10.0.0.1", "198.51.100.7", proto="HTTPS")[1] == "https"
    assert seen("10.0.0.1", "198.51.100.7", proto="http, https")[1] == "https"
    assert seen("10.0.0.1", "198.51.100.7, 10.0.0.2", proto="https, http")[1] == "https"
    assert seen("10.0.0.1", "198.51.100.7", proto="gopher")[1] == "http"
    assert seen("10.0.0.1", "198.51.100.7", proto="https", kind="websocket")[1] == "wss"
    assert seen("192.0.2.9", "198.51.100.7", proto="https")[1] == "http"


def test_a_site_of_ipv6_is_one() -> None:
    assert limited_as("2001:db8::1") == limited_as("2001:db8::ffff:2") != limited_as("2001:db8:1::")
    assert limited_as("::ffff:192.0.2.1") == limited_as("192.0.2.1") == "192.0.2.1"
    assert limited_as("") == ""


@pytest.mark.parametrize("trusted", [True, False])
def test_log_ins_are_limited_by_real_client(
    tmp_path: Path, recognizer: Callable[[], Recognizer], trusted: bool
) -> None:
    settings = ServerSettings(
        gallery=(tmp_path / "people.db",),
        admin_key_file=tmp_path / "key",
        trusted_proxies=(ip_network("127.0.0.0/8"),) if trusted else (),
    )
    context = open_context(settings, recognizer())
    key = {"key": (tmp_path / "key").read_text().strip()}

    def tried(client: httpx.Client, forwarded: str, shown: dict[str, str]) -> int:
        headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
        return client.post("/v1/session", json=shown, headers=headers).status_code

    with running(context) as address, httpx.Client(base_url=address) as one:
        # One client, that makes up another address each time.
        guesses = [tried(one, f"203.0.113.{n}, 198.51.100.7", {"key": "x"}) for n in range(11)]
        assert guesses == [401] * 10 + [429]
        # Another client behind the same proxy is not kept out, if the proxy is believed.
        assert tried(one, "198.51.100.8", key) == (201 if trusted else 429)
    if trusted:
        with running(open_context(settings.model_copy(), recognizer())) as address:
            headers = {"X-Forwarded-For": "198.51.100.9", "X-Forwarded-Proto": "https"}
            answer = httpx.post(f"{address}/v1/session", json=key, headers=headers)
            assert "Secure" in answer.headers["set-cookie"]
            plain = httpx.post(f"{address}/v1/session", json=key)
            assert "Secure" not in plain.headers["set-cookie"]
