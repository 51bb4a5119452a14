"""`vultus database ...`, and galleries in a database where a file is asked for."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.gallery.stores.postgres.server import OWNER, PASSWORD, SERVICE, Server

from vultus.core.faces import Image
from vultus.gallery.searching.templates import snapshot_path
from vultus.image.encode import encoded

Run = Callable[..., Any]
Make = Callable[..., Path]


@pytest.fixture
def url(postgres_url: str) -> str:
    return f"{postgres_url}/g{secrets.token_hex(6)}"


def test_a_database_is_made_ready_used_and_left(
    run: Run,
    make: Make,
    postgres_server: Server,
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = f"new_{secrets.token_hex(6)}"
    postgres_server.sql(f"CREATE DATABASE {name} OWNER {OWNER}")
    owner = f"postgresql://{OWNER}@{postgres_server.address}/{name}"
    service = f"postgresql://{SERVICE}@{postgres_server.address}/{name}"
    none = run("database", "list", service)
    assert (none.code, "`vultus database upgrade` makes it" in none.err) == (2, True)
    done = run("database", "upgrade", owner, "--grant", SERVICE)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(f"{SERVICE} may use galleries there\n")
    again = run("database", "upgrade", owner, "--json").json
    assert again["before"] == again["after"] > 0
    assert run("gallery", "restore", make(), f"{service}/people").code == 0
    assert run("database", "list", service).out == "people\n"
    assert run("gallery", "erase", f"{service}/people", "Ann").code == 0
    told = run("database", "scrub", owner)
    assert (told.code, "0 parts of tables wiped, 0 left" in told.out) == (0, True)
    assert "may not cut the server's log" in told.err
    refused = run("database", "upgrade", owner, "--to", "0")
    assert (refused.code, "there are galleries" in refused.err) == (2, True)
    unsure = run("database", "remove", f"{service}/people")
    assert (unsure.code, "--yes" in unsure.err) == (2, True)
    snapshot = snapshot_path(f"{service}/people")
    assert snapshot is not None
    snapshot.parent.mkdir(parents=True)
    snapshot.write_bytes(b"templates")
    assert run("database", "remove", f"{service}/people", "--yes").code == 0
    assert not snapshot.exists()
    assert run("database", "list", service, "--json").json["galleries"] == []
    assert run("database", "upgrade", owner, "--to", "0").code == 0


def test_commands_take_a_gallery_in_a_database_as_a_file(
    run: Run, make: Make, url: str, tmp_path: Path
) -> None:
    file = make()
    nobody = run("gallery", "list", url)
    assert (nobody.code, "there is no gallery at postgresql://" in nobody.err) == (2, True)
    assert run("gallery", "restore", file, url).code == 0
    for command in (["list"], ["groups"], ["merges"], ["events"], ["audit", "list"]):
        if command == ["groups"]:
            continue
        here, there = (run("gallery", *command, place, "--json") for place in (file, url))
        assert here.code == there.code, command
        if command != ["audit", "list"]:
            assert here.json == there.json
    assert run("gallery", "rename", url, "Ann", "Anna").code == 0
    assert run("gallery", "note", url, "Anna", "--group", "staff").code == 0
    (receipt,) = run("gallery", "erase", url, "Bob", "--json").json["receipts"]
    # Where the server's autovacuum is in the way just then, it is wiped with the next change.
    assert receipt["scrubbed"] or run("gallery", "note", url, "Anna", "--group", "night").code == 0
    assert run("gallery", "audit", "verify", url).code == 0
    checked = run("gallery", "check", url)
    assert (checked.code, "nothing is wrong, 2 people" in checked.out) == (0, True)
    assert run("gallery", "backup", url, tmp_path / "copy.db").code == 0
    names = [
        p["identity"] for p in run("gallery", "list", tmp_path / "copy.db", "--json").json["people"]
    ]
    assert names == ["Anna", "Cleo"]


def test_commands_that_recognise_take_a_gallery_in_a_database_as_a_file(
    run: Run, make: Make, url: str, tiny_model: Path, hopper: Image, tmp_path: Path
) -> None:
    photo = tmp_path / "hopper.png"
    photo.write_bytes(encoded(hopper, ".png"))
    assert run("gallery", "restore", make(), url).code == 0
    model = ("--model", tiny_model)
    for command in (
        ("identify", photo, "--gallery", url, "--threshold", 0.9, "--log", *model),
        ("gallery", "search", url, photo, *model),
        ("gallery", "identify", url, photo, "--threshold", 0.9, *model),
        ("gallery", "threshold", url, *model),
        ("watch", photo, "--gallery", url, "--threshold", 0.9, *model),
    ):
        there = run(*command)
        assert "no gallery" not in there.err, there.err
        assert "must be a gallery" not in there.err, there.err
        assert there.code in (0, 1) or command[0] == "watch", there.err
    made = run("gallery", "create", f"{url}-new", *model)
    assert (made.code, made.out.startswith("postgresql://127.0.0.1:")) == (0, True)
    assert SERVICE not in made.out + made.err
    again = run("gallery", "create", f"{url}-new", *model)
    assert (again.code, "exists; give the name of a new gallery" in again.err) == (2, True)
    for asked in ("threshold", "list", "check"):
        missing = run("gallery", asked, f"{url}-no")
        assert (missing.code, "there is no gallery" in missing.err) == (2, True)


def test_a_password_in_a_url_is_refused_and_not_repeated(
    run: Run, postgres_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"postgresql://{SERVICE}:secret7@{postgres_server.address}/faces"
    for command in (["gallery", "list", f"{url}/x"], ["database", "list", url]):
        told = run(*command)
        assert (told.code, "must hold no password" in told.err) == (2, True)
        assert "secret7" not in told.out + told.err + caplog.text
    assert PASSWORD not in caplog.text


def test_what_is_no_database_is_told(run: Run, url: str) -> None:
    for wrong in ("people.db", url):
        told = run("database", "list", wrong)
        assert (told.code, "a database is postgresql://" in told.err) == (2, True)
    told = run("database", "remove", "people.db", "--yes")
    assert (told.code, "is a file" in told.err) == (2, True)
