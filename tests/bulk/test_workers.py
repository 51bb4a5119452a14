import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.bulk.test_embedding import children

from vultus.bulk.workers import (
    Outcome,
    Task,
    TlsFiles,
    Workers,
    _Watch,
    check_version,
    open_workers,
)
from vultus.core.errors import InputError, ProviderError


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://10.1.2.3:8786", "another machine without encryption"),
        ("tcp://scheduler.example:8786", "another machine without encryption"),
        ("tls://scheduler.example:8786", "needs certificates"),
        ("http://127.0.0.1:8786", "must be like tls://"),
        ("127.0.0.1:8786", "must be like tls://"),
        ("tcp://127.0.0.1", "must be like tls://"),
        ("tcp://127.0.0.1:port", "must be like tls://"),
    ],
)
def test_an_address_that_is_not_safe_is_refused_before_anything_is_sent(
    address: str, words: str
) -> None:
    with pytest.raises(InputError, match=words), open_workers(address=address):
        pass


def test_two_answers_to_who_does_it_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="not both"),
        open_workers(n=2, address="tcp://127.0.0.1:1"),
    ):
        pass
    with pytest.raises(InputError, match="at least 1"), open_workers(n=0):
        pass
    with pytest.raises(InputError, match="ca must be a PEM file"):
        TlsFiles(ca=tmp_path / "a", cert=tmp_path / "b", key=tmp_path / "c")


def test_nobody_at_an_address_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vultus.bulk.workers._CONNECT_S", 0.5)
    with (
        pytest.raises(ProviderError, match="no Dask scheduler answers"),
        open_workers(address="tcp://127.0.0.1:9"),
    ):
        pass


def test_work_of_another_version_is_refused() -> None:
    with pytest.raises(InputError, match="one version of Vultus"):
        check_version("0.0.0")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_only_this_machine_can_reach_the_processes(two_workers: Workers) -> None:
    pids = [os.getpid(), *children(os.getpid())]
    assert len(pids) > 2
    found = {address for pid in pids for address in listening(pid)}
    assert found
    assert {address.rpartition(":")[0] for address in found} == {"0100007F"}, found
    assert str(two_workers.client.scheduler.address).startswith("tls://127.0.0.1:")


def listening(pid: int) -> set[str]:
    """Addresses on which a process listens, as /proc writes them."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(os.readlink(descriptor))
        except OSError:
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1])
    return found


class FakeClient:
    """Has so many workers."""

    def __init__(self, alive: int) -> None:
        self.alive = alive

    def scheduler_info(self, n_workers: int) -> dict[str, dict[int, None]]:
        return {"workers": dict.fromkeys(range(self.alive))}


class FakeCluster:
    def __init__(self) -> None:
        self.scaled: list[int] = []

    def scale(self, n: int) -> None:
        self.scaled.append(n)


def watch(
    alive: int, n: int, cluster: FakeCluster | None, clock: list[float]
) -> tuple[_Watch, FakeClient]:
    client = FakeClient(alive)
    return _Watch(client, n, cluster, clock=lambda: clock[0]), client


def test_a_process_that_stays_away_is_started_again() -> None:
    cluster, clock = FakeCluster(), [0.0]
    seen, client = watch(1, 2, cluster, clock)
    for clock[0] in (5.0, 10.0, 14.0):
        seen.look()
    assert cluster.scaled == []
    clock[0] = 18.0
    seen.look()
    assert cluster.scaled == [1, 2]
    for clock[0] in (25.0, 35.0, 45.0):  # a busy machine gets twice as long
        seen.look()
    assert cluster.scaled == [1, 2]
    client.alive = 2
    for clock[0] in (50.0, 500.0, 900.0):
        seen.look()
    assert cluster.scaled == [1, 2]


def test_a_cluster_without_workers_is_given_up_and_one_with_fewer_is_not() -> None:
    clock = [0.0]
    seen, client = watch(1, 8, None, clock)
    for clock[0] in (100.0, 300.0, 500.0):
        seen.look()
    client.alive = 0
    clock[0] = 600.0
    seen.look()
    clock[0] = 630.0
    with pytest.raises(ProviderError, match="no workers for 120 s"):
        seen.look()


@pytest.mark.slow
def test_a_cluster_is_asked_by_tls_and_nobody_else_is_let_in(tmp_path: Path) -> None:
    files = certificates(tmp_path)
    others = certificates(tmp_path / "others")
    tls = [*("--tls-ca-file", str(files.ca)), *("--tls-cert", str(files.cert))]
    tls += ["--tls-key", str(files.key)]
    dask = [sys.executable, "-m", "dask"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tls://127.0.0.1:{port}"
    scheduler = [*dask, "scheduler", "--protocol", "tls", "--host", "127.0.0.1"]
    scheduler += ["--port", str(port), "--dashboard-address", "127.0.0.1:0", *tls]
    worker = [*dask, "worker", address, "--nthreads", "1", "--host", "127.0.0.1"]
    worker += ["--dashboard-address", "127.0.0.1:0", *tls]
    with running(scheduler, tmp_path / "scheduler.log"), running(worker, tmp_path / "worker.log"):
        wait_for(tmp_path / "worker.log", "Registered to:")
        with open_workers(address=address, tls=files) as workers:
            assert workers.n == 1
            outcomes: list[Outcome] = []

            def after(outcome: Outcome) -> list[Task]:
                outcomes.append(outcome)
                return []

            workers.run(iter([(n, ([n, n],)) for n in range(5)]), sum, after=after)
            assert sorted((o.key, o.value) for o in outcomes) == [(n, 2 * n) for n in range(5)]
        no_answer = "no Dask scheduler answers"
        strangers = open_workers(address=address, tls=others)
        with pytest.raises(ProviderError, match=no_answer), strangers:
            pass
        plain = open_workers(address=f"tcp://127.0.0.1:{port}")
        with pytest.raises(ProviderError, match=no_answer), plain:
            pass


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as stream, subprocess.Popen(command, stderr=stream) as process:
        try:
            yield
        finally:
            process.terminate()


def wait_for(log: Path, words: str) -> None:
    end = time.monotonic() + 90
    while words not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def certificates(folder: Path) -> TlsFiles:
    """An authority and a certificate that it signed."""
    folder.mkdir(exist_ok=True)
    own, authority = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.now(UTC)

    def signed(name: str, key: ec.EllipticCurvePublicKey, *, ca: bool) -> bytes:
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(authority, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    paths = [folder / name for name in ("ca.pem", "own.pem", "own.key")]
    paths[0].write_bytes(signed("authority", authority.public_key(), ca=True))
    paths[1].write_bytes(signed("worker", own.public_key(), ca=False))
    key = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    paths[2].write_bytes(key)
    return TlsFiles(ca=paths[0], cert=paths[1], key=paths[2])
