"""How a download connects: https only, quick to give up on a host that does not answer."""

import errno
import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import TypeGuard
from urllib.parse import urlsplit

from vultus.core.errors import DownloadError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


def make_opener(connect_timeout_s: float) -> urllib.request.OpenerDirector:
    """What opens addresses: redirects stay safe, connecting takes this many seconds at most."""
    return urllib.request.build_opener(
        _SafeRedirects, _Http(connect_timeout_s), _Https(connect_timeout_s)
    )


def check_url(url: str, *, plain_allowed: bool) -> None:
    """Refuse what is not https.

    Args:
        url: The address.
        plain_allowed: Whether plain http from this machine itself (loopback) will do.

    Raises:
        DownloadError: If it may not be opened.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if plain_allowed and parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return
    raise DownloadError(f"a model's address must be https://..., got {url!r}; it was not opened")


def is_unreachable(error: Exception) -> TypeGuard[urllib.error.URLError]:
    """Whether no connection could be made: no such name, no way there, nobody listening."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else None
    return isinstance(reason, (socket.gaierror, TimeoutError, ConnectionRefusedError)) or (
        isinstance(reason, OSError)
        and (reason.errno in _NO_WAY or str(reason).startswith("Tunnel connection failed"))
    )


class _QuickToConnect:
    """Makes the connections of a handler give up sooner while they are being made."""

    def __init__(self, connect_timeout_s: float) -> None:
        super().__init__()
        self._connect_timeout_s = connect_timeout_s

    def _made_by(
        self, kind: type[http.client.HTTPConnection]
    ) -> Callable[..., http.client.HTTPConnection]:
        connect_timeout_s = self._connect_timeout_s

        class Connection(kind):  # type: ignore[misc,valid-type]
            timeout: float

            def connect(self) -> None:
                patience, self.timeout = self.timeout, min(connect_timeout_s, self.timeout)
                super().connect()
                self.timeout = patience
                self.sock.settimeout(patience)

        return Connection


class _Http(_QuickToConnect, urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._made_by(http.client.HTTPConnection), req)


class _Https(_QuickToConnect, urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._made_by(http.client.HTTPSConnection), req)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only; plain http only from loopback to loopback."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: object,
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        check_url(newurl, plain_allowed=req.type == "http")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
