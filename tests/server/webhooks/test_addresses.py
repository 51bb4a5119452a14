import socket
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from vultus.core.errors import InputError
from vultus.server.webhooks.addresses import check_url, find_target, is_public

PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
    *("100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1"),
    *("255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("::ffff:0:127.0.0.1", "4000::1", "fec0::1", "100::1", "5f00::1"),
    *("2002:7f00:1::", "2001:0:1:2:3:4:80ff:fffe", "2001:db8::1"),
]


def test_only_addresses_of_the_public_internet_are_public() -> None:
    for text in PRIVATE:
        assert not is_public(ip_address(text)), text
    for text in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"):
        assert is_public(ip_address(text)), text


def test_every_spelling_of_a_private_address_is_refused() -> None:
    hosts = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::1]"]
    for host in [*hosts, "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1:8443"]:
        with pytest.raises(InputError, match=r"webhook_networks|has no address"):
            find_target(f"https://{host}/x", ())


def test_one_private_address_among_public_ones_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [(0, 0, 0, "", (text, port)) for text in ("93.184.215.14", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(InputError, match="webhook_networks"):
        find_target("https://example.org", ())
    target = find_target("https://example.org/a?b=c", [ip_network("10.0.0.0/8")])
    assert (target.address, target.path) == (ip_address("93.184.215.14"), "/a?b=c")
    with pytest.raises(InputError, match="https"):  # one of them is not allowed to be by http
        find_target("http://example.org", [ip_network("10.0.0.0/8")])


def test_what_is_no_url_of_a_webhook_is_refused() -> None:
    for url in (
        *("ftp://example.org", "file:///etc/passwd", "example.org", "https://", "https://a b"),
        *("https://user:secret@example.org", "https://example.org#x", "https://example.org:99999"),
        *(
            "https://example.org/\r\nX: y",
            "https://example.org/" + "x" * 2000,
            "https://ex\u00e4.org",
        ),
    ):
        with pytest.raises(InputError) as error:
            check_url(url)
        assert "secret" not in str(error.value)
