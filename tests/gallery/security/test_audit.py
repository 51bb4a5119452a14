import hmac
import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from vultus.core.errors import ConfigError, GalleryDamagedError, InputError
from vultus.gallery.security.audit import HEAD, AuditEntry, AuditHead, AuditLog
from vultus.gallery.security.crypto import Vault
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.stores.base import PAGE
from vultus.gallery.stores.sqlite import SqliteStore

MASTER = MasterKey(bytes(range(32)))
ENTRY = AuditEntry(actor="desk 3", action="identify", decision="unknown", gallery_size=7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.db"


@pytest.fixture
def vault() -> Vault:
    return Vault.create(master=MASTER)


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path, create=True)
    yield store
    store.close()


@pytest.fixture
def log(store: SqliteStore, vault: Vault) -> AuditLog:
    """Of nine entries."""
    log = AuditLog(store, vault)
    fill(store, log, 9)
    return log


def fill(store: SqliteStore, log: AuditLog, n: int) -> list[AuditHead]:
    with store.transaction(write=True):
        return [log.append(ENTRY) for _ in range(n)]


def tamper(path: Path, *statements: str) -> None:
    """As somebody does who can write the file and has no key."""
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_entries_are_told_as_they_were_written(store: SqliteStore, vault: Vault) -> None:
    log, subject = AuditLog(store, vault), vault.pseudonym(bytes(16))
    full = AuditEntry(
        actor="Zoë @ gate", action="identify", subject=subject, decision="accepted",
        similarity=0.5, threshold=0.31, fpir=0.01, model="vultus-s2", gallery_size=9,
        counts={"faces": 2},
    )  # fmt: skip
    when = datetime(2026, 11, 30, 1, 2, 3, 4567, tzinfo=timezone(timedelta(hours=1)))
    with store.transaction(write=True):
        heads = [log.append(full, at=when), log.append(ENTRY)]
    told = list(log.entries())
    assert [logged.entry for logged in told] == [full, ENTRY]
    assert [logged.head for logged in told] == heads
    assert told[0].at == "2026-11-30T00:02:03.004+00:00"
    assert abs(datetime.fromisoformat(told[1].at) - datetime.now(UTC)) < timedelta(minutes=5)
    assert log.head() == heads[1]
    assert log.verify().to_dict() == {"sound": True, "entries": 2, "head": heads[1].to_text()}
    assert told[1].to_dict() == {
        "position": 2, "at": told[1].at, "actor": "desk 3", "action": "identify",
        "decision": "unknown", "gallery_size": 7, "digest": heads[1].digest.hex(),
    }  # fmt: skip


def test_the_chain_is_the_one_described(store: SqliteStore, vault: Vault, log: AuditLog) -> None:
    before = bytes(32)
    for position, row in enumerate(store.audit(), 1):
        at = row.at.encode()
        data = b"".join(
            [b"entry", before, position.to_bytes(8, "big"), len(at).to_bytes(2, "big"), at]
        )
        before = hmac.digest(vault._audit_key, data + row.entry, "sha256")
        assert row.digest == before
        values = json.loads(row.entry)
        assert values["position"] == position
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert row.entry == text.encode()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("entry", "CAST(replace(CAST(entry AS TEXT), 'unknown', 'refused') AS BLOB)"),
        ("entry", "CAST('{' AS BLOB)"),
        ("entry", "CAST(replace(CAST(entry AS TEXT), ':4', ':4.0') AS BLOB)"),
        ("at", "'2020-01-01T00:00:00.000+00:00'"),
        ("digest", "zeroblob(32)"),
    ],
)
def test_a_changed_entry_is_named(log: AuditLog, path: Path, column: str, value: str) -> None:
    tamper(path, f"UPDATE audit SET {column} = {value} WHERE position = 4")
    verdict = log.verify()
    assert (verdict.fault, verdict.n_entries) == ("changed", 3)
    assert verdict.message == "entry 4 was changed"
    assert not verdict.sound


@pytest.mark.parametrize(
    ("statements", "fault", "message"),
    [
        (["DELETE FROM audit WHERE position = 4"], "removed", "entry 4 is missing"),
        (["DELETE FROM audit WHERE position < 4"], "removed", "entries 1 to 3 are missing"),
        (
            [
                "DELETE FROM audit WHERE position = 4",
                "UPDATE audit SET position = position - 1 WHERE position > 4",
            ],
            "removed",
            "entry 4 is missing, entry 5 stands in its place",
        ),
        (
            [
                "UPDATE audit SET position = 100 WHERE position = 4",
                "UPDATE audit SET position = 4 WHERE position = 7",
                "UPDATE audit SET position = 7 WHERE position = 100",
            ],
            "moved",
            "entry 7 stands in the place of entry 4",
        ),
        (["DELETE FROM audit WHERE position > 6"], "cut off", "ends at entry 6.* was entry 9"),
        (["DELETE FROM audit"], "cut off", "ends at entry 0"),
        (["DELETE FROM meta WHERE key = 'audit_head'"], "cut off", "head is missing"),
        (
            ["DELETE FROM audit", "DELETE FROM meta WHERE key = 'audit_head'"],
            "cut off",
            "head is missing",
        ),
        (["UPDATE meta SET value = x'00' WHERE key = 'audit_head'"], "changed", "head was changed"),
        (
            ["INSERT INTO audit SELECT 10, at, entry, digest FROM audit WHERE position = 9"],
            "added",
            "copy of entry 9 stands in the place of entry 10",
        ),
    ],
)
def test_what_is_missing_moved_or_added_is_named(
    log: AuditLog, path: Path, statements: list[str], fault: str, message: str
) -> None:
    tamper(path, *statements)
    verdict = log.verify()
    assert (verdict.fault, bool(re.search(message, verdict.message))) == (fault, True), verdict


def test_an_end_cut_off_is_not_hidden_by_a_head_made_of_what_is_left(
    log: AuditLog, store: SqliteStore, path: Path
) -> None:
    tamper(path, "DELETE FROM audit WHERE position > 6")
    last, kept = store.last_audit(), store.meta(HEAD)
    assert last is not None
    assert kept is not None
    with store.transaction(write=True):
        store.set_meta(HEAD, (6).to_bytes(8, "big") + last.digest + kept[40:])
    assert log.verify().message.startswith("the head was changed")


def test_an_entry_added_with_the_key_and_not_by_the_gallery_is_named(
    log: AuditLog, store: SqliteStore
) -> None:
    kept = store.meta(HEAD)
    fill(store, log, 1)
    with store.transaction(write=True):
        store.set_meta(HEAD, kept)
    verdict = log.verify()
    assert (verdict.fault, verdict.n_entries) == ("added", 10)


def test_another_gallery_s_key_verifies_nothing(log: AuditLog, store: SqliteStore) -> None:
    assert AuditLog(store, Vault.create()).verify().fault == "changed"


def test_a_log_rewritten_or_brought_back_is_found_by_a_head_kept_elsewhere(
    store: SqliteStore, vault: Vault, path: Path
) -> None:
    log = AuditLog(store, vault)
    heads = fill(store, log, 5)
    old = store.audit(), store.meta(HEAD)
    later = fill(store, log, 3)[-1]
    assert log.verify([heads[2], heads[4], later]).sound
    # An older copy of the file: whole by itself.
    tamper(path, "DELETE FROM audit WHERE position > 5")
    with store.transaction(write=True):
        store.set_meta(HEAD, old[1])
    assert log.verify().sound
    verdict = log.verify([later])
    assert verdict.fault == "cut off"
    assert verdict.message == "the log ends at entry 5, but there was entry 8"
    # Written anew by who has the key.
    tamper(path, "DELETE FROM audit", "DELETE FROM meta WHERE key = 'audit_head'")
    fill(store, log, 5)
    assert log.verify().sound
    assert log.verify([heads[2]]).fault == "rewritten"


def test_nothing_is_added_to_a_log_that_was_cut_off(
    log: AuditLog, store: SqliteStore, path: Path
) -> None:
    tamper(path, "DELETE FROM audit WHERE position > 8")
    with store.transaction(write=True), pytest.raises(GalleryDamagedError, match="does not end"):
        log.append(ENTRY)
    tamper(path, "UPDATE meta SET value = x'00' WHERE key = 'audit_head'")
    with store.transaction(write=True), pytest.raises(GalleryDamagedError, match="head of the"):
        log.append(ENTRY)
    assert len(list(log.entries())) == 8


def test_an_entry_comes_and_goes_with_its_transaction(log: AuditLog, store: SqliteStore) -> None:
    before = log.head()

    def fail() -> None:
        with store.transaction(write=True):
            log.append(ENTRY)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert log.head() == before
    assert log.verify().sound


def test_long_logs_are_read_in_pages(store: SqliteStore, vault: Vault) -> None:
    log, done = AuditLog(store, vault), []
    fill(store, log, 2 * PAGE + 1)
    verdict = log.verify(progress=lambda _, n, total: done.append((n, total)))
    assert verdict.n_entries == 2 * PAGE + 1
    assert done == [(PAGE, 2001), (2 * PAGE, 2001), (2001, 2001)]
    assert [logged.head.position for logged in log.entries(last=2)] == [2000, 2001]
    assert sum(1 for _ in log.entries(after=1)) == 2000


def test_entries_are_chosen_by_person_and_action(store: SqliteStore, vault: Vault) -> None:
    log, ann = AuditLog(store, vault), vault.pseudonym(bytes(16))
    with store.transaction(write=True):
        log.append(AuditEntry(actor="a", action="enroll", subject=ann))
        log.append(AuditEntry(actor="a", action="enroll"))
        log.append(AuditEntry(actor="a", action="erase", subject=ann))
    assert [e.head.position for e in log.entries(subject=ann)] == [1, 3]
    assert [e.head.position for e in log.entries(actions=["enroll"])] == [1, 2]
    assert [e.head.position for e in log.entries(subject=ann, actions=["erase"])] == [3]


def test_an_entry_that_cannot_be_read_is_an_error(log: AuditLog, path: Path) -> None:
    tamper(path, "UPDATE audit SET entry = CAST('[]' AS BLOB) WHERE position = 2")
    with pytest.raises(GalleryDamagedError, match="entry 2 of the audit log was changed"):
        list(log.entries())
    assert list(log.entries(after=2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"actor": ""},
        {"actor": "a\nb"},
        {"actor": "x" * 201},
        {"action": "Enroll"},
        {"action": ""},
        {"subject": "Ann"},
        {"decision": "Ann Lee"},
        {"threshold": 7.0},
        {"similarity": float("nan")},
        {"model": "\x1b[31m"},
    ],
)
def test_entries_are_checked(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {"actor": "a", "action": "enroll", **wrong}
    with pytest.raises(InputError, match=next(iter(wrong))):
        AuditEntry(**fields)  # type: ignore[arg-type]


def test_heads_are_text_and_back() -> None:
    head = AuditHead(12, bytes(range(32)))
    assert AuditHead.parse(f" {head.to_text().upper()} ") == head
    for text in ("", "12", "0:" + "0" * 64, "12:" + "0" * 63, "-1:" + "0" * 64):
        with pytest.raises(ConfigError, match="POSITION:DIGEST"):
            AuditHead.parse(text)
