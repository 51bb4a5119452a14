"""Addresses of cameras and streams, told without what opens them."""

import re
from urllib.parse import urlsplit, urlunsplit

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp", "tcp", "srt")

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")


def scheme_of(text: str) -> str | None:
    """The scheme of an address in small letters; None for what is a path.

    Example:
        >>> scheme_of("RTSP://camera/1"), scheme_of("clip.mkv")
        ('rtsp', None)
    """
    found = _SCHEME.match(text)
    return None if found is None else found[1].lower()


def public_address(address: str) -> str:
    """An address without user, password, query and fragment, each of which may hold a secret.

    Example:
        >>> public_address("rtsp://admin:s3cret@10.0.0.7:554/door?token=abc")
        'rtsp://10.0.0.7:554/door'
    """
    scheme, rest = address.split("://", 1)
    # A password may hold what ends a host elsewhere: all up to the last @ before the query is one.
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    if "@" in rest:
        place = re.split(r"[?#]", rest.rpartition("@")[2], maxsplit=1)[0]
    parts = urlsplit(f"{scheme.lower()}://{place}")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
