"""Where a webhook may be sent: to public addresses, and to networks that the operator allows."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from vultus.core.errors import InputError

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_LONGEST_URL = 2000
_RESERVED = tuple(
    map(
        ip_network,
        (
            *("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "fec0::/10", "100::/64"),
            *("64:ff9b:1::/48", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
            # Public by its number, and yet a cloud's own: Azure's host, which tells secrets.
            "168.63.129.16/32",
        ),
    )
)
"""What not every version of Python knows to be none of the public internet."""
_NAT64 = IPv6Network("64:ff9b::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_UNICAST = IPv6Network("2000::/3")
"""All that was ever given out of IPv6; the rest is nobody's, or something special."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, as it was checked.

    Attributes:
        host: As the URL names it.
        port: The port.
        address: The address that was checked; what is connected to is this, not the name.
        secure: Whether by TLS.
        path: With the query.
    """

    host: str
    port: int
    address: Address
    secure: bool
    path: str


def check_url(url: str) -> None:
    """Refuse what is no address of a webhook, without asking for its name.

    Raises:
        InputError: If it is not; the message does not repeat it, since it may hold a secret.
    """
    _parts(url)


def find_target(url: str, networks: Sequence[Network]) -> Target:
    """Resolve a URL, and check every address that it leads to.

    Args:
        url: The URL.
        networks: Which addresses that are not public are allowed; there http is, too.

    Raises:
        InputError: If it is no URL for a webhook, its name is unknown, or one of its addresses is
            not allowed.
    """
    secure, host, port, path = _parts(url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError("the name of the webhook's host has no address") from error
    addresses = [ip_address(str(place[4][0]).partition("%")[0]) for place in found]
    for address in addresses:
        allowed = is_within(address, networks)
        if not allowed and not is_public(address):
            raise InputError(
                "a webhook must be at a public address; this one leads to a private, local or "
                "reserved one, which the operator must allow by the setting webhook_networks"
            )
        if not allowed and not secure:
            raise InputError("a webhook must be at an https address, got http")
    return Target(host, port, addresses[0], secure, path)


def is_public(address: Address) -> bool:
    """Whether an address, and one of IPv4 inside of it, is of the public internet.

    Example:
        >>> is_public(ip_address("::ffff:127.0.0.1")), is_public(ip_address("93.184.215.14"))
        (False, True)
    """
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    reserved = any(address.version == n.version and address in n for n in _RESERVED)
    if address.version == 6 and address not in _UNICAST:
        return False
    return address.is_global and not (address.is_multicast or reserved)


def _inner(address: Address) -> IPv4Address | None:
    """The address of IPv4 that one of IPv6 stands for."""
    if isinstance(address, IPv4Address):
        return None
    if (
        address in _NAT64
        or address in _TRANSLATED
        or (int(address) >> 32 == 0 and int(address) > 1)
    ):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = None if address.teredo is None else address.teredo[1]
    return address.ipv4_mapped or address.sixtofour or teredo


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address, or one of IPv4 inside of it, is of one of these networks."""
    inner = _inner(address)
    seen = address if inner is None else inner
    return any(seen.version == network.version and seen in network for network in networks)


def _parts(url: str) -> tuple[bool, str, int, str]:
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise InputError(f"a webhook's url must be up to {_LONGEST_URL} characters of ASCII")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError("a webhook's url must be an https address, this is none") from error
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise InputError("a webhook's url must be an https address, this is none")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InputError("a webhook's url must have no user, password or fragment")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return secure, parts.hostname, port or (443 if secure else 80), path
