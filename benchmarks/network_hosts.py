"""Hosts of a benchmark on one machine: network namespaces on a bridge, links that can be cut."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BRIDGE = "vxbr"
_NOBODY = "02:00:00:00:00:99"


class Hosts:
    """Namespaces ``vx-NAME`` with an address each; taken away by `close`.

    Args:
        names: Of the hosts.
        network: The first three parts of their addresses.
    """

    def __init__(self, names: tuple[str, ...], *, network: str = "10.77.0") -> None:
        self.names, self.network = names, network
        self.close()
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{network}.254/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        for name in names:
            _ip("netns", "add", f"vx-{name}")
            _ip("link", "add", self._outside(name), "type", "veth", "peer", "name", "eth0",
                "netns", f"vx-{name}")  # fmt: skip
            _ip("link", "set", self._outside(name), "master", _BRIDGE, "up")
            for words in (
                ("link", "set", "lo", "up"),
                ("addr", "add", f"{self.address(name)}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
            ):
                self._inside(name, *words)

    def address(self, name: str) -> str:
        """Of a host."""
        return f"{self.network}.{self.names.index(name) + 1}"

    def within(self, name: str) -> tuple[str, ...]:
        """Words before a command that is to run on a host."""
        return ("ip", "netns", "exec", f"vx-{name}")

    @contextmanager
    def cut_off(self, name: str) -> Iterator[None]:
        """Nothing reaches a host, and nothing comes from it."""
        _ip("link", "set", self._outside(name), "nomaster")
        try:
            yield
        finally:
            _ip("link", "set", self._outside(name), "master", _BRIDGE)

    @contextmanager
    def cut(self, one: str, other: str) -> Iterator[None]:
        """What one host sends to the other is lost, without a word, both ways."""
        pairs = ((one, other), (other, one))
        for here, there in pairs:
            self._inside(here, "neigh", "replace", self.address(there), "lladdr", _NOBODY, "dev",
                         "eth0", "nud", "permanent")  # fmt: skip
        try:
            yield
        finally:
            for here, there in pairs:
                self._inside(here, "neigh", "del", self.address(there), "dev", "eth0")

    def close(self) -> None:
        """Take all away; what runs there must have ended."""
        for name in self.names:
            for words in (("link", "del", self._outside(name)), ("netns", "del", f"vx-{name}")):
                with suppress(RuntimeError):
                    _ip(*words)
        with suppress(RuntimeError):
            _ip("link", "del", _BRIDGE)

    def _inside(self, name: str, *words: str) -> None:
        _ip("-n", f"vx-{name}", *words)

    def _outside(self, name: str) -> str:
        return f"vx{self.names.index(name)}"


def can_make_hosts() -> bool:
    """Whether this user may make them here."""
    if sys.platform != "linux":
        return False
    try:
        _ip("netns", "add", "vx-try")
        _ip("netns", "del", "vx-try")
    except (RuntimeError, OSError):
        return False
    return True


def _ip(*words: str) -> None:
    for last in (False, True):
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
        if not done.returncode:
            return
        if last or "busy" not in done.stderr:
            raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
        time.sleep(0.2)
