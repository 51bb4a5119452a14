"""Who really asks, where proxies stand between: told by headers, of trusted proxies alone."""

from collections.abc import MutableMapping, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

from starlette.datastructures import Headers

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MOST_HOPS = 100
_SCHEMES = ("http", "https")
_SECURE = {"http": "https", "ws": "wss"}
_LIMITED_BY = 64
"""Bits of an address of IPv6 that one site has: it may use any below."""


def believe_proxies(scope: MutableMapping[str, Any], trusted: Sequence[Network]) -> None:
    """Change, in place, who asks and by what scheme, as proxies that are trusted tell.

    Of ``X-Forwarded-For`` the rightmost address that is no trusted proxy's is the client's: what
    stands left of it whoever asks may have made up. What comes from elsewhere is not looked at.

    Args:
        scope: Of ASGI: of a request, or of a WebSocket.
        trusted: Addresses of the proxies.
    """
    peer = None if scope.get("client") is None else parsed(scope["client"][0])
    if peer is None or not _within(peer, trusted):
        return
    headers = Headers(scope=scope)
    hops = _listed(headers.getlist("x-forwarded-for"))
    client, passed = peer, 0
    for text in reversed(hops[-_MOST_HOPS:]):
        found = parsed(text)
        if found is None:  # a trusted proxy's own mistake: what is behind it, nobody knows
            break
        client, passed = found, passed + 1
        if not _within(found, trusted):
            break
    scope["client"] = (str(client), 0)
    schemes = _listed(headers.getlist("x-forwarded-proto"))
    if schemes:
        told = schemes[max(-len(schemes), -max(1, passed))].lower()
        if told in _SCHEMES:
            plain = "ws" if scope["type"] == "websocket" else "http"
            scope["scheme"] = plain if told == "http" else _SECURE[plain]


def parsed(text: str) -> Address | None:
    """The address of a hop, with a port or without; None if it is none.

    Example:
        >>> parsed("[2001:db8::1]:443"), parsed("::ffff:192.0.2.1"), parsed("unknown")
        (IPv6Address('2001:db8::1'), IPv4Address('192.0.2.1'), None)
    """
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    inner = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return found if inner is None else inner


def limited_as(address: str) -> str:
    """What attempts are counted by: the address, of IPv6 the network that one site has.

    Example:
        >>> limited_as("2001:db8::1") == limited_as("2001:db8::2"), limited_as("192.0.2.1")
        (True, '192.0.2.1')
    """
    found = parsed(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _LIMITED_BY), strict=False))
    return address if found is None else str(found)


def _listed(headers: Sequence[str]) -> list[str]:
    return [part.strip() for part in ",".join(headers).split(",") if part.strip()]


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == one.version and address in one for one in networks)
