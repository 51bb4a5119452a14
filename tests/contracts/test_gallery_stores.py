"""What every registered store of galleries must do, wherever it keeps them."""

import dataclasses
import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from vultus.core.errors import GalleryError, InputError
from vultus.gallery.stores import sqlite  # noqa: F401 -- registers itself
from vultus.gallery.stores.base import (
    GALLERY_STORES,
    AuditRow,
    Change,
    FaceRow,
    GalleryStore,
    ItemRow,
    KeyRow,
    NextRows,
    PersonRow,
)
from vultus.gallery.stores.event_rows import ANY_EVENT, EventFilter, EventRow
from vultus.gallery.stores.glances import By, Glance, glance, keyed_page, keyed_people
from vultus.gallery.stores.postgres import store as postgres  # noqa: F401 -- registers itself

NOW = "2026-11-30T00:00:00+00:00"
PLACES: dict[str, Callable[[Path, pytest.FixtureRequest], str]] = {
    "sqlite": lambda folder, request: str(folder / "g.db"),
    "postgres": lambda folder, request: (
        f"{request.getfixturevalue('postgres_url')}/g{secrets.token_hex(8)}"
    ),
}
"""Where a store of that name may make galleries; another store says here where."""
COPIES = {"sqlite": "sqlite", "postgres": "sqlite"}
"""Which store opens a backup of one."""

Opener = Callable[[], GalleryStore]


@pytest.fixture(params=list(GALLERY_STORES))
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens one gallery, made at the first call, as often as it is called."""
    place = PLACES[request.param](tmp_path, request)
    opened: list[GalleryStore] = []

    def another() -> GalleryStore:
        opened.append(GALLERY_STORES.create(request.param, location=place, create=not opened))
        return opened[-1]

    yield another
    for store in opened:
        store.close()


@pytest.fixture
def store(opener: Opener) -> GalleryStore:
    return opener()


def tag_of(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def person(number: int, uid: bytes, tag: str = "", **fields: object) -> PersonRow:
    row = PersonRow(
        id=number,
        uid=uid,
        name_tag=tag_of(tag) if tag else secrets.token_bytes(32),
        external_tag=None,
        n_faces=0,
        enrolled_at=NOW,
        expires_at=None,
        record=b"record",
    )
    return dataclasses.replace(row, **fields)  # type: ignore[arg-type]


def added(store: GalleryStore, tag: str = "", *, n_faces: int = 0, **fields: object) -> PersonRow:
    with store.transaction(write=True):
        uid = secrets.token_bytes(16)
        row = person(store.add_key(uid, secrets.token_bytes(60)), uid, tag, **fields)
        store.add_person(row)
        store.set_template(row.id, b"template of " + row.uid, before=b"")
        store.add_faces(row.id, {number: b"face %d" % number for number in range(n_faces)})
    return dataclasses.replace(row, n_faces=n_faces)


def item(key_id: int, kind: str = "review", body: bytes = b"body") -> ItemRow:
    return ItemRow(id=0, kind=kind, key_id=key_id, created_at=NOW, expires_at=None, body=body)


def test_people_are_found_by_number_and_tags_after_reopening(opener: Opener) -> None:
    store = opener()
    ann = added(
        store, "ann", external_tag=tag_of("7"), expires_at="2027-01-01T00:00:00+00:00", n_faces=2
    )
    bob = added(store, "bob")
    store.close()
    store = opener()
    assert store.person(ann.id) == store.person_by_name(tag_of("ann")) == ann
    assert store.person_by_external(tag_of("7")) == store.person_by_uid(ann.uid) == ann
    assert store.person_by_external(tag_of("8")) is None
    assert store.person_by_name(tag_of("cid")) is None
    assert store.people() == [ann, bob]
    assert store.people(after=ann.id) == [bob]
    assert store.people(limit=1) == [ann]
    assert store.expired("2026-12-31T00:00:00+00:00") == []
    assert store.expired("2027-01-01T00:00:00+00:00") == [ann]
    row = store.template(ann.id)
    assert row is not None
    assert (row.person_id, row.uid, row.body) == (ann.id, ann.uid, b"template of " + ann.uid)
    assert store.key(ann.id) == KeyRow(ann.id, ann.uid, row.key)
    assert [row.person_id for row in store.templates(limit=5)] == [ann.id, bob.id]
    assert store.templates(after=bob.id) == []


def test_what_is_asked_at_once_is_what_is_asked_one_by_one(store: GalleryStore) -> None:
    ann = added(store, "ann", external_tag=tag_of("7"), expires_at="2027-01-01", n_faces=2)
    bob, cid = added(store, "bob"), added(store, "cid", n_faces=1)
    with store.transaction(write=True):
        store.set_meta("fact", b"kept")
        store.set_groups(ann.id, ["day", "night"])
        store.set_groups(cid.id, ["night"])
        store.destroy_key(bob.id)
    seen = glance(store, "fact", when="2027-01-01", groups=["day", "night", "nobody"])
    assert seen == Glance(
        position=store.position(),
        expired=frozenset([ann.id]),
        fact=b"kept",
        people_by_faces={0: 1, 1: 1, 2: 1},
        members=frozenset([ann.id, cid.id]),
        members_by_faces={1: 1, 2: 1},
    )
    assert glance(store, "other", groups=[]).members == frozenset()
    plain = glance(store, "other", when="2026-12-31")
    assert (plain.fact, plain.expired, plain.members) == (None, frozenset(), None)
    people = {row.id: (row, store.key(row.id)) for row in store.people()}
    assert people[bob.id][1] is None
    assert [one[0].id for one in keyed_page(store, after=ann.id, limit=5)] == [bob.id, cid.id]
    assert keyed_page(store, after=0, limit=2) == [people[ann.id], people[bob.id]]
    assert keyed_page(store, after=cid.id, limit=2) == []
    ways: tuple[tuple[By, Sequence[int] | Sequence[bytes]], ...] = (
        ("id", [cid.id, 99, ann.id, bob.id]),
        ("uid", [ann.uid, bytes(16), bob.uid, cid.uid]),
        ("name", [tag_of("cid"), tag_of("eve"), tag_of("ann"), tag_of("bob")]),
    )
    for by, values in ways:
        assert {row.id: (row, key) for row, key in keyed_people(store, by, values)} == people
        assert keyed_people(store, by, []) == []
    assert keyed_people(store, "external", [tag_of("8"), tag_of("7")]) == [people[ann.id]]
    with store.transaction(write=True):  # and of what is not kept yet
        store.erase_person(ann.id, before=b"")
        assert glance(store, "fact", when="2027-01-01").expired == frozenset()


def test_a_tag_belongs_to_one_person(store: GalleryStore) -> None:
    added(store, "ann", external_tag=tag_of("7"))
    with pytest.raises(GalleryError):
        added(store, "ann")
    with pytest.raises(GalleryError):
        added(store, "bob", external_tag=tag_of("7"))
    assert len(store.people()) == 1
    assert store.people_by_faces() == {0: 1}


def test_what_is_altered_is_kept_and_ids_and_counts_stay(store: GalleryStore) -> None:
    ann = added(store, "ann", n_faces=3)
    new = dataclasses.replace(
        ann, name_tag=tag_of("anna"), external_tag=tag_of("9"), record=b"new", n_faces=77
    )
    with store.transaction(write=True):
        store.update_person(new)
    assert store.person_by_name(tag_of("anna")) == dataclasses.replace(new, n_faces=3)
    assert store.person_by_name(tag_of("ann")) is None
    with pytest.raises(InputError, match="no person"), store.transaction(write=True):
        store.update_person(dataclasses.replace(ann, id=ann.id + 1))


def test_who_is_not_there_is_told_apart_from_who_begins_alike(store: GalleryStore) -> None:
    tags = [secrets.token_bytes(32) for _ in range(300)]
    with store.transaction(write=True):
        for tag in tags[::2]:
            uid = secrets.token_bytes(16)
            row = person(store.add_key(uid, b"k" * 60), uid)
            store.add_person(dataclasses.replace(row, name_tag=tag, external_tag=tag[::-1]))
    # The last bucket, the first, and neighbours of those that are there.
    others = [bytes(32), b"\xff" * 32, *(tag[:3] + bytes(29) for tag in tags[::2])]
    assert all(store.person_by_name(tag) is not None for tag in tags[::2])
    assert all(store.person_by_external(tag[::-1]) is not None for tag in tags[::2])
    assert all(store.person_by_name(tag) is None for tag in (*tags[1::2], *others))
    with store.transaction(write=True):
        for row in store.people(limit=100):
            store.erase_person(row.id, before=b"")
    assert all(store.person_by_name(tag) is None for tag in (*tags[:200], *others))


def test_faces_are_counted_by_whom_they_belong_to(store: GalleryStore) -> None:
    ann, bob = added(store, "ann", n_faces=2), added(store, "bob", n_faces=2)
    assert store.people_by_faces() == {2: 2}
    with store.transaction(write=True):
        store.add_faces(ann.id, {7: b"seven", 5: b"five"})
        store.delete_faces(ann.id, [0])
        store.update_face(FaceRow(ann.id, 5, b"fifth"))
    assert [(face.number, face.body) for face in store.faces(ann.id)] == [
        (1, b"face 1"),
        (5, b"fifth"),
        (7, b"seven"),
    ]
    assert store.people_by_faces() == {2: 1, 3: 1}
    with store.transaction(write=True):
        store.erase_person(bob.id, before=b"")
    assert store.people_by_faces() == {3: 1}
    wrong: tuple[Callable[[], None], ...] = (
        lambda: store.add_faces(ann.id, {7: b"again"}),
        lambda: store.delete_faces(ann.id, [99]),
        lambda: store.update_face(FaceRow(bob.id, 0, b"")),
    )
    for fails in wrong:
        with pytest.raises((GalleryError, InputError)), store.transaction(write=True):
            fails()
    assert store.people_by_faces() == {3: 1}
    assert store.check() == []


def test_many_are_taken_over_at_once(store: GalleryStore) -> None:
    ann, bob, cid = (added(store, name, n_faces=2) for name in ("ann", "bob", "cid"))
    start = store.position()
    with store.transaction(write=True):
        store.take_over([])
        store.take_over(
            [
                NextRows(
                    person_id=ann.id,
                    record=b"new",
                    faces={1: b"one", 4: b"four", 5: b"five"},
                    gone=[0],
                    template=b"other",
                    before=b"was",
                ),
                NextRows(
                    person_id=bob.id, record=b"b", faces={}, gone=[0, 1], template=None, before=b"x"
                ),
            ]
        )
    assert [(face.number, face.body) for face in store.faces(ann.id)] == [
        (1, b"one"),
        (4, b"four"),
        (5, b"five"),
    ]
    assert store.person(ann.id) == dataclasses.replace(ann, record=b"new", n_faces=3)
    assert store.person(bob.id) == dataclasses.replace(bob, record=b"b", n_faces=0)
    assert store.person(cid.id) == cid
    row = store.template(ann.id)
    assert row is not None
    assert row.body == b"other"
    assert store.template(bob.id) is None
    assert store.people_by_faces() == {0: 1, 2: 1, 3: 1}
    told = store.changes(start) or []
    assert [(change.person_id, change.before) for change in told] == [
        (ann.id, b"was"),
        (bob.id, b"x"),
    ]
    assert store.check() == []
    nobody = NextRows(person_id=99, record=b"", faces={}, gone=[], template=None, before=b"")
    with pytest.raises(InputError, match="no person"), store.transaction(write=True):
        store.take_over([nobody])


def test_all_items_of_a_kind_are_deleted_at_once(store: GalleryStore) -> None:
    ann = added(store, "ann")
    with store.transaction(write=True):
        own = store.add_key(b"o" * 16, secrets.token_bytes(60))
        stranger = store.add_item(item(own, "review"))
        store.add_item(item(ann.id, "review"))
        crop = store.add_item(item(ann.id, "crop"))
        store.add_event(event(1, stranger))
        store.add_event(event(2, crop))
    with store.transaction(write=True):
        assert store.delete_items("review") == 2
        assert store.delete_items("review") == 0
    assert [row.id for row in store.items()] == [row.id for row in store.items("crop")] == [crop]
    assert [row.position for row in store.events()] == [2]
    assert store.key(own) is None
    assert store.key(ann.id) is not None
    assert store.scrub()
    assert store.check() == []


def test_an_erased_person_leaves_nothing_and_the_number_is_not_used_again(
    store: GalleryStore,
) -> None:
    ann, bob = added(store, "ann", n_faces=2), added(store, "bob", n_faces=1)
    with store.transaction(write=True):
        store.set_groups(bob.id, ["staff", "night"])
        store.add_item(item(bob.id))
        other = store.add_item(item(ann.id))
        gone = store.erase_person(bob.id, before=b"")
    assert gone == {
        "people": 1,
        "keys": 1,
        "templates": 1,
        "faces": 1,
        "groups": 2,
        "items": 1,
        "events": 0,
    }
    assert store.scrub()
    assert store.person(bob.id) is None
    assert store.key(bob.id) is None
    assert store.template(bob.id) is None
    assert store.faces(bob.id) == []
    assert store.members("staff") == []
    assert [row.id for row in store.items()] == [other]
    assert store.keys() == [store.key(ann.id)]
    assert added(store, "bob").id > bob.id
    with pytest.raises(InputError, match="no person"), store.transaction(write=True):
        store.erase_person(bob.id, before=b"")


def test_changes_tell_the_last_of_each_person(store: GalleryStore) -> None:
    assert store.position() == 0
    assert store.changes(0) == []
    ann, bob = added(store, "ann"), added(store, "bob")
    before = store.position()
    with store.transaction(write=True):
        store.set_template(ann.id, b"new", before=b"")
        store.erase_person(bob.id, before=b"")
        store.set_groups(ann.id, ["staff"])
    told = store.changes(before)
    assert told is not None
    assert [(change.person_id, change.erased) for change in told] == [
        (bob.id, True),
        (ann.id, False),
    ]
    assert told[-1] == Change(store.position(), ann.id, erased=False, before=b"")
    assert store.changes(store.position()) == []
    with store.transaction(write=True):
        store.prune_changes(before)
    assert store.changes(before - 1) is None
    assert store.changes(before) == told
    with store.transaction(write=True):
        store.prune_changes(store.position() + 100)
    position = store.position()
    assert store.changes(position) == []
    cid = added(store, "cid")
    assert {change.person_id for change in store.changes(position) or ()} == {cid.id}


def test_changes_tell_what_stood_before_the_first_of_them(store: GalleryStore) -> None:
    ann, bob = added(store, "ann"), added(store, "bob")
    start = store.position()
    with store.transaction(write=True):
        store.update_person(ann)
        store.set_template(bob.id, b"x", before=b"first")
        store.set_template(bob.id, b"y", before=b"second")
        cid = added(store, "cid")
        store.erase_person(cid.id, before=b"third")
    middle = store.position()
    told = {change.person_id: change.before for change in store.changes(start) or ()}
    assert told == {ann.id: None, bob.id: b"first", cid.id: b""}
    with store.transaction(write=True):
        store.set_groups(bob.id, ["staff"])
        store.erase_person(bob.id, before=b"fourth")
    told = {change.person_id: change.before for change in store.changes(middle) or ()}
    assert told == {bob.id: b"fourth"}
    told = {change.person_id: change.before for change in store.changes(start) or ()}
    assert told[bob.id] == b"first"


def test_a_template_that_is_deleted_is_gone_and_what_it_was_is_told(store: GalleryStore) -> None:
    ann = added(store, "ann")
    with store.transaction(write=True):
        store.set_template(ann.id, b"x", before=b"")
    start = store.position()
    with store.transaction(write=True):
        store.delete_template(ann.id, before=b"was")
    assert (store.template(ann.id), store.templates()) == (None, [])
    assert [(c.person_id, c.erased, c.before) for c in store.changes(start) or ()] == [
        (ann.id, False, b"was")
    ]
    with pytest.raises(InputError), store.transaction(write=True):
        store.delete_template(ann.id, before=b"")


def test_every_way_of_changing_somebody_is_told(store: GalleryStore) -> None:
    ann = added(store, "ann")
    ways: tuple[Callable[[], object], ...] = (
        lambda: store.update_person(ann),
        lambda: store.set_template(ann.id, b"x", before=b""),
        lambda: store.delete_template(ann.id, before=b"x"),
        lambda: store.set_groups(ann.id, []),
        lambda: store.erase_person(ann.id, before=b""),
    )
    for change in ways:
        before = store.position()
        with store.transaction(write=True):
            change()
        assert [told.person_id for told in store.changes(before) or ()] == [ann.id]


def test_groups_have_members(store: GalleryStore) -> None:
    people = [added(store, f"p{i}", n_faces=i) for i in range(4)]
    with store.transaction(write=True):
        store.set_groups(people[3].id, ["staff", "night", "staff"])
        store.set_groups(people[1].id, ["staff"])
        store.set_groups(people[2].id, ["guests"])
        store.set_groups(people[2].id, ["day"])
    assert store.members("staff") == [people[1].id, people[3].id]
    assert store.group_sizes() == {"day": 1, "night": 1, "staff": 2}
    assert store.groups([row.id for row in people]) == {
        people[1].id: ("staff",),
        people[2].id: ("day",),
        people[3].id: ("night", "staff"),
    }
    assert store.groups([]) == {}
    assert store.people_by_faces(["staff"]) == {1: 1, 3: 1}
    assert store.people_by_faces(["staff", "night", "day"]) == {1: 1, 2: 1, 3: 1}
    assert store.people_by_faces(["nobody"]) == store.people_by_faces([]) == {}


def test_keys_are_overwritten_at_the_same_length_only(store: GalleryStore) -> None:
    ann = added(store, "ann")
    with store.transaction(write=True):
        store.set_key(ann.id, b"k" * 60)
    assert store.keys() == [KeyRow(ann.id, ann.uid, b"k" * 60)]
    assert store.keys(after=ann.id) == []
    with pytest.raises(InputError, match="59 bytes"), store.transaction(write=True):
        store.set_key(ann.id, b"k" * 59)
    assert store.keys() == [store.key(ann.id)]
    assert store.key(ann.id + 1) is None
    with store.transaction(write=True):
        store.destroy_key(ann.id)
    assert store.key(ann.id) is None
    assert store.keys() == []


def test_items_have_a_persons_key_or_their_own(store: GalleryStore) -> None:
    ann = added(store, "ann")
    with store.transaction(write=True):
        own = store.add_key(bytes(16), b"o" * 60)
        first, second = store.add_item(item(ann.id)), store.add_item(item(own, "crop"))
    assert [row.id for row in store.items("crop")] == [second]
    assert [row.id for row in store.items(key_id=ann.id)] == [first]
    assert [row.id for row in store.items(after=first)] == [second]
    assert [row.id for row in store.items(limit=1)] == [first]
    row = store.item(second)
    assert row is not None
    assert (row.kind, row.key_id, row.created_at, row.body) == ("crop", own, NOW, b"body")
    with store.transaction(write=True):
        store.update_item(dataclasses.replace(row, kind="kept", body=b"new", expires_at=NOW))
    assert store.item(second) == dataclasses.replace(row, kind="kept", body=b"new", expires_at=NOW)
    with store.transaction(write=True):
        store.delete_item(first)
        store.delete_item(second)
    assert store.items() == []
    assert store.key(own) is None
    assert store.key(ann.id) is not None
    with store.transaction(write=True):
        assert store.add_item(item(ann.id)) > second


def test_facts_are_kept_replaced_and_removed(store: GalleryStore) -> None:
    assert store.meta("a") is None
    with store.transaction(write=True):
        store.set_meta("a", b"\x001")
        store.set_meta("a", b"\x002")
        store.set_meta("b", b"")
    assert (store.meta("a"), store.meta("b")) == (b"\x002", b"")
    with store.transaction(write=True):
        store.set_meta("a", None)
    assert store.meta("a") is None


def test_the_audit_log_has_no_gaps(store: GalleryStore) -> None:
    assert store.last_audit() is None
    rows = [AuditRow(i, NOW, b'{"what": 1}', bytes(32)) for i in (1, 2, 3)]
    with store.transaction(write=True):
        for row in rows:
            store.append_audit(row)
    assert store.audit() == rows
    assert store.audit(after=1, limit=1) == rows[1:2]
    assert store.last_audit() == rows[2]
    for position in (3, 5):
        row = AuditRow(position, NOW, b"", b"")
        with pytest.raises(InputError, match="position 4"), store.transaction(write=True):
            store.append_audit(row)


def test_a_failed_change_is_undone_whole(store: GalleryStore) -> None:
    def fails() -> None:
        with store.transaction(write=True):
            store.add_person(person(store.add_key(bytes(16), b"k" * 60), bytes(16)))
            store.set_meta("a", b"b")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert store.people() == []
    assert store.meta("a") is None
    assert store.position() == 0
    assert store.people_by_faces() == {}


def test_a_transaction_inside_another_is_part_of_it(store: GalleryStore) -> None:
    with store.transaction(write=True):
        store.set_meta("a", b"1")
        with store.transaction(write=True), store.transaction():
            store.set_meta("b", b"2")
    assert (store.meta("a"), store.meta("b")) == (b"1", b"2")
    with store.transaction():
        inner = store.transaction(write=True)
        with pytest.raises(InputError, match="only reads"):
            inner.__enter__()

    def hides_a_failure() -> None:
        with store.transaction(write=True):
            store.set_meta("a", b"3")
            try:
                with store.transaction(write=True):
                    store.set_meta("b", b"4")
                    raise RuntimeError
            except RuntimeError:
                pass

    with pytest.raises(GalleryError, match="nothing is kept"):
        hides_a_failure()
    assert (store.meta("a"), store.meta("b")) == (b"1", b"2")


def test_nothing_is_changed_outside_of_a_writing_transaction(store: GalleryStore) -> None:
    with pytest.raises(InputError, match=r"transaction\(write=True\)"):
        store.set_meta("a", b"b")
    with store.transaction(), pytest.raises(InputError, match=r"transaction\(write=True\)"):
        store.add_key(bytes(16), b"k" * 60)


def test_a_reader_sees_one_state_while_another_writes(opener: Opener) -> None:
    reader, writer = opener(), opener()
    ann = added(writer, "ann")
    with reader.transaction():
        assert reader.people() == [ann]
        added(writer, "bob")
        assert reader.people() == [ann]
        assert reader.people_by_faces() == {0: 1}
    assert len(reader.people()) == 2
    assert reader.position() == writer.position()


def test_a_reader_in_the_way_delays_the_scrub_and_the_next_write_does_it(opener: Opener) -> None:
    reader, writer = opener(), opener()
    ann, bob = added(writer, "ann"), added(writer, "bob")
    with reader.transaction():
        assert len(reader.people()) == 2
        with writer.transaction(write=True):
            writer.erase_person(ann.id, before=b"")
        assert not writer.scrub()
        assert reader.people()[0] == ann
    with writer.transaction(write=True):
        writer.set_groups(bob.id, ["staff"])
    assert writer.scrub()
    assert reader.people() == [bob]


def test_threads_share_a_store(store: GalleryStore) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(10):
                row = added(store, f"p{number}-{i}", n_faces=1)
                assert store.person(row.id) == row
        except BaseException as error:  # noqa: BLE001 -- shown by the test itself
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.people_by_faces() == {1: 40}
    assert store.check() == []


def test_a_closed_store_says_so(store: GalleryStore) -> None:
    store.close()
    store.close()
    with pytest.raises(GalleryError, match="closed"):
        store.people()


def test_a_backup_holds_what_was_there_and_is_for_its_owner_only(
    opener: Opener, tmp_path: Path
) -> None:
    store = opener()
    ann = added(store, "ann", n_faces=2)
    place = tmp_path / "copy"
    store.backup(place)
    added(store, "bob")
    assert place.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match="exists"):
        store.backup(place)
    name = next(name for name in GALLERY_STORES if type(store) is GALLERY_STORES.get(name))
    copy = GALLERY_STORES.create(COPIES[name], location=str(place))
    assert copy.people() == [ann]
    assert copy.faces(ann.id) == store.faces(ann.id)
    assert copy.check() == []
    copy.close()


def event(position: int, stream: int, **fields: object) -> EventRow:
    row = EventRow(
        position=position,
        tag=tag_of(f"event {position}"),
        stream=stream,
        type="left" if position % 5 == 0 else "appeared",
        at=f"2026-11-{1 + position // 40:02}T10:{position % 40:02}:00.000+00:00",
        body=b"body %d" % position,
    )
    return dataclasses.replace(row, **fields)  # type: ignore[arg-type]


def with_events(store: GalleryStore, n: int) -> tuple[list[int], list[EventRow]]:
    """Three streams, of one person, of nobody, of another person; events go round."""
    ann, bob = added(store, "ann"), added(store, "bob")
    with store.transaction(write=True):
        nobody = store.add_key(secrets.token_bytes(16), secrets.token_bytes(60))
        streams = [store.add_item(item(key, "stream")) for key in (ann.id, nobody, bob.id)]
        rows = [event(position, streams[position % 3]) for position in range(1, n + 1)]
        for row in rows:
            store.add_event(row)
    return streams, rows


def filters(streams: list[int]) -> list[EventFilter]:
    day = "2026-11-0%dT00:00:00.000+00:00"
    return [
        ANY_EVENT,
        EventFilter(types=frozenset(["left"])),
        EventFilter(types=frozenset(["left", "appeared", "refused"])),
        EventFilter(types=frozenset()),
        EventFilter(streams=frozenset(streams[:2])),
        EventFilter(streams=frozenset(streams[2:]), types=frozenset(["left"])),
        EventFilter(since=day % 3, until=day % 4),
        EventFilter(since=day % 5),
        EventFilter(until=day % 2, streams=frozenset(streams[:1])),
        EventFilter(since=day % 9),
    ]


def test_events_are_read_as_a_plain_list_says(opener: Opener) -> None:
    store = opener()
    streams, rows = with_events(store, 300)
    store.close()
    store = opener()
    gone = {*range(64, 140), 7, 70, 200, 300}
    for left in (rows, [row for row in rows if row.position not in gone]):
        for which in filters(streams):
            for after in (0, 1, 63, 64, 150, 299, 300, 10**6):
                due = [row for row in left if row.position > after and which.takes(row)]
                assert store.events(which, after=after) == due, (which, after)
                for limit in (0, 1, 17):
                    assert store.events(which, after=after, limit=limit) == due[:limit]
        some = [row.type for row in left if row.stream in streams[1:]]
        assert store.event_counts(streams[1:]) == {t: some.count(t) for t in sorted(set(some))}
        types = [row.type for row in left]
        assert store.event_counts() == {name: types.count(name) for name in sorted(set(types))}
        assert store.event_by_tag(rows[4].tag) == rows[4]
        assert store.event_by_tag(tag_of("another")) is None
        assert store.event_position() == 300
        assert store.check() == []
        with store.transaction(write=True):
            assert store.delete_events([*gone, 10**6]) in (len(gone), 0)
    assert store.event_by_tag(rows[6].tag) is None


def test_positions_of_events_are_not_used_again(opener: Opener) -> None:
    store = opener()
    streams, _ = with_events(store, 3)
    with store.transaction(write=True):
        store.delete_events([2, 3])
    store.close()
    store = opener()
    assert store.event_position() == 3
    for wrong in (3, 5):
        with pytest.raises(InputError), store.transaction(write=True):
            store.add_event(event(wrong, streams[0]))
    with store.transaction(write=True):
        store.add_event(event(4, streams[0]))
    assert [row.position for row in store.events()] == [1, 4]


def test_the_tag_of_an_event_is_unique_and_its_stream_must_be_there(store: GalleryStore) -> None:
    streams, rows = with_events(store, 3)
    for wrong in (
        event(4, streams[0], tag=rows[1].tag),
        event(4, 999),
        event(4, 0),
        event(4, streams[0], type=""),
        event(4, streams[0], tag=b"short"),
    ):
        with pytest.raises((GalleryError, InputError)), store.transaction(write=True):
            store.add_event(wrong)
    assert store.events() == rows
    assert store.event_position() == 3
    assert store.check() == []


def test_events_go_with_the_person_and_with_the_item(store: GalleryStore) -> None:
    streams, rows = with_events(store, 12)
    ann = store.person_by_name(tag_of("ann"))
    assert ann is not None
    with store.transaction(write=True):
        gone = store.erase_person(ann.id, before=b"")
    assert (gone["items"], gone["events"]) == (1, 4)
    assert store.events() == [row for row in rows if row.stream != streams[0]]
    with store.transaction(write=True):
        store.delete_item(streams[1])
    assert store.events() == [row for row in rows if row.stream == streams[2]]
    assert store.event_by_tag(rows[0].tag) is None
    assert sum(store.event_counts().values()) == 4
    assert store.check() == []
