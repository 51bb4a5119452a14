"""One message posted to a webhook: to the address that was checked, and nowhere else."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vultus.core.errors import InputError
from vultus.server.webhooks.addresses import Network, Target, find_target

_LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message.

    Attributes:
        status: Of the answer; None if there was none.
        error: In a word or two; None if it was taken.
        ms: How long it took.
        wait_s: How long the receiver asks to be left alone, in seconds; None if it does not.
    """

    status: int | None
    error: str | None
    ms: int
    wait_s: float | None = None


class _Connection(http.client.HTTPConnection):
    """Goes to an address that was checked, whatever its name leads to by now."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        super().__init__(target.host, target.port, timeout=timeout_s)
        self._target, self._timeout_s = target, timeout_s
        if target.secure:
            self.default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        place = str(self._target.address), self._target.port
        self.sock = socket.create_connection(place, self._timeout_s)
        if self._target.secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self._target.host)

    def cut(self) -> None:
        """End it from another thread."""
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def send(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    networks: Sequence[Network],
    timeout_s: float,
) -> Sent:
    """Post a message. No redirect is followed, no proxy asked, and the answer is not read.

    Args:
        url: Where to.
        body: What.
        headers: To send along.
        networks: As `find_target`.
        timeout_s: How long it may take in all, in seconds.
    """
    start = time.monotonic()
    status, error, wait_s = None, None, None
    try:
        status, wait_s = _posted(find_target(url, networks), body, headers, timeout_s)
        if not 200 <= status < 300:
            error = f"status {status}"
    except InputError as refusal:
        error = str(refusal)
    except ssl.SSLError:
        error = "no TLS connection with a certificate that is trusted"
    except TimeoutError:
        error = "no answer in time"
    except (OSError, http.client.HTTPException, ValueError):
        error = "no connection, or no answer of HTTP"
    return Sent(status, error, round(1000 * (time.monotonic() - start)), wait_s)


def _posted(
    target: Target, body: bytes, headers: Mapping[str, str], timeout_s: float
) -> tuple[int, float | None]:
    connection = _Connection(target, timeout_s)
    # A receiver that sends a byte now and then would never be late for the socket.
    end = threading.Timer(timeout_s, connection.cut)
    end.daemon = True
    end.start()
    try:
        connection.request("POST", target.path, body, dict(headers))
        answer = connection.getresponse()
        told = answer.getheader("Retry-After", "")
        wait_s = min(float(told), _LONGEST_WAIT_S) if told.isdecimal() else None
        return answer.status, wait_s
    finally:
        end.cancel()
        connection.close()
