"""What only SQLite does: its files, their modes, what is left in them."""

import dataclasses
import multiprocessing
import os
import secrets
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from vultus.core.errors import GalleryError
from vultus.gallery.stores import sqlite_file
from vultus.gallery.stores.base import ItemRow, PersonRow
from vultus.gallery.stores.event_rows import EventFilter
from vultus.gallery.stores.sqlite import SqliteStore
from vultus.gallery.stores.sqlite_schema import SCHEMA_VERSION, UPGRADES, file_version

NOW = "2026-11-30T00:00:00+00:00"


def add(store: SqliteStore, *, key: bytes | None = None, n_faces: int = 2) -> int:
    uid = secrets.token_bytes(16)
    with store.transaction(write=True):
        person = store.add_key(uid, secrets.token_bytes(60) if key is None else key)
        store.add_person(
            PersonRow(
                id=person,
                uid=uid,
                name_tag=secrets.token_bytes(32),
                external_tag=None,
                n_faces=0,
                enrolled_at=NOW,
                expires_at=None,
                record=secrets.token_bytes(300),
            )
        )
        store.set_template(person, secrets.token_bytes(540), before=b"")
        store.add_faces(person, {i: secrets.token_bytes(600) for i in range(n_faces)})
    return person


def erase(store: SqliteStore, person: int) -> None:
    with store.transaction(write=True):
        store.erase_person(person, before=b"")


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


def test_no_byte_of_a_destroyed_key_is_left_after_mixed_enrolments_and_erasures(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    store = SqliteStore(tmp_path / "g.db", create=True)
    alive: dict[int, bytes] = {}
    gone: list[bytes] = []
    for _ in range(200):
        if alive and rng.random() < 0.4:
            person = int(rng.choice(list(alive)))
            if rng.random() < 0.5:
                erase(store, person)
                gone.append(alive.pop(person))
            else:  # a new key for the same person
                gone.append(alive[person])
                alive[person] = secrets.token_bytes(60)
                with store.transaction(write=True):
                    store.set_key(person, alive[person])
            assert store.scrub()
        else:
            key = secrets.token_bytes(60)
            alive[add(store, key=key, n_faces=int(rng.integers(0, 9)))] = key
    disk = bytes_on_disk(tmp_path)
    # Any eight bytes of a key are enough to know it.
    assert sum(key[i : i + 8] in disk for key in gone for i in range(0, 53, 4)) == 0
    assert all(key in disk for key in alive.values())
    assert len(gone) > 50
    store.close()


def test_without_the_scrub_the_key_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteStore, "scrub", lambda self: False)
    store = SqliteStore(tmp_path / "g.db", create=True)
    key = secrets.token_bytes(60)
    erase(store, add(store, key=key))
    assert key in bytes_on_disk(tmp_path)
    monkeypatch.undo()
    assert store.scrub()
    assert key not in bytes_on_disk(tmp_path)
    store.close()


def test_a_scrub_that_a_reader_delayed_is_done_by_the_next_write(tmp_path: Path) -> None:
    store, reader = SqliteStore(tmp_path / "g.db", create=True), SqliteStore(tmp_path / "g.db")
    key = secrets.token_bytes(60)
    person = add(store, key=key)
    with reader.transaction():
        assert len(reader.people()) == 1
        erase(store, person)
        assert key in bytes_on_disk(tmp_path)
    add(store)
    assert key not in bytes_on_disk(tmp_path)
    store.close()
    reader.close()


def test_an_interrupted_scrub_is_done_by_the_next_opening(tmp_path: Path) -> None:
    key = secrets.token_bytes(60)
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_sqlite import add, erase
from vultus.gallery.stores.sqlite import SqliteStore
store = SqliteStore({str(tmp_path / "g.db")!r}, create=True)
SqliteStore.scrub = lambda self: False
erase(store, add(store, key=bytes.fromhex({key.hex()!r})))
os.kill(os.getpid(), {int(signal.SIGKILL)})
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert key in bytes_on_disk(tmp_path)
    store = SqliteStore(tmp_path / "g.db")
    assert key not in bytes_on_disk(tmp_path)
    store.close()


def test_all_files_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(tmp_path / "g.db", create=True)
        add(store)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"g.db": 0o600, "g.db-wal": 0o600, "g.db-shm": 0o600}
    store.close()
    assert [file.name for file in tmp_path.iterdir()] == ["g.db"]


def test_every_promise_about_the_disk_is_switched_on(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "g.db", create=True)
    wanted = {
        "journal_mode": "wal",
        "secure_delete": 1,
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
        "temp_store": 2,
        "cell_size_check": 1,
    }
    assert {name: (store._row(f"PRAGMA {name}") or ())[0] for name in wanted} == wanted
    store.close()


def test_a_missing_file_is_not_made_unless_asked_for(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match=r"there is no gallery at .*typo\.db"):
        SqliteStore(tmp_path / "typo.db")
    with pytest.raises(GalleryError, match="make it first"):
        SqliteStore(tmp_path / "nowhere" / "g.db", create=True)
    with pytest.raises(GalleryError, match="not a file"):
        SqliteStore(tmp_path, create=True)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_becomes_a_gallery(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    path.touch()  # what a process killed while making one leaves
    with pytest.raises(GalleryError, match="there is no gallery"):
        SqliteStore(path)
    SqliteStore(path, create=True).close()
    SqliteStore(path).close()


def test_a_path_with_odd_characters_works_and_a_link_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=ro&b#c %20é.db"
    SqliteStore(path, create=True).close()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    link = tmp_path / "link"
    link.symlink_to(path)
    store = SqliteStore(link)
    erase(store, add(store))
    assert store.scrub()
    store.close()
    assert {file.name for file in tmp_path.iterdir()} == {path.name, "link"}


def foreign_sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE people (name TEXT)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "make",
    [
        foreign_sqlite,
        lambda path: path.write_text("Dear diary, " * 500),
        lambda path: path.write_bytes(b"SQLite format 3\0" + b"\x07" * 5000),
        lambda path: path.write_bytes(b"x"),
        lambda path: path.write_bytes(b"SQLite format 3\0"),
    ],
    ids=["another SQLite file", "text", "garbage behind the header", "one byte", "a header"],
)
@pytest.mark.parametrize("create", [False, True])
def test_a_foreign_file_is_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], None], create: bool
) -> None:
    path = tmp_path / "g.db"
    make(path)
    before, when = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(GalleryError, match=r"g\.db is not a Vultus gallery"):
        SqliteStore(path, create=create)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, when)
    assert [file.name for file in tmp_path.iterdir()] == ["g.db"]


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    SqliteStore(path, create=True).close()
    later = (SCHEMA_VERSION + 1, "version of Vultus that made it")
    for version, way in (later, (1, r"Gallery\.open")):
        raw = sqlite3.connect(path)
        raw.execute(f"PRAGMA user_version = {version}")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw.close()
        with pytest.raises(GalleryError, match=rf"format {version}, this Vultus reads \d; .*{way}"):
            SqliteStore(path)


def make_format_2(path: Path) -> bytes:
    """A file as it was before events; gives what it holds of people."""
    with closing(SqliteStore(path, create=True)) as store, store.transaction(write=True):
        key = store.add_key(b"u" * 16, b"w" * 60)
        store.set_meta("fact", b"kept")
        row = ItemRow(id=0, kind="kind", key_id=key, created_at=NOW, expires_at=None, body=b"body")
        store.add_item(row)
        store.add_item(row)
    with closing(sqlite3.connect(path)) as raw:
        for trigger in ("item_added", "item_gone", "item_moved"):
            raw.execute(f"DROP TRIGGER {trigger}")
        for table in ("event_tag_sums", "event_sums", "events", "item_sums"):
            raw.execute(f"DROP TABLE {table}")
        raw.execute("PRAGMA user_version = 2")
        raw.execute("PRAGMA journal_mode = DELETE")
    return path.read_bytes()


def schema_of(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute("SELECT name, sql FROM sqlite_schema ORDER BY 1").fetchall()


def test_a_file_of_format_2_becomes_one_of_this_format(tmp_path: Path) -> None:
    path, new = tmp_path / "g.db", tmp_path / "new.db"
    make_format_2(path)
    SqliteStore(new, create=True).close()
    with closing(SqliteStore(path)) as store:
        assert store.meta("fact") == b"kept"
        assert store.key(1) is not None
        assert len(store.items("kind")) == len(store.items(key_id=1)) == 2
        assert store.events() == []
        assert store.event_position() == 0
        assert store.check() == []
        with store.transaction(write=True):
            store.delete_item(1)
        assert store.check() == []
    assert schema_of(path) == schema_of(new)
    assert file_version(path) == SCHEMA_VERSION


def test_deleting_an_item_walks_through_no_other(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "g.db", create=True)) as store:
        (trigger,) = store._rows("SELECT sql FROM sqlite_schema WHERE name = 'item_gone'")
        for statement in str(trigger[0]).split("BEGIN")[1].split(";")[:-1]:
            told = statement.replace("old.", "").replace("key_id = key_id", "key_id = 7")
            plan = store._rows(
                f"EXPLAIN QUERY PLAN {told.replace('kind = kind', 'kind = 7')}".replace(
                    " - id", " - 1"
                )
            )
            assert [row[3] for row in plan] == [
                "SEARCH item_sums USING PRIMARY KEY (key_id=? AND kind=?)"
            ]


def test_a_file_of_format_3_becomes_one_of_this_format(tmp_path: Path) -> None:
    path, new = tmp_path / "g.db", tmp_path / "new.db"
    make_format_2(path)
    SqliteStore(path).close()
    SqliteStore(new, create=True).close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP TRIGGER item_gone")
        raw.execute(
            "CREATE TRIGGER item_gone AFTER DELETE ON items BEGIN UPDATE item_sums SET n = n - 1,"
            " total = total - old.id WHERE (key_id, kind) IN (VALUES (old.key_id, ''),"
            " (0, old.kind)); END"
        )
        raw.execute("PRAGMA user_version = 3")
        raw.commit()
    with closing(SqliteStore(path)) as store:
        assert len(store.items("kind")) == 2
        with store.transaction(write=True):
            store.delete_item(1)
        assert store.check() == []
    assert schema_of(path) == schema_of(new)
    assert file_version(path) == SCHEMA_VERSION


def test_a_file_of_format_2_that_may_not_be_written_is_read_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "g.db"
    before = make_format_2(path)
    monkeypatch.setattr(os, "access", lambda *args: False)
    with closing(SqliteStore(path)) as store:
        assert store.read_only
        assert store.meta("fact") == b"kept"
        assert store.events() == []
        assert store.events(EventFilter(types=frozenset(["left"]), since="2026")) == []
        assert store.event_by_tag(b"t" * 32) is None
        assert store.event_counts() == {}
        assert len(store.items("kind")) == len(store.items(key_id=1)) == 2
        assert store.check() == []
    assert path.read_bytes() == before


def test_an_upgrade_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "g.db"
    make_format_2(path)
    steps = {2: (*UPGRADES[2], "CREATE TABLE events (nothing)")}
    monkeypatch.setattr(sqlite_file, "UPGRADES", steps)
    with pytest.raises(GalleryError):
        SqliteStore(path)
    monkeypatch.undo()
    assert file_version(path) == 2
    assert "events" not in dict(schema_of(path))


def read_all(path: Path, people: list[int]) -> None:
    with closing(SqliteStore(path)) as store:
        for person in people:
            store.person(person)
            store.faces(person)


def test_damaged_pages_are_reported_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    store = SqliteStore(path, create=True)
    people = [add(store) for _ in range(40)]
    assert store.check() == []
    store.close()
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:8192] + os.urandom(len(whole) - 8192)):
        path.write_bytes(damaged)
        with pytest.raises(GalleryError, match=r"damaged|cannot be used"):
            read_all(path, people)
        assert path.read_bytes() == damaged


def test_text_that_is_none_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    store = SqliteStore(path, create=True)
    with store.transaction(write=True):
        store.set_groups(add(store), ["staff-of-the-house"])
    store.close()
    path.write_bytes(path.read_bytes().replace(b"staff-of", b"staff\xf4of"))
    store = SqliteStore(path)
    with pytest.raises(GalleryError, match="cannot be used: Could not decode"):
        store.group_sizes()
    store.close()
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE meta", b"CREATE TABLE m\xf4ta"))
    with pytest.raises(GalleryError, match=r"damaged|cannot be used"):
        SqliteStore(path)


def test_what_no_longer_adds_up_is_told(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    store = SqliteStore(path, create=True)
    person = add(store)
    store.close()
    raw = sqlite3.connect(path)
    raw.execute("DELETE FROM faces WHERE number = 1")
    raw.execute("UPDATE sizes SET n_people = 5")
    raw.execute("UPDATE people SET record = 'text'")
    raw.commit()
    raw.close()
    store = SqliteStore(path)
    assert store.check() == [
        "people: not as many as were counted",
        f"person {person}: not as many faces as were counted",
    ]
    with pytest.raises(GalleryError, match="damaged"):
        store.people()
    store.close()


def test_who_waits_too_long_is_told_that_the_gallery_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_MS", 50)
    one, other = SqliteStore(tmp_path / "g.db", create=True), SqliteStore(tmp_path / "g.db")
    with (
        one.transaction(write=True),
        pytest.raises(GalleryError, match="in use by another process"),
        other.transaction(write=True),
    ):
        pass
    add(other)
    assert len(one.people()) == 1
    one.close()
    other.close()


def test_a_full_disk_undoes_the_change_and_the_log_makes_room(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    store = SqliteStore(path, create=True)
    person = add(store)
    log = Path(f"{path}-wal")
    assert log.stat().st_size > 0
    pages = (store._row("PRAGMA page_count") or (0,))[0]
    store._row(f"PRAGMA max_page_count = {pages}")  # which SQLite tells as it tells a full disk
    with pytest.raises(GalleryError, match=r"disk .* is full; this change was not made"):
        add(store, n_faces=400)
    assert log.stat().st_size == 0
    assert [row.id for row in store.people()] == [person]
    store._row("PRAGMA max_page_count = 1000000")
    add(store, n_faces=400)
    assert store.check() == []
    store.close()


def test_a_fork_does_not_use_its_parents_file(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "g.db", create=True)
    add(store)
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()

    def child() -> None:
        try:
            store.people()
        except GalleryError as error:
            told.put(str(error))
        store.close()

    process = context.Process(target=child)
    process.start()
    process.join()
    assert "open it again here" in told.get()
    assert len(store.people()) == 1
    store.close()


AS_NOBODY = """
import os, sys, urllib.parse  # by now: nobody may not read every Python's own folder
from vultus.core.errors import GalleryError
from vultus.gallery.stores.sqlite import SqliteStore
os.setgid(65534); os.setuid(65534)
store = SqliteStore(sys.argv[1])
print(store.read_only, len(store.people()), flush=True)
try:
    with store.transaction(write=True):
        store.set_meta("a", b"b")
except GalleryError as error:
    print(error, flush=True)
sys.stdin.readline()
try:
    print(len(store.people()))
    with store.transaction():
        print(len(store.people()))
except GalleryError as error:
    print(error)
store.close()
"""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can be nobody")
@pytest.mark.parametrize("folder_mode", [0o777, 0o555], ids=["folder writable", "nothing writable"])
def test_a_file_that_may_not_be_written_can_be_read(tmp_path: Path, folder_mode: int) -> None:
    for private in (tmp_path, *tmp_path.parents[:2]):
        private.chmod(0o711)  # nobody may pass
    folder = tmp_path / "f"
    folder.mkdir()
    path = folder / "g.db"
    store = SqliteStore(path, create=True)
    add(store)
    store.close()
    path.chmod(0o444)
    folder.chmod(folder_mode)
    command, pipe = [sys.executable, "-c", AS_NOBODY, str(path)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout is not None
        first = [child.stdout.readline(), child.stdout.readline()]
        store = SqliteStore(path)
        add(store)
        out, _ = child.communicate("go on\n")
    store.close()
    assert first[0] == "True 1\n"
    assert "cannot be written" in first[1]
    # Either it sees what was written meanwhile, or says that it cannot.
    assert out.splitlines()[-1] == "2" or "open it again" in out


def test_a_backup_taken_under_load_is_one_state(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    store, other = SqliteStore(path, create=True), SqliteStore(path)
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            person = add(other, n_faces=3)
            if person % 3 == 0:
                erase(other, person)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for i in range(5):
            store.backup(tmp_path / f"copy {i}")
    finally:
        stop.set()
        thread.join()
    for i in range(5):
        assert {p.name for p in tmp_path.glob(f"copy {i}*")} == {f"copy {i}"}
        copy = SqliteStore(tmp_path / f"copy {i}")
        assert copy.check() == []
        copy.close()
    store.close()
    other.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE people SET name_tag = zeroblob(32) WHERE id = 2",
        "UPDATE tag_sums SET tags = zeroblob(32)",
        "DELETE FROM tag_sums",
    ],
)
def test_an_index_that_misses_a_tag_does_not_say_that_nobody_has_it(
    tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "g.db"
    store = SqliteStore(path, create=True)
    people = [add(store) for _ in range(3)]
    row = store.person(people[1])
    assert row is not None
    other = row.name_tag[:4] + bytes(28)  # nobody's, and looked up beside it
    assert store.person_by_name(other) is None
    store.close()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(damage)
    store = SqliteStore(path)
    for tag in (row.name_tag, other) if "people" in damage else (other,):
        with pytest.raises(GalleryError, match="damaged"):
            store.person_by_name(tag)
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM group_sums",
        "UPDATE group_sums SET n = 3",
        "DROP TRIGGER group_left; DELETE FROM groups WHERE person_id = 1",
        "UPDATE groups SET person_id = 3 WHERE person_id = 1",
        "UPDATE groups SET name = 'staf' WHERE person_id = 1",
    ],
)
def test_a_group_that_misses_somebody_is_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "g.db"
    store = SqliteStore(path, create=True)
    people = [add(store) for _ in range(3)]
    with store.transaction(write=True):
        for person in people[:2]:
            store.set_groups(person, ["staff"])
    assert store.members("staff") == people[:2]
    store.close()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript(damage)
    store = SqliteStore(path)
    for call in (
        lambda: store.members("staff"),
        lambda: store.people_by_faces(["staff"]),
        store.group_sizes,
    ):
        with pytest.raises(GalleryError, match="damaged"):
            call()
    store.close()


def test_a_changed_number_of_faces_is_told(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "g.db", create=True)
    with store.transaction(write=True):
        store.set_groups(add(store), ["staff"])
    with closing(sqlite3.connect(tmp_path / "g.db")) as raw, raw:
        raw.execute("UPDATE people SET n_faces = 3")
    with pytest.raises(GalleryError, match="damaged"):
        store.people_by_faces(["staff"])
    store.close()


def test_items_that_are_not_as_many_as_were_counted_are_told(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    with closing(SqliteStore(path, create=True)) as store, store.transaction(write=True):
        for letter in (b"a", b"b"):
            key = store.add_key(letter * 16, b"w" * 60)
            row = ItemRow(id=0, kind="x", key_id=key, created_at=NOW, expires_at=None, body=b"")
            first = store.add_item(row)
            store.update_item(dataclasses.replace(row, id=first, kind="y"))
            store.add_item(row)
        assert [item.id for item in store.items("x")] == [2, 4]
        assert [item.id for item in store.items("y", key_id=2)] == [3]
        assert [item.id for item in store.items("x", after=2)] == [4]
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("UPDATE item_sums SET n = n + 1")
    with closing(SqliteStore(path)) as store:
        for asked in ({"kind": "x"}, {"key_id": 2}, {"kind": "x", "key_id": 2}):
            with pytest.raises(GalleryError, match="misses rows"):
                store.items(**asked)
        assert store.check()


def test_a_position_of_changes_that_is_no_number_is_told(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "g.db", create=True)) as store:
        add(store)
        with store.transaction(write=True):
            store.prune_changes(1)
        with closing(sqlite3.connect(store.path)) as connection, connection:
            connection.execute("UPDATE meta SET value = x'2d31' WHERE key = 'changes_from'")
        with pytest.raises(GalleryError, match="a position of changes"):
            store.changes(0)
