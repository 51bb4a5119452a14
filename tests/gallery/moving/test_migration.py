"""A gallery on its way to another model answers all the while, and loses nobody."""

import multiprocessing
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from tests.gallery.moving.two_models import (
    NEW,
    OLD,
    RULE,
    TEMPLATE,
    begun,
    check_found,
    crops_of,
    embed,
    embed_new,
    enrol,
)
from tests.gallery.rounds import rounds

from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import (
    GalleryDamagedError,
    GallerySpaceError,
    InputError,
    PersonExpiredError,
)
from vultus.core.faces import Image
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving import crops
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.moving.migration import Migration
from vultus.gallery.moving.preparation import Preparation
from vultus.gallery.moving.status import people_without_photos
from vultus.gallery.people.details import PersonDetails
from vultus.gallery.review.merging import merge, unmerge
from vultus.gallery.review.queue import ReviewQueue
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.upkeep.disclosure import export_person
from vultus.image.io import read_image

KEY = MasterKey(bytes(range(32)))


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "g.db", space=OLD, outlier_similarity=0.5) as opened:
        KeptCrops(opened).allow()
        for person in range(6):
            enrol(opened, person, crops=person < 4)
        yield opened


def test_everybody_is_found_before_during_and_after(gallery: Gallery) -> None:
    check_found(gallery, list(range(6)))
    migration = begun(gallery)
    assert migration.embed_crops(embed_new) == 8
    assert migration.embed_crops(embed_new) == 0
    check_found(gallery, list(range(6)))
    status = migration.status()
    assert status is not None
    assert [person.identity for person in status.missing] == ["person 4", "person 5"]
    with pytest.raises(InputError, match="photographed again"):
        migration.finish()
    for person in (4, 5):
        migration.enroll(f"person {person}", embed_new(crops_of(person)))
    enrol(gallery, 6)
    with pytest.raises(InputError, match="embed them first"):
        migration.finish()
    migration.embed_crops(embed_new)
    check_found(gallery, list(range(7)))
    done = migration.finish()
    assert (done.people, done.photos, done.without, done.photos_left) == (7, 14, (), 4)
    with pytest.raises(GallerySpaceError, match="open it again"):
        gallery.search(embed(crops_of(0), OLD))
    with pytest.raises(GallerySpaceError, match="open it again"):
        gallery.enroll("somebody", embed(crops_of(30), OLD))
    with pytest.raises(GallerySpaceError, match="open it again"):
        gallery.similarities("person 0", embed(crops_of(0), OLD))
    with Gallery.open(gallery.path, space=NEW) as after:
        check_found(after, list(range(7)))
        assert after.check() == []
        assert after.audit.verify().sound
        enrol(after, 7)
        check_found(after, [7])


def test_who_is_missing_stays_enrolled_and_is_photographed_later(gallery: Gallery) -> None:
    migration = begun(gallery)
    migration.embed_crops(embed_new)
    assert migration.finish(without_missing=True).without == ("person 4", "person 5")
    with Gallery.open(gallery.path) as after:
        assert after.check() == []
        assert len(after) == 6
        assert after.person("person 4").n_photos == 0
        assert [person.identity for person in people_without_photos(after)] == [
            "person 4",
            "person 5",
        ]
        probe = embed_new(crops_of(4, 1, first=9))
        assert after.identify(probe, threshold=RULE)[0].identity is None
        with pytest.raises(InputError, match="no photo of the model new"):
            after.similarities("person 4", probe)
        enrol(after, 4)
        check_found(after, [0, 1, 2, 3, 4])
        after.remove("person 5")
        assert (len(after), after.check()) == (5, [])


def test_a_migration_that_is_cancelled_leaves_the_gallery_as_it_was(gallery: Gallery) -> None:
    migration = begun(gallery)
    migration.embed_crops(embed_new)
    migration.enroll("person 5", embed_new(crops_of(5)), crops=crops_of(5))
    assert len(KeptCrops(gallery)) == 10
    assert migration.cancel() == 10
    assert len(KeptCrops(gallery)) == 8
    assert migration.status() is None
    check_found(gallery, list(range(6)))
    assert gallery.check() == []
    with pytest.raises(InputError, match="not being brought"):
        migration.finish()


def test_whose_consent_is_over_is_not_photographed_again(gallery: Gallery) -> None:
    migration = begun(gallery)
    gallery.note("person 5", PersonDetails(retain_until="2020-01-01"))
    with pytest.raises(PersonExpiredError, match="'person 5' is kept ended on 2020-01-01"):
        migration.enroll("person 5", embed_new(crops_of(5)))


def test_merging_and_undoing_in_the_middle_loses_no_photo(gallery: Gallery) -> None:
    migration = begun(gallery)
    migration.embed_crops(embed_new)
    for person in (4, 5):
        migration.enroll(f"person {person}", embed_new(crops_of(person)))
    numbers = [merge(gallery, f"person {person}", "person 0") for person in (1, 5)]
    for number in numbers:
        unmerge(gallery, number)
    migration.finish()
    with Gallery.open(gallery.path) as after:
        check_found(after, list(range(6)))
        assert after.check() == []
        assert {person.n_photos for person in after.people()} == {2}
        assert len(KeptCrops(after)) == 8


@pytest.mark.parametrize("first", [0, 1])
def test_merges_of_merged_people_in_the_middle_part_in_any_order(
    gallery: Gallery, first: int
) -> None:
    migration = begun(gallery)
    migration.embed_crops(embed_new)
    for person in (4, 5):
        migration.enroll(f"person {person}", embed_new(crops_of(person)))
    numbers = [merge(gallery, "person 4", "person 5"), merge(gallery, "person 5", "person 0")]
    for number in (numbers[first], numbers[1 - first]):
        unmerge(gallery, number)
    migration.finish()
    with Gallery.open(gallery.path) as after:
        check_found(after, list(range(6)))
        assert after.check() == []
        assert {person.n_photos for person in after.people()} == {2}


def test_undoing_after_the_switch_gives_both_their_photos(gallery: Gallery) -> None:
    migration = begun(gallery)
    migration.embed_crops(embed_new)
    for person in (4, 5):
        migration.enroll(f"person {person}", embed_new(crops_of(person)))
    numbers = [merge(gallery, f"person {person}", "person 0") for person in (1, 5)]
    migration.finish()
    with Gallery.open(gallery.path) as after:
        for number in numbers:
            unmerge(after, number)
        check_found(after, list(range(6)))
        assert after.check() == []


def test_faces_that_wait_for_review_hold_the_switch(gallery: Gallery) -> None:
    queue = ReviewQueue(gallery)
    queue.allow()
    stranger = embed(crops_of(40, 1), OLD)
    queue.offer(stranger, gallery.identify(stranger, threshold=RULE))
    migration = begun(gallery)
    migration.embed_crops(embed_new)
    for person in (4, 5):
        migration.enroll(f"person {person}", embed_new(crops_of(person)))
    with pytest.raises(InputError, match="wait for review"):
        migration.finish()
    assert migration.finish(without_missing=True).deleted == 1


@pytest.mark.parametrize("forgotten", [False, True])
def test_who_changes_while_the_switch_is_prepared_is_switched_as_they_are(
    gallery: Gallery, forgotten: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in (4, 5):
        gallery.remove(f"person {person}")
    migration = begun(gallery)
    migration.embed_crops(embed_new)
    prepare = Preparation.prepare

    def disturbed(self: Preparation, **named: object) -> None:
        prepare(self, **named)  # type: ignore[arg-type]
        monkeypatch.setattr(Preparation, "prepare", prepare)
        gallery.remove("person 0")
        merge(gallery, "person 1", "person 2")
        gallery.rename("person 3", "Cid")
        migration.enroll("Cid", embed_new(crops_of(3, 1, first=5)))
        if forgotten:  # as it is after very many changes
            store = gallery.opened.store
            with store.transaction(write=True):
                store.prune_changes(store.position())

    monkeypatch.setattr(Preparation, "prepare", disturbed)
    done = migration.finish()
    assert (done.people, done.photos, done.without) == (2, 7, ())
    gallery.close()
    with Gallery.open(gallery.path) as opened:
        told = [(person.identity, person.n_photos) for person in opened.people()]
        assert told == [("person 2", 4), ("Cid", 3)]
        assert opened.check() == []
        for person, name in ((1, "person 2"), (2, "person 2"), (3, "Cid")):
            (found,) = opened.search(embed(crops_of(person, 1, first=9), NEW), rank=1)
            assert found[0].identity == name


def test_a_switch_that_began_anew_meanwhile_is_not_finished_by_the_first(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in (4, 5):
        gallery.remove(f"person {person}")
    migration = begun(gallery)
    migration.embed_crops(embed_new)
    prepare = Preparation.prepare

    def disturbed(self: Preparation, **named: object) -> None:
        prepare(self, **named)  # type: ignore[arg-type]
        migration.cancel()

    monkeypatch.setattr(Preparation, "prepare", disturbed)
    with pytest.raises(InputError, match="finished or cancelled meanwhile"):
        migration.finish()
    assert gallery.check() == []


def test_a_person_who_is_missing_among_the_rows_is_not_passed_over(gallery: Gallery) -> None:
    migration = begun(gallery)
    migration.embed_crops(embed_new)
    with closing(sqlite3.connect(gallery.path)) as raw:
        for trigger in ("person_gone", "person_sized"):
            raw.execute(f"DROP TRIGGER {trigger}")
        raw.execute("DELETE FROM people WHERE id = 3")
        raw.commit()
    with pytest.raises(GalleryDamagedError, match="it has 5 people, and there must be 6"):
        migration.finish(without_missing=True)


def test_which_crops_are_kept_is_told_without_decoding_them(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, decoded = KeptCrops(gallery), list[bytes]()

    def counted(data: bytes) -> Image:
        decoded.append(data)
        return read_image(data)

    monkeypatch.setattr(crops, "read_image", counted)
    ann, nobody = (gallery.opened.roster.find(f"person {person}") for person in (0, 5))
    assert ann is not None
    assert nobody is not None
    assert kept.photos(ann) == frozenset((0, 1))
    assert kept.photos(nobody) == frozenset()
    assert kept.find(ann, 7) is None
    assert not decoded
    found = kept.find(ann, 1)
    assert found is not None
    assert np.array_equal(found.pixels, crops_of(0).pixels[1])
    assert len(decoded) == 1


def test_another_space_is_refused(gallery: Gallery) -> None:
    migration = begun(gallery)
    other = EmbeddingSpace("other", "2" * 64, "none", 64)
    with pytest.raises(InputError, match="is being brought to new"):
        migration.begin(other, template=TEMPLATE)
    with pytest.raises(GallerySpaceError, match="being brought to"):
        migration.embed_crops(lambda crops: embed(crops, other))
    with pytest.raises(GallerySpaceError, match="being brought to"):
        migration.enroll("person 5", embed(crops_of(5), OLD))


def test_crops_of_another_alignment_are_not_embedded(gallery: Gallery) -> None:
    migration = Migration(gallery)
    migration.begin(NEW, template="facenet-160")
    assert migration.embed_crops(embed_new) == 0
    status = migration.status()
    assert status is not None
    assert len(status.missing) == 6


def test_crops_are_kept_only_where_allowed_and_are_exported(
    gallery: Gallery, tmp_path: Path
) -> None:
    kept = KeptCrops(gallery)
    names = export_person(gallery, "person 0", tmp_path / "0.zip")
    assert {"crops/0.png", "crops/1.png"} <= set(names)
    assert kept.forbid() == 8
    enrol(gallery, 8)
    assert len(kept) == 0
    assert gallery.check() == []


def work(path: str, key: MasterKey | None, told: Connection) -> None:
    """Embed a person at a time, then switch."""
    with Gallery.open(path, key=key) as gallery:
        migration = begun(gallery)

        def slowly(crops: AlignedCrops) -> Embeddings:
            told.send("embed")
            return embed_new(crops)

        migration.embed_crops(slowly)
        told.send("finish")
        migration.finish()
        told.send("done")
        time.sleep(60)


def kill_migrations(folder: Path, times: int, key: MasterKey | None) -> None:
    rng = np.random.default_rng(0)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vultus.gallery.moving.migration", "numpy"])
    states = set()
    for number in range(times):
        path = folder / f"{number}.db"
        with Gallery.open(path, space=OLD, outlier_similarity=0.5, key=key) as gallery:
            KeptCrops(gallery).allow()
            with gallery.opened.store.transaction(write=True):
                for person in range(70):  # two handfuls
                    enrol(gallery, person)
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=work, args=(str(path), key, there))
        child.start()
        there.close()
        for _ in range(int(rng.integers(1, 5))):
            here.recv()
        time.sleep(float(rng.uniform(0, 0.05)))
        child.kill()
        child.join()
        here.close()
        with Gallery.open(path, key=key) as gallery:
            assert gallery.check() == []
            assert len(gallery) == 70
            states.add(gallery.space.model)
            check_found(gallery, [0, 35, 69])
            if gallery.space == OLD:
                begun(gallery).embed_crops(embed_new)
                Migration(gallery).finish()
        with Gallery.open(path, key=key) as gallery:
            assert gallery.space == NEW
            check_found(gallery, list(range(70)))
            assert gallery.check() == []
        path.unlink()
    assert times < 20 or states == {"old", "new"}


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_a_migration_that_is_killed_goes_on(tmp_path: Path) -> None:
    kill_migrations(tmp_path, 2, KEY)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(os.name != "posix", reason="kills")
@pytest.mark.parametrize("key", [None, KEY], ids=["without key", "with key"])
def test_many_migrations_that_are_killed_go_on(tmp_path: Path, key: MasterKey | None) -> None:
    kill_migrations(tmp_path, rounds(20), key)
