import itertools
import sqlite3
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import (
    GalleryDamagedError,
    GalleryError,
    GalleryKeyError,
    IdentityNotFoundError,
    InputError,
)
from vultus.gallery.events import event as event_module
from vultus.gallery.events import streams
from vultus.gallery.events.event import Event, NewEvent
from vultus.gallery.events.log import EventLog, EventRules
from vultus.gallery.gallery import Gallery
from vultus.gallery.review.merging import merge, unmerge
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.stores.event_rows import EventFilter
from vultus.gallery.upkeep.disclosure import export_person
from vultus.gallery.upkeep.rekeying import rekey
from vultus.gallery.upkeep.restoring import restore
from vultus.gallery.upkeep.retention import expire

PhotosOf = Callable[..., Embeddings]
KEY = MasterKey(bytes(range(32)))


@pytest.fixture(params=[None, KEY], ids=["without key", "with key"])
def gallery(
    request: pytest.FixtureRequest, tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "g.db", space=space, key=request.param) as opened:
        for number, name in enumerate(["Ada", "Bob", "Cid"]):
            opened.enroll(name, photos_of(number, 2))
        yield opened


@pytest.fixture
def log(gallery: Gallery) -> EventLog:
    return EventLog(gallery)


def uid(gallery: Gallery, name: str) -> str:
    return gallery.person(name).uid


def about(gallery: Gallery, name: str | None, **fields: object) -> NewEvent:
    kind = "unknown" if name is None else "recognised"
    person = None if name is None else uid(gallery, name)
    return NewEvent(**{"type": kind, "person": person, **fields})  # type: ignore[arg-type]


def names(events: list[Event]) -> list[str | None]:
    return [event.identity for event in events]


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file())


def test_what_was_written_is_read(gallery: Gallery, log: EventLog) -> None:
    data = {"similarity": 0.5, "box_xyxy": [1, 2, 3, 4]}
    new = about(gallery, "Ada", id="x", at="2026-11-30T10:00:00", source="door", data=data)
    assert log.append(new) == 1
    assert log.append(about(gallery, None)) == 2
    first, second = log.read()
    assert first == Event(
        position=1,
        id="x",
        type="recognised",
        at="2026-11-30T10:00:00.000+00:00",
        written_at=first.written_at,
        source="door",
        person=uid(gallery, "Ada"),
        identity="Ada",
        data=data,
    )
    now = datetime.now(UTC)
    assert timedelta(0) <= now - datetime.fromisoformat(first.written_at) < timedelta(minutes=1)
    assert (second.person, second.identity, second.source) == (None, None, None)
    assert log.find("x") == first
    assert log.find("y") is None
    assert log.counts() == {"recognised": 1, "unknown": 1}
    assert log.counts(uid(gallery, "Ada")) == {"recognised": 1}
    assert log.counts(uid(gallery, "Bob")) == {}
    with pytest.raises(IdentityNotFoundError):
        log.counts("0" * 32)
    assert log.position() == 2
    gallery.rename("Ada", "Eve")
    assert names(log.read()) == ["Eve", None]
    assert gallery.check() == []


def test_the_same_id_is_written_once(gallery: Gallery, log: EventLog) -> None:
    assert log.append(about(gallery, "Ada", id="x")) == 1
    for_ada, of_nobody = about(gallery, "Ada", id="y"), about(gallery, None, id="y")
    again = [about(gallery, "Bob", id="x"), of_nobody, for_ada]
    assert log.extend(again) == [1, 2, 2]
    assert names(log.read()) == ["Ada", None]
    assert log.position() == 2


def test_events_are_read_by_what_is_asked(gallery: Gallery, log: EventLog) -> None:
    who = itertools.cycle(["Ada", None, "Bob"])
    events = [
        about(gallery, next(who), at=f"2026-11-30T10:{minute:02}:00", id=f"{minute}")
        for minute in range(30)
    ]
    assert log.extend(events) == list(range(1, 31))
    everything = log.read()
    assert [event.id for event in everything] == [event.id for event in events]
    assert log.read(after=28) == everything[28:]
    assert log.read(limit=2) == everything[:2]
    assert log.read(types=["unknown"]) == everything[1::3]
    assert log.read(types=["unknown", "recognised"], after=3) == everything[3:]
    assert log.read(types=[]) == []
    assert log.read(person=uid(gallery, "Bob")) == everything[2::3]
    assert log.read(person=uid(gallery, "Bob"), types=["unknown"]) == []
    assert log.read(person=uid(gallery, "Cid")) == []
    assert log.read(since="2026-11-30T10:10", until="2026-11-30T11:12+01:00") == everything[10:12]
    for wrong in ({"types": ["recogniced"]}, {"types": "left"}, {"after": -1}, {"limit": 0}):
        with pytest.raises(InputError):
            log.read(**wrong)
    with pytest.raises(InputError, match="since"):
        log.read(since="soon")
    with pytest.raises(IdentityNotFoundError):
        log.read(person="0" * 32)


def test_an_event_needs_a_person_who_is_there(gallery: Gallery, log: EventLog) -> None:
    ada = uid(gallery, "Ada")
    assert log.knows(ada)
    gallery.remove("Ada")
    assert not log.knows(ada)
    with pytest.raises(IdentityNotFoundError):
        log.append(NewEvent(type="recognised", person=ada))
    assert log.position() == 0


def test_events_and_checkpoint_are_written_whole_or_not(gallery: Gallery, log: EventLog) -> None:
    assert log.checkpoint("door") is None
    with log.transaction():
        log.append(about(gallery, "Ada"))
        log.set_checkpoint("door", {"frame": 7})
        assert log.checkpoint("door") == {"frame": 7}

    def fails() -> None:
        with log.transaction():
            log.append(about(gallery, "Bob"))
            log.set_checkpoint("door", {"frame": 8})
            log.set_checkpoint("gate", {"frame": 9})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert log.checkpoint("door") == {"frame": 7}
    assert log.checkpoint("gate") is None
    assert log.position() == 1
    log.set_checkpoint("gate", {"frame": 1})
    other = EventLog(gallery)
    assert other.checkpoint("gate") == {"frame": 1}
    other.set_checkpoint("gate", None)
    other.set_checkpoint("gate", None)
    other.set_checkpoint("roof", {"frame": 2})
    assert (log.checkpoint("gate"), log.checkpoint("roof")) == (None, {"frame": 2})
    with pytest.raises(InputError, match="JSON"):
        log.set_checkpoint("door", {"x": float("inf")})
    with pytest.raises(InputError, match="1048576 bytes"):
        log.set_checkpoint("door", {"x": "a" * (1 << 20)})
    assert log.checkpoint("door") == {"frame": 7}
    assert gallery.check() == []


def test_events_vanish_with_the_person_and_cursors_stay(gallery: Gallery, log: EventLog) -> None:
    log.extend([about(gallery, name) for name in ("Ada", None, "Bob", "Ada", "Bob")])
    receipt = gallery.remove("Ada")
    assert receipt.rows["events"] == 2
    assert [(e.position, e.identity) for e in log.read()] == [(2, None), (3, "Bob"), (5, "Bob")]
    assert [e.position for e in log.read(after=4)] == [5]
    gallery.remove("Bob")
    assert log.position() == 5
    assert log.append(about(gallery, "Cid")) == 6
    assert [e.position for e in log.read(after=5)] == [6]
    assert gallery.check() == []


def test_no_byte_of_an_erased_persons_events_is_left(
    tmp_path: Path, gallery: Gallery, log: EventLog
) -> None:
    log.extend([about(gallery, name, id=f"{i}") for i, name in enumerate(["Ada", "Bob"] * 50)])
    store, member = gallery.opened.store, gallery.opened.roster.find("Ada")
    assert member is not None
    (stream,) = store.items(streams.PERSON_STREAM, key_id=member.id)
    rows = store.events(EventFilter(streams=frozenset([stream.id])))
    assert len(rows) == 50
    sealed = [part for row in rows for part in (row.body[:24], row.body[-24:], row.tag)]
    key = stream.body[:24]
    before = on_disk(tmp_path)
    assert all(part in before for part in (*sealed, key))
    assert gallery.remove("Ada").scrubbed
    after = on_disk(tmp_path)
    assert not any(part in after for part in (*sealed, key))
    assert names(log.read()) == ["Bob"] * 50


def test_a_backup_in_the_gallerys_place_brings_no_event_of_an_erased_person(
    tmp_path: Path, gallery: Gallery, log: EventLog
) -> None:
    key = KEY if gallery.protected else None
    log.extend([about(gallery, "Ada"), about(gallery, "Bob"), about(gallery, None)])
    gallery.backup(tmp_path / "backup.db")
    gallery.remove("Ada")
    gallery.close()
    (tmp_path / "g.db").unlink()
    assert restore(tmp_path / "backup.db", tmp_path / "g.db", key=key).erased_again == 1
    with Gallery.open(tmp_path / "g.db", key=key) as again:
        assert names(EventLog(again).read()) == ["Bob", None]
        assert EventLog(again).position() == 3
        assert again.check() == []


def test_events_follow_a_merge_and_come_back(gallery: Gallery, log: EventLog) -> None:
    log.extend([about(gallery, name, id=name) for name in ("Ada", "Bob", "Cid")])
    number = merge(gallery, "Ada", "Bob")
    assert names(log.read()) == ["Bob", "Bob", "Cid"]
    bob = uid(gallery, "Bob")
    assert [e.person for e in log.read(person=bob)] == [bob, bob]
    log.append(about(gallery, "Bob", id="since"))
    assert unmerge(gallery, number) == "Ada"
    assert names(log.read()) == ["Ada", "Bob", "Cid", "Bob"]
    log.append(about(gallery, "Ada", id="later"))
    assert [e.id for e in log.read(person=uid(gallery, "Ada"))] == ["Ada", "later"]
    assert gallery.check() == []
    gallery.remove("Bob")
    assert names(log.read()) == ["Ada", "Cid", "Ada"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_events_come_back_from_merges_of_merges(
    gallery: Gallery, log: EventLog, order: tuple[int, int]
) -> None:
    log.extend([about(gallery, name, id=name) for name in ("Ada", "Cid")])
    numbers = [merge(gallery, "Ada", "Bob")]
    log.append(about(gallery, "Bob", id="of Bob"))
    numbers.append(merge(gallery, "Bob", "Cid"))
    log.append(about(gallery, "Cid", id="of Cid"))
    assert names(log.read()) == ["Cid"] * 4
    for place in order:
        unmerge(gallery, numbers[place])
    assert names(log.read()) == ["Ada", "Cid", "Bob", "Cid"]
    for name in ("Ada", "Bob", "Cid"):
        log.append(about(gallery, name))
    assert names(log.read(after=4)) == ["Ada", "Bob", "Cid"]
    assert gallery.check() == []


def test_a_merge_that_was_left_does_not_take_events_along(gallery: Gallery, log: EventLog) -> None:
    log.append(about(gallery, "Ada"))
    first, second = merge(gallery, "Ada", "Bob"), merge(gallery, "Bob", "Cid")
    unmerge(gallery, first)
    merge(gallery, "Ada", "Cid")
    unmerge(gallery, second)
    assert names(log.read()) == ["Cid"]


def test_export_holds_the_events_and_no_key(
    tmp_path: Path, gallery: Gallery, log: EventLog
) -> None:
    log.extend([about(gallery, "Ada", id="of Ada"), about(gallery, "Bob", id="of Bob")])
    files = export_person(gallery, "Ada", tmp_path / "ada.zip")
    with zipfile.ZipFile(tmp_path / "ada.zip") as archive:
        text = archive.read("events.json").decode()
        assert "of Ada" in text
        assert "of Bob" not in text
    assert not [name for name in files if "stream" in name]


def test_old_events_expire_with_the_keys_of_their_days(
    gallery: Gallery, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = datetime.now(UTC) - timedelta(days=20)

    def at(days: int) -> None:
        when = start + timedelta(days=days)
        full, short = when.isoformat(timespec="milliseconds"), when.isoformat(timespec="seconds")
        monkeypatch.setattr("vultus.gallery.events.sealed.time_now", lambda: full)
        monkeypatch.setattr("vultus.gallery.events.streams.now", lambda: short)
        monkeypatch.setattr("vultus.gallery.review.items.now", lambda: short)

    for day in range(20):
        at(day)
        log.extend([about(gallery, None), about(gallery, "Ada")])
    store = gallery.opened.store
    assert len(store.items(streams.DAY_STREAM)) == 20
    assert log.rules() == EventRules(days=90)
    assert expire(gallery).events == 0
    log.keep(EventRules(days=10.5))
    assert log.rules().days == 10.5
    assert expire(gallery, dry_run=True).events == 20
    assert log.position() == len(log.read()) == 40
    keys = len(store.keys(limit=10**6))
    assert expire(gallery).events == 20
    assert [event.position for event in log.read()] == list(range(21, 41))
    assert len(store.items(streams.DAY_STREAM)) == 10
    assert len(store.keys(limit=10**6)) == keys - 10
    last = list(gallery.audit.entries())[-1].entry
    assert (last.action, last.counts) == ("expire", {"events": 20})
    log.keep(EventRules(days=None))
    assert expire(gallery).events == 0
    with pytest.raises(InputError):
        EventRules(days=0)
    assert gallery.check() == []


def test_no_byte_of_an_expired_event_is_left(
    tmp_path: Path, gallery: Gallery, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = (datetime.now(UTC) - timedelta(days=100)).isoformat(timespec="milliseconds")
    with monkeypatch.context() as patch:
        patch.setattr("vultus.gallery.events.sealed.time_now", lambda: old)
        log.extend([about(gallery, name) for name in ("Ada", None)])
    rows = gallery.opened.store.events()
    log.append(about(gallery, "Ada"))
    assert all(row.body in on_disk(tmp_path) for row in rows)
    assert expire(gallery).events == 2
    assert not any(row.body in on_disk(tmp_path) for row in rows)
    assert [event.position for event in log.read()] == [3]


def test_who_follows_a_person_is_told_of_the_erasure(gallery: Gallery, log: EventLog) -> None:
    log.append(about(gallery, "Ada"))
    following = log.follow(after=0, person=uid(gallery, "Ada"), poll_s=0.01)
    assert next(following).identity == "Ada"
    gallery.remove("Ada")
    log.append(about(gallery, None))
    with pytest.raises(IdentityNotFoundError):
        next(following)


def test_who_follows_gets_all_events_once(tmp_path: Path, gallery: Gallery, log: EventLog) -> None:
    key = KEY if gallery.protected else None
    log.append(about(gallery, "Bob", id="before"))
    who = uid(gallery, "Ada")

    def write() -> None:
        with Gallery.open(tmp_path / "g.db", key=key) as other:
            for number in range(150):
                EventLog(other).append(NewEvent(type="unknown", id=f"unknown {number}"))
                EventLog(other).append(NewEvent(type="recognised", person=who, id=f"{number}"))

    following = log.follow(types=["recognised"], poll_s=0.01)
    everything = log.follow(after=0, poll_s=0.01)
    writer = threading.Thread(target=write)
    writer.start()
    assert [event.id for event in itertools.islice(following, 150)] == [str(n) for n in range(150)]
    writer.join()
    assert [e.position for e in itertools.islice(everything, 301)] == list(range(1, 302))


def test_waiting_ends_with_an_event_or_the_time(gallery: Gallery, log: EventLog) -> None:
    start = time.monotonic()
    assert not log.wait(0, timeout_s=0.05, poll_s=0.01)
    assert time.monotonic() - start >= 0.05
    timer = threading.Timer(0.05, lambda: log.append(NewEvent(type="left")))
    timer.start()
    assert log.wait(0, timeout_s=30, poll_s=0.01)
    timer.join()
    assert log.wait(0, timeout_s=0)


def test_events_stay_readable_under_another_key(tmp_path: Path, gallery: Gallery) -> None:
    log, key = EventLog(gallery), KEY if gallery.protected else None
    log.extend([about(gallery, "Ada"), about(gallery, None)])
    log.set_checkpoint("door", {"frame": 1})
    new = MasterKey(bytes(range(1, 33)))
    rekey(tmp_path / "g.db", new, key=key, deep=True)
    for use in (
        log.read,
        lambda: log.append(NewEvent(type="left")),
        lambda: log.checkpoint("door"),
    ):
        with pytest.raises(GalleryKeyError, match="another key"):
            use()
    with Gallery.open(tmp_path / "g.db", key=new) as again:
        assert names(EventLog(again).read()) == ["Ada", None]
        assert EventLog(again).checkpoint("door") == {"frame": 1}
        EventLog(again).append(about(again, "Ada"))
        assert again.check() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET type = 'left' WHERE position = 1",
        "UPDATE events SET at = '2026-01-01T00:00:00.000+00:00' WHERE position = 1",
        "UPDATE events SET tag = zeroblob(32) WHERE position = 1",
        "UPDATE events SET body = (SELECT body FROM events WHERE position = 3) WHERE position = 1",
        "UPDATE events SET stream = (SELECT stream FROM events WHERE position = 2)"
        " WHERE position = 1",
        "UPDATE items SET key_id = 2 WHERE kind = 'event stream' AND key_id = 1",
        "UPDATE event_sums SET n = n + 1",
        "DELETE FROM event_sums",
    ],
)
def test_a_changed_row_is_told(
    tmp_path: Path, gallery: Gallery, log: EventLog, change: str
) -> None:
    log.extend([about(gallery, name) for name in ("Ada", None, "Ada")])
    with closing(sqlite3.connect(tmp_path / "g.db", isolation_level=None)) as raw:
        raw.execute(change)
    with pytest.raises(GalleryError, match="damaged"):
        log.read()
    assert gallery.check()


def test_a_changed_rule_is_told(gallery: Gallery, log: EventLog) -> None:
    log.keep(EventRules(days=5))
    store = gallery.opened.store
    with store.transaction(write=True):
        store.set_meta("events", (store.meta("events") or b"").replace(b"5.0", b"1.0"))
    kept = store.meta("events")
    assert kept is not None
    with store.transaction(write=True):
        store.set_meta("events", kept[:-2] + b"9}")
    with pytest.raises(GalleryDamagedError, match="how long"):
        log.rules()


def test_a_type_that_somebody_else_registered_is_read(
    gallery: Gallery, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(event_module.EVENT_TYPES, "door_opened", "the door was opened")
        log.append(NewEvent(type="door_opened"))
    assert [event.type for event in log.read(types=["door_opened"])] == ["door_opened"]


JPEG = b"\xff\xd8 a picture of Ada that nobody else has \xff\xd9"


def test_a_picture_is_sealed_with_its_event_and_goes_with_it(
    gallery: Gallery, log: EventLog, tmp_path: Path
) -> None:
    position = log.append(about(gallery, "Ada", picture=JPEG))
    (event,) = log.read()
    assert event.picture == JPEG
    assert event.to_dict()["picture"] is True
    assert "picture of" not in str(event.to_dict()) + repr(event)
    export_person(gallery, "Ada", tmp_path / "ada.zip")
    with zipfile.ZipFile(tmp_path / "ada.zip") as archive:
        assert archive.read(f"events/{position}.jpg") == JPEG
    gallery.remove("Ada")
    assert log.read() == []
    for file in tmp_path.glob("g.db*"):
        assert b"picture of Ada" not in file.read_bytes()
        assert b"cGljdHVyZSBvZiBBZGE" not in file.read_bytes()  # as base64 has it


def test_a_picture_that_is_too_large_is_refused() -> None:
    with pytest.raises(InputError, match="65536 bytes, got 65537"):
        NewEvent(type="unknown", picture=bytes(65537))
