import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import (
    GalleryDamagedError,
    GalleryError,
    GalleryKeyError,
    InputError,
)
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.gallery.opening import open_gallery
from vultus.gallery.people.details import PersonDetails
from vultus.gallery.searching import templates
from vultus.gallery.security.master_key import MasterKey, ScryptCost
from vultus.gallery.upkeep import rekeying
from vultus.gallery.upkeep.rekeying import new_recovery_key, rekey
from vultus.search.index import VectorIndex
from vultus.search.index_file import Stamp

PhotosOf = Callable[..., Embeddings]
OLD, NEW = MasterKey(bytes(range(32))), MasterKey(bytes(range(32, 64)))
CHEAP = ScryptCost(n=2**14)


@pytest.fixture
def plain(tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf) -> Path:
    return made(tmp_path / "plain.db", space, photos_of, None)


@pytest.fixture
def sealed(tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf) -> Path:
    return made(tmp_path / "sealed.db", space, photos_of, OLD)


def made(path: Path, space: EmbeddingSpace, photos_of: PhotosOf, key: MasterKey | None) -> Path:
    with Gallery.open(path, space=space, key=key) as gallery:
        for person in range(3):
            gallery.enroll(f"person {person}", photos_of(person, 2))
        gallery.remove("person 2")
    return path


def assert_whole(path: Path, key: MasterKey | None, photos_of: PhotosOf) -> None:
    with Gallery.open(path, key=key) as gallery:
        assert gallery.check() == []
        assert [person.identity for person in gallery.identities()] == ["person 0", "person 1"]
        (answer,) = gallery.identify(photos_of(1, first=9), threshold=Threshold(0.5))
        assert answer.identity == "person 1"
        assert gallery.enroll("person 1", photos_of(1, 2)).added == 0  # found by name, as before


def bytes_of(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def wraps(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT wrapped FROM keys ORDER BY id")]


def test_a_gallery_is_given_its_first_key_and_keeps_no_byte_of_what_opened_it(
    plain: Path, photos_of: PhotosOf
) -> None:
    with Gallery.open(plain) as gallery:
        opened_by = str(gallery.opened.vault.header.plain_key).encode()
        secret = gallery.opened.vault.header.secret.encode()
    before = wraps(plain)
    assert opened_by in bytes_of(plain)
    done = rekey(plain, NEW)
    assert (done.sealed, done.keys, done.scrubbed, done.recovery) == (True, 2, True, False)
    for piece in (opened_by, secret, *before[:2]):
        assert piece not in bytes_of(plain)
    with pytest.raises(GalleryKeyError, match="sealed"):
        Gallery.open(plain)
    assert_whole(plain, NEW, photos_of)


def test_no_template_stays_readable_beside_a_gallery_that_is_given_a_key(
    plain: Path, photos_of: PhotosOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "WORTH_A_FILE", 1)
    monkeypatch.setattr(templates, "_ANEW_AFTER", 10**9)
    index = templates.index_path(plain)
    gallery = Gallery.open(plain)
    gallery.search(photos_of(0))
    template = gallery.template_set().vectors[0].tobytes()
    assert template in index.read_bytes()
    link = index.with_name("the same blocks")
    link.hardlink_to(index)
    rekey(plain, NEW)
    assert not index.exists()
    assert not any(link.read_bytes())  # overwritten, not only unlinked
    with pytest.raises(GalleryKeyError, match="meanwhile"):
        gallery.enroll("person 5", photos_of(5))
    gallery.close()
    assert not index.exists()
    with Gallery.open(plain, key=NEW) as sealed:
        sealed.search(photos_of(0))
    assert not index.exists()


def test_an_index_that_is_written_while_the_key_is_given_goes_at_once(
    plain: Path, photos_of: PhotosOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "WORTH_A_FILE", 1)
    monkeypatch.setattr(templates, "_ANEW_AFTER", 10**9)
    save = VectorIndex.save

    def slow(self: VectorIndex, path: Path, stamp: Stamp) -> None:
        rekey(plain, NEW)
        save(self, path, stamp)

    monkeypatch.setattr(VectorIndex, "save", slow)
    with Gallery.open(plain) as gallery:
        with pytest.raises(GalleryKeyError, match="meanwhile"):
            gallery.search(photos_of(0))
        assert not templates.index_path(plain).exists()


def test_an_empty_gallery_is_given_a_key_and_keeps_no_byte_either(
    tmp_path: Path, space: EmbeddingSpace
) -> None:
    path = tmp_path / "empty.db"
    with Gallery.open(path, space=space) as gallery:
        opened_by = str(gallery.opened.vault.header.plain_key).encode()
    assert rekey(path, NEW).scrubbed
    assert opened_by not in bytes_of(path)


def test_another_key_wraps_one_row_anew(sealed: Path, photos_of: PhotosOf) -> None:
    before = wraps(sealed)
    done = rekey(sealed, NEW, key=OLD)
    assert (done.sealed, done.keys) == (True, 0)
    assert wraps(sealed) == before
    with pytest.raises(GalleryKeyError, match="not the gallery's key"):
        Gallery.open(sealed, key=OLD)
    assert_whole(sealed, NEW, photos_of)


def test_a_deep_change_wraps_every_key_anew_and_no_erased_one(
    sealed: Path, photos_of: PhotosOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekeying, "_AT_ONCE", 1)
    before = wraps(sealed)
    assert rekey(sealed, NEW, key=OLD, deep=True).keys == 2
    after = wraps(sealed)
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, True]
    assert not any(after[2])
    assert_whole(sealed, NEW, photos_of)


def test_a_deep_change_makes_tags_anew_and_leaves_none_and_keeps_pseudonyms(
    sealed: Path, photos_of: PhotosOf
) -> None:
    def told(key: MasterKey) -> tuple[list[bytes], dict[str, str], list[str]]:
        with Gallery.open(sealed, key=key) as gallery:
            rows = gallery.opened.store.people()
            found = gallery.opened.roster.find_external("e-1")
            assert found is not None
            assert found.record.name == "person 1"
            entries = [entry.to_dict() for entry in gallery.audit.entries()]
            assert gallery.audit.verify().sound
            tags = [tag for row in rows for tag in (row.name_tag, row.external_tag) if tag]
            people = {
                person.identity: gallery.opened.subject(person) for person in gallery.people()
            }
            return tags, people, [entry["subject"] for entry in entries if "subject" in entry]

    with Gallery.open(sealed, key=OLD) as gallery:
        gallery.note("person 1", PersonDetails(external_id="e-1"))
    tags, people, subjects = told(OLD)
    assert rekey(sealed, NEW, key=OLD, deep=True).scrubbed
    content = bytes_of(sealed)
    later_tags, later_people, later_subjects = told(NEW)
    assert len(set(tags) | set(later_tags)) == 6
    assert [tag for tag in tags if tag in content] == []
    assert all(tag in content for tag in later_tags)
    assert (later_people, later_subjects[: len(subjects)]) == (people, subjects)
    assert_whole(sealed, NEW, photos_of)
    rekey(sealed, OLD, key=NEW, deep=True)  # once more, of a secret that is in two parts already
    assert told(OLD)[1] == people
    assert_whole(sealed, OLD, photos_of)


def test_a_deep_change_hides_no_damage(sealed: Path) -> None:
    with closing(sqlite3.connect(sealed)) as connection, connection:
        connection.execute("DELETE FROM templates WHERE person_id = 1")
    with pytest.raises(GalleryDamagedError, match="templates are missing"):
        rekey(sealed, NEW, key=OLD, deep=True)


def test_a_passphrase_opens_it_instead_and_then_nothing_is_needed(
    sealed: Path, photos_of: PhotosOf
) -> None:
    words = MasterKey.from_passphrase("five good words")
    assert rekey(sealed, words, key=OLD, cost=CHEAP).sealed
    assert_whole(sealed, words, photos_of)
    assert not rekey(sealed, None, key=words).sealed
    assert_whole(sealed, None, photos_of)


def test_a_recovery_key_opens_what_lost_its_key_and_gives_it_another(
    sealed: Path, photos_of: PhotosOf
) -> None:
    recovery, done = new_recovery_key(sealed, key=OLD)
    assert (done.recovery, done.sealed) == (True, True)
    assert_whole(sealed, recovery, photos_of)
    assert rekey(sealed, NEW, key=recovery).recovery
    assert_whole(sealed, recovery, photos_of)
    assert_whole(sealed, NEW, photos_of)
    assert not rekey(sealed, NEW, key=NEW, deep=True).recovery
    with pytest.raises(GalleryKeyError):
        Gallery.open(sealed, key=recovery)


def test_what_was_done_stands_in_the_audit_log(plain: Path) -> None:
    done = rekey(plain, OLD, actor="admin")
    new_recovery_key(plain, key=OLD, actor="admin")
    rekey(plain, None, key=OLD)
    with Gallery.open(plain) as gallery:
        *_, first, second, third = gallery.audit.entries()
        assert gallery.audit.verify([done.audit]).sound
    assert first.head == done.audit
    assert (first.entry.actor, first.entry.action) == ("admin", "rekey")
    assert (first.entry.decision, first.entry.counts) == ("open to sealed", {"keys": 2})
    assert (second.entry.action, second.entry.decision) == ("new recovery key", "sealed")
    assert (third.entry.action, third.entry.decision) == ("rekey", "sealed to open")
    assert done.to_dict()["audit"] == done.audit.to_text()


def test_wrong_keys_change_nothing(sealed: Path, plain: Path) -> None:
    before = sealed.read_bytes()
    for key in (None, NEW):
        with pytest.raises(GalleryKeyError):
            rekey(sealed, NEW, key=key)
    with pytest.raises(InputError, match="recovery key cannot be"):
        rekey(sealed, MasterKey.new_recovery(), key=OLD)
    with pytest.raises(GalleryKeyError, match="has no master key"):
        rekey(plain, NEW, key=OLD)
    assert sealed.read_bytes() == before
    with pytest.raises(GalleryError, match="there is no gallery"):
        rekey(sealed.with_name("none.db"), NEW)


def test_who_had_it_open_goes_on_after_another_key_and_not_after_a_deep_change(
    sealed: Path, photos_of: PhotosOf
) -> None:
    with Gallery.open(sealed, key=OLD) as gallery:
        rekey(sealed, NEW, key=OLD)
        gallery.enroll("person 5", photos_of(5))
        rekey(sealed, NEW, key=NEW, deep=True)
        # What is sealed with a key that is wrapped by the old one could never be opened again.
        with pytest.raises(GalleryKeyError, match="was given another key meanwhile"):
            gallery.enroll("person 6", photos_of(6))
        with pytest.raises(GalleryKeyError, match="was given another key meanwhile"):
            gallery.person("person 0")
        for look in (gallery.person, gallery.remove, gallery.opened.roster.find_external):
            with pytest.raises(GalleryKeyError, match="was given another key meanwhile"):
                look("nobody")  # whom only who makes the tags of now can say to be nobody
    with Gallery.open(sealed, key=NEW) as gallery:
        assert gallery.check() == []
        assert len(gallery) == 3


def test_of_two_changes_at_once_one_is_refused(
    sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*args: object, **kwargs: object) -> object:
        first = open_gallery(*args, **kwargs)  # type: ignore[arg-type]
        monkeypatch.setattr(rekeying, "open_gallery", open_gallery)
        rekey(sealed, NEW, key=OLD)
        return first

    monkeypatch.setattr(rekeying, "open_gallery", slow)
    with pytest.raises(GalleryKeyError, match="another process changed the key"):
        rekey(sealed, None, key=OLD)
    Gallery.open(sealed, key=NEW).close()


def test_a_change_that_fails_half_way_is_none(
    sealed: Path, photos_of: PhotosOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise GalleryError("the disk is full")

    monkeypatch.setattr(rekeying, "write_vault", full)
    with pytest.raises(GalleryError, match="full"):
        rekey(sealed, NEW, key=OLD, deep=True)
    assert_whole(sealed, OLD, photos_of)
