"""Why a database cannot be reached is told in a line, and never the password."""

import logging
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from tests.gallery.stores.postgres.server import PASSWORD, SERVICE, Server

from vultus.core.errors import ConfigError, GalleryError, GalleryUnreachableError
from vultus.gallery.stores.places import DatabasePlace, place_of
from vultus.gallery.stores.postgres.connecting import conninfo
from vultus.gallery.stores.postgres.store import PostgresStore

pytestmark = pytest.mark.usefixtures("postgres_url")


def refused(url: str) -> str:
    with pytest.raises((GalleryError, ConfigError)) as caught:
        PostgresStore(url, create=True)
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.__cause__ is None or "\n" not in str(caught.value.__cause__)
    return text


def test_who_is_not_let_in_is_told_without_the_password(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"postgresql://{SERVICE}@{postgres_server.address}/faces/x"
    monkeypatch.setenv("PGPASSWORD", "a-wrong-secret")
    with caplog.at_level(logging.DEBUG):
        text = refused(url)
    assert "the password is wrong or missing; set PGPASSWORD" in text
    assert "a-wrong-secret" not in text + caplog.text
    monkeypatch.delenv("PGPASSWORD")
    assert "the password is wrong or missing" in refused(url)


def test_the_password_may_come_from_a_file(
    postgres_server: Server, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    file = tmp_path / "secret"
    monkeypatch.setenv("VULTUS_POSTGRES_PASSWORD_FILE", str(file))
    url = f"{postgres_url}/g{secrets.token_hex(6)}"
    assert "cannot be read (No such file" in refused(url)
    file.write_text(PASSWORD + "\n")
    store = PostgresStore(url, create=True)
    assert store.people() == []
    store.close()


def test_the_password_is_in_no_list_of_processes(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys, time; from vultus.gallery.stores.postgres.store import PostgresStore\n"
        "s = PostgresStore(sys.argv[1], create=True); print(s.people(), flush=True)\n"
        "sys.stdin.readline(); s.close()"
    )
    url = f"{postgres_url}/g{secrets.token_hex(6)}"
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code, url], stdin=pipe, stdout=pipe, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "[]\n"
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
        child.communicate("\n")
    assert any(url.encode() in line for line in lines)
    assert not any(PASSWORD.encode() in line for line in lines)


def test_what_is_not_there_is_told(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = f"postgresql://{SERVICE}@127.0.0.1:1/faces/x"
    assert "cannot be reached" in refused(nobody)
    with pytest.raises(GalleryUnreachableError):
        PostgresStore(nobody)
    assert "cannot be reached" in refused(f"postgresql://{SERVICE}@no-host.invalid/faces/x")
    absent = f"postgresql://{SERVICE}@{postgres_server.address}/no_such/x"
    with pytest.raises(GalleryError) as caught:
        PostgresStore(absent)
    assert not isinstance(caught.value, GalleryUnreachableError)  # it does not pass by itself
    told = refused(absent)
    assert 'database "no_such" does not exist' in told
    told = refused(f"postgresql://{SERVICE}@{postgres_server.address}/faces/x?sslmode=verify-full")
    assert "cannot be reached" in told
    told = refused(f"postgresql://{SERVICE}@{postgres_server.address}/faces/x?no_option=1")
    assert "cannot be opened so" in told
    monkeypatch.setenv("VULTUS_POSTGRES_CONNECTIONS", "many")
    told = refused(f"postgresql://{SERVICE}@{postgres_server.address}/faces/x")
    assert "1 to 1000, got 'many'" in told


@pytest.mark.parametrize(
    ("url", "sealed"),
    [
        ("postgresql://db.example/d/x", True),
        ("postgresql://127.0.0.1,db.example:5433/d/x", True),
        ("postgresql://127.0.0.1:5433/d/x", False),
        ("postgresql://[::1]:5433/d/x", False),
        ("postgresql:///d/x", False),
    ],
)
def test_what_crosses_a_network_is_encrypted(url: str, sealed: bool) -> None:
    place = place_of(url)
    assert isinstance(place, DatabasePlace)
    assert ("sslmode=require" in conninfo(place)) is sealed
    chosen = place_of(f"{url}?sslmode=verify-full")
    assert isinstance(chosen, DatabasePlace)
    assert "sslmode=verify-full" in conninfo(chosen)


def test_a_fork_does_not_use_its_parents_connections(postgres_url: str) -> None:
    store = PostgresStore(f"{postgres_url}/g{secrets.token_hex(6)}", create=True)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            store.people()
        except GalleryError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert b"open it again here" in os.read(reader, 1000)
    assert store.people() == []
    store.close()
    os.close(reader)
    os.close(writer)
