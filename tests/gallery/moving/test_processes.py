"""Others enrol, erase and search while a gallery goes to another model; each is right all along."""

import multiprocessing
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from tests.gallery.moving.two_models import (
    NEW,
    OLD,
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
from vultus.core.errors import GallerySpaceError, InputError
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.moving.migration import Migration
from vultus.gallery.security.master_key import MasterKey

KEY = MasterKey(bytes(range(32)))
THIRD = EmbeddingSpace("third", "2" * 64, "none", 64)
AT_FIRST = 70
"""More than are embedded at once."""


def filled(path: Path, people: int, key: MasterKey | None = None) -> None:
    with Gallery.open(path, space=OLD, outlier_similarity=0.5, key=key) as gallery:
        KeptCrops(gallery).allow()
        with gallery.opened.store.transaction(write=True):
            for person in range(people):
                enrol(gallery, person)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    filled(tmp_path / "g.db", AT_FIRST)
    return tmp_path / "g.db"


def test_two_who_have_it_open_see_the_right_space(path: Path) -> None:
    with Gallery.open(path) as moving, Gallery.open(path) as other:
        migration, calls = begun(moving), list[int]()

        def look(crops: AlignedCrops) -> Embeddings:
            """While the next model looks, the other enrols, erases and searches."""
            if len(calls) == 3:
                return embed_new(crops)
            first = 100 + len(calls)
            calls.append(first)
            enrol(other, first)
            other.remove(f"person {len(calls)}")
            other.remove(f"person {AT_FIRST - len(calls)}")
            check_found(other, [first, 0, 40])
            with pytest.raises(InputError, match="being brought to new"):
                Migration(other).begin(THIRD, template="any")
            return embed_new(crops)

        migration.embed_crops(look)
        check_found(moving, [*calls, 0, 40])
        migration.embed_crops(embed_new)
        left = [0, *range(1 + len(calls), AT_FIRST - len(calls)), *calls]
        for seen in (migration.status(), Migration(other).status()):
            assert seen is not None
            assert (seen.people, seen.ready, seen.pending) == (len(left), len(left), 0)
        assert migration.finish().people == len(left)
        for gallery in (moving, other):
            with pytest.raises(GallerySpaceError, match="open it again"):
                gallery.search(embed(crops_of(0), OLD))
            with pytest.raises(GallerySpaceError, match="open it again"):
                enrol(gallery, 500)
        with pytest.raises(GallerySpaceError, match="open it again"):
            Migration(other).finish()
    with Gallery.open(path) as after:
        assert (after.space, len(after)) == (NEW, len(left))
        check_found(after, left)
        assert after.check() == []


def test_who_migrates_is_told_that_another_ended_it(path: Path) -> None:
    with Gallery.open(path) as moving, Gallery.open(path) as other:

        def cancel(crops: AlignedCrops) -> Embeddings:
            Migration(other).cancel()
            return embed_new(crops)

        with pytest.raises(InputError, match="finished or cancelled meanwhile"):
            begun(moving).embed_crops(cancel)
        check_found(moving, [0, 40])
        assert moving.check() == []


def test_two_who_migrate_share_the_work(path: Path) -> None:
    with Gallery.open(path) as one, Gallery.open(path) as two:
        begun(two)

        def together(crops: AlignedCrops) -> Embeddings:
            Migration(two).embed_crops(embed_new)
            return embed_new(crops)

        assert begun(one).embed_crops(together) == 0  # the other was faster
        assert Migration(one).finish().photos == 2 * AT_FIRST
    with Gallery.open(path) as after:
        check_found(after, list(range(AT_FIRST)))


def work(path: str, who: int, told: Connection, key: MasterKey | None) -> None:
    """Enrol people and erase each third, until the switch and a few times after it."""
    gallery, step, after = Gallery.open(path, key=key), 0, 0
    while after < 5:
        person = 1000 * (who + 1) + step
        try:
            if not has(gallery, person):
                enrol(gallery, person)
            check_found(gallery, [person, 0])
            if step % 3 == 2 and has(gallery, person - 1):
                gallery.remove(f"person {person - 1}")
        except GallerySpaceError:
            gallery.close()
            gallery = Gallery.open(path, key=key)
            assert gallery.space == NEW
            continue  # the same with the next model
        after += gallery.space == NEW
        step += 1
        told.send(step)
    gallery.close()


def has(gallery: Gallery, person: int) -> bool:
    return gallery.opened.roster.find(f"person {person}") is not None


def migrate_beside(path: Path, n_others: int, key: MasterKey | None) -> None:
    """Bring a gallery to the next model while processes change it; all they did is there."""
    filled(path, AT_FIRST, key)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.gallery.moving.two_models"])
    others = []
    for who in range(n_others):
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=work, args=(str(path), who, there, key))
        child.start()
        there.close()
        others.append((here, child))
    for here, _ in others:
        here.recv()  # all are at work
    with Gallery.open(path, key=key) as gallery:
        migration = begun(gallery)
        migration.finish(embed=embed_new)  # also whoever is enrolled in between
    expected = {f"person {person}" for person in range(AT_FIRST)}
    for who, (here, child) in enumerate(others):
        steps = 1
        with suppress(EOFError):
            while True:
                steps = here.recv()
        child.join()
        assert child.exitcode == 0
        erased = {step - 1 for step in range(2, steps, 3)}
        expected |= {f"person {1000 * (who + 1) + n}" for n in range(steps) if n not in erased}
    with Gallery.open(path, key=key) as gallery:
        assert {person.identity for person in gallery.people()} == expected
        assert gallery.space == NEW
        check_found(gallery, [int(name.split()[1]) for name in expected])
        assert gallery.check() == []
        assert gallery.audit.verify().sound


def test_a_process_that_changes_the_gallery_loses_nothing(tmp_path: Path) -> None:
    migrate_beside(tmp_path / "g.db", 1, None)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "key"])
def test_three_processes_that_change_the_gallery_lose_nothing(
    tmp_path: Path, key: MasterKey | None
) -> None:
    for number in range(rounds(5)):
        migrate_beside(tmp_path / f"{number}.db", 3, key)
