"""The processes that do the work: some of this machine, or those of a Dask cluster."""

import copy
import ipaddress
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, Security, as_completed

from vultus import __version__
from vultus.core.checks import check_positive_int, check_range
from vultus.core.choices import DEFAULT_HANGS_AFTER_S
from vultus.core.errors import InputError, ProviderError

_CONNECT_S = 30.0
_POLL_S = 0.02
_LOOK_S = 3.0
_PATIENCE_S, _LOCAL_PATIENCE_S = 120.0, 15.0
_AHEAD = 2
"""Tasks a worker, so that none waits for the next; the rest stays here."""

_LOCAL: dict[str, Any] = {
    # No pages for whoever can reach a port of this machine.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # Nobody reads what Dask measures of itself, many times a second.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    # A task that was running when so many workers died in a row is looked into, see `embedding`.
    "distributed.scheduler.allowed-failures": 1,
    # Whole, without Dask's MALLOC_TRIM_THRESHOLD_: memory that is given back after each batch has
    # to be got again for the next, a sixth of the time of embedding.
    "distributed.nanny.pre-spawn-environ": {
        "OMP_NUM_THREADS": 1,
        "OPENBLAS_NUM_THREADS": 1,
        "MKL_NUM_THREADS": 1,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Certificates for a cluster that both sides prove to each other who they are with.

    Attributes:
        ca: The authority that signed all of them, PEM.
        cert: This process's certificate, PEM.
        key: Its private key, PEM.
    """

    ca: Path
    cert: Path
    key: Path

    def __post_init__(self) -> None:
        for name in ("ca", "cert", "key"):
            if not Path(getattr(self, name)).is_file():
                raise InputError(
                    f"{name} must be a PEM file, there is none at {getattr(self, name)}"
                )


Task = tuple[Any, Sequence[Any]]
"""What it is called when it ended, and the arguments of the function."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Attributes:
        key: As it was handed in.
        value: What it gave; None where it did not.
        killed: Whether every process that worked on it died.
    """

    key: Any
    value: Any
    killed: bool = False


class Workers:
    """Processes that take tasks; `open_workers` gives them.

    Attributes:
        n: How many there were in the beginning.
        hangs_after_s: A process that gets through no item of a part for so long hangs.
    """

    hangs_after_s = DEFAULT_HANGS_AFTER_S

    def __init__(self, client: Client, n: int, *, cluster: LocalCluster | None = None) -> None:
        self.client = client
        self.n = n
        self._cluster = cluster

    def run(
        self,
        tasks: Iterator[Task],
        function: Callable[..., Any],
        *,
        after: Callable[[Outcome], Sequence[Task]],
    ) -> None:
        """Run a function on many arguments; only some tasks are handed out at a time.

        Args:
            tasks: Key and arguments of each task, consumed as processes become free.
            function: Called with the arguments, in another process.
            after: Told how each task ended, in the order in which they do; gives tasks that are to
                be run next.

        Raises:
            Exception: What a task raised.
            ProviderError: If the cluster is gone.
        """
        flying: dict[Future, Any] = {}
        done = as_completed([], loop=self.client.loop, raise_errors=False)
        first: list[Task] = []

        def fill() -> None:
            while len(flying) < _AHEAD * max(1, self.n):
                task = first.pop(0) if first else next(tasks, None)
                if task is None:
                    return
                future = self.client.submit(function, *task[1], pure=False, retries=0)
                flying[future] = task[0]
                done.add(future)

        try:
            fill()
            watch = _Watch(self.client, self.n, self._cluster)
            while flying:
                while not done.has_ready():
                    time.sleep(_POLL_S)
                    watch.look()
                future = next(done)
                first += after(_outcome(future, flying.pop(future)))
                fill()
        finally:
            self.client.cancel(list(flying), force=True)


class _Watch:
    """Sees to it that somebody is there to work.

    Dask starts a process of this machine again that died, but for one that died while it was being
    started: that is what a task does which kills at once.
    """

    def __init__(
        self,
        client: Client,
        n: int,
        cluster: LocalCluster | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.client = client
        self.n = n
        self.cluster = cluster
        self.patience_s = _PATIENCE_S if cluster is None else _LOCAL_PATIENCE_S
        self.looked = self.complete = clock()

    def look(self) -> None:
        """Count the workers now and then.

        Raises:
            ProviderError: If a cluster has had none for long.
        """
        now = self.clock()
        if now - self.looked < _LOOK_S:
            return
        self.looked = now
        alive = len(self.client.scheduler_info(n_workers=-1)["workers"])
        if alive >= self.n or (alive and self.cluster is None):
            self.complete = now
        elif now - self.complete >= self.patience_s:
            if self.cluster is None:
                raise ProviderError(
                    f"the cluster has had no workers for {self.patience_s:.0f} s; start some, "
                    "then run it again: it goes on where it was"
                )
            self.cluster.scale(alive)  # forgets those that are not there
            self.cluster.scale(self.n)
            self.complete = now
            self.patience_s *= 2  # a busy machine may take long to start one


def _outcome(future: Future, key: Any) -> Outcome:
    if future.status == "cancelled":
        raise ProviderError("the cluster's scheduler is gone; start it again, then go on")
    error = future.exception() if future.status == "error" else None
    if isinstance(error, KilledWorker):
        return Outcome(key, None, killed=True)
    if error is not None:
        raise error
    outcome = Outcome(key, future.result())
    future.release()
    return outcome


@contextmanager
def open_workers(
    *,
    n: int | None = None,
    address: str | None = None,
    tls: TlsFiles | None = None,
    insecure: bool = False,
    hangs_after_s: float = DEFAULT_HANGS_AFTER_S,
) -> Iterator[Workers]:
    """Start processes on this machine, or connect to a cluster that runs.

    Those of this machine listen on 127.0.0.1 only and talk by TLS with certificates of their own,
    made for this run: whoever reaches a worker of Dask can make it run anything.

    Args:
        n: How many processes on this machine; None for one, if there is no ``address``.
        address: Of a scheduler: ``tls://host:8786``, or ``tcp://127.0.0.1:8786``.
        tls: Certificates, needed for ``tls://``.
        insecure: Talk to another machine by ``tcp://`` all the same: anybody who can reach its
            ports can run code there and here.
        hangs_after_s: A process that gets through no photo for so long is taken to hang: it ends,
            and what it hung on is looked for as what kills. From 1 to 1e6.

    Yields:
        The workers; those of this machine end with the block.

    Raises:
        InputError: If both or neither make sense, or the address is not safe.
        ProviderError: If nobody answers there.
    """
    check_range("hangs_after_s", hangs_after_s, low=1.0, high=1e6)
    if n is not None and address is not None:
        raise InputError("give a number of processes or the address of a cluster, not both")
    if address is None:
        check_positive_int("n", 1 if n is None else n)
        with _local(n or 1) as workers:
            workers.hangs_after_s = hangs_after_s
            yield workers
        return
    security = _security(address, tls, insecure=insecure)
    try:
        client = Client(address, security=security, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ProviderError(
            f"no Dask scheduler answers at {address}; start one with `dask scheduler` and "
            f"workers with `dask worker` ({type(error).__name__})"
        ) from error
    with client:
        n_workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if not n_workers:
            raise ProviderError(
                f"the cluster at {address} has no workers; start some: `dask worker {address}`"
            )
        workers = Workers(client, n_workers)
        workers.hangs_after_s = hangs_after_s
        yield workers


@contextmanager
def _local(n: int) -> Iterator[Workers]:
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(copy.deepcopy(_LOCAL)))
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="vultus-bulk-"))
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=n,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                protocol="tls://",
                security=Security.temporary(),
                dashboard_address="127.0.0.1:0",
                memory_limit=0,
                local_directory=scratch,
                silence_logs=logging.CRITICAL,
            )
        )
        client = stack.enter_context(Client(cluster, set_as_default=False))
        yield Workers(client, n, cluster=cluster)


def _security(address: str, tls: TlsFiles | None, *, insecure: bool) -> Security | None:
    try:
        parts = urlsplit(address)
        host, known = parts.hostname, bool(parts.port)
    except ValueError:
        host, known = None, False
    if parts.scheme not in ("tcp", "tls") or not host or not known:
        raise InputError(
            f"a cluster's address must be like tls://host:8786 or tcp://127.0.0.1:8786, "
            f"got {address!r}"
        )
    if parts.scheme == "tls":
        if tls is None:
            raise InputError("tls:// needs certificates: give ca, cert and key")
        files = {"tls_ca_file": str(tls.ca)}
        for role in ("client", "scheduler", "worker"):
            files |= {f"tls_{role}_cert": str(tls.cert), f"tls_{role}_key": str(tls.key)}
        return Security(require_encryption=True, **files)
    if tls is not None:
        raise InputError("certificates are of use with tls:// only, got tcp://")
    if not (_is_loopback(host) or insecure):
        raise InputError(
            f"{address} is another machine without encryption: whoever reaches its ports can run "
            "code there and here; use tls:// with certificates, or say that it is insecure"
        )
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_version(version: str) -> None:
    """In a worker: refuse work that another version of Vultus handed out.

    Raises:
        InputError: If the versions differ.
    """
    if version != __version__:
        raise InputError(
            f"all machines must have one version of Vultus: a worker has {__version__}, who hands "
            f"out the work {version}"
        )
