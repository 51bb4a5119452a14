import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError
from vultus.gallery.erasure import ErasureLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.stores.sqlite import SqliteStore

PhotosOf = Callable[..., Embeddings]
ID, UID, DIGEST = bytes(range(16)), bytes(range(16, 32)), bytes(32)
AT = "2026-11-30T00:00:00+00:00"


def test_what_was_noted_is_read_back_in_order(tmp_path: Path) -> None:
    log = ErasureLog(tmp_path / "g.db", gallery_id=ID)
    assert (log.size(), log.erased()) == (0, ([], 0))
    assert log.append(UID, at=AT, digest=DIGEST) == log.size() > 0
    size = log.append(ID, at=AT, digest=DIGEST)
    assert log.erased() == ([UID, ID], size)
    assert log.path == tmp_path / "g.db-erased"
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_notes_of_another_gallery_are_passed_over(tmp_path: Path) -> None:
    ErasureLog(tmp_path / "g.db", gallery_id=bytes(16)).append(UID, at=AT, digest=DIGEST)
    log = ErasureLog(tmp_path / "g.db", gallery_id=ID)
    size = log.append(ID, at=AT, digest=DIGEST)
    assert log.erased() == ([ID], size)


def test_a_note_that_was_cut_short_is_none_and_is_written_over(tmp_path: Path) -> None:
    log = ErasureLog(tmp_path / "g.db", gallery_id=ID)
    whole = log.append(UID, at=AT, digest=DIGEST)
    log.append(ID, at=AT, digest=DIGEST)
    data = log.path.read_bytes()
    for cut in (1, 40, whole - 1):
        log.path.write_bytes(data[:-cut])
        assert log.erased()[0] == [UID]
        log.append(DIGEST[:16], at=AT, digest=DIGEST)
        assert log.erased() == ([UID, bytes(16)], log.size())


def test_a_changed_note_is_an_error(tmp_path: Path) -> None:
    log = ErasureLog(tmp_path / "g.db", gallery_id=ID)
    log.append(UID, at=AT, digest=DIGEST)
    log.append(ID, at=AT, digest=DIGEST)
    data = log.path.read_bytes()
    for place in (0, 35, 70, 100, 160):
        changed = bytearray(data)
        changed[place] ^= 1
        log.path.write_bytes(bytes(changed))
        with pytest.raises(GalleryError, match="damaged in line 1"):
            log.erased()


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


def test_a_receipt_tells_what_was_done(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(tmp_path / "g.db", space=space) as gallery:
        gallery.enroll("Annabel", photos_of(1, 3))
        gallery.enroll("Bob", photos_of(2))
        member = gallery._roster.find("Annabel")
        assert member is not None
        key = gallery._store.key(member.id)
        assert key is not None
        assert key.wrapped in on_disk(tmp_path)
        receipt = gallery.remove("Annabel")
        assert receipt.rows == {
            "keys": 1,
            "templates": 1,
            "faces": 3,
            "groups": 0,
            "items": 0,
            "events": 0,
            "people": 1,
        }
        assert receipt.scrubbed
        disk = on_disk(tmp_path)
        assert key.wrapped not in disk
        assert member.row.name_tag not in disk
        assert b"Annabel" not in disk
        last = list(gallery.audit.entries())[-1]
        assert last.entry.action == "erase"
        assert last.entry.subject == receipt.subject == receipt.to_dict()["subject"]
        assert last.head.position == receipt.audit_position
        assert last.head.digest.hex() == receipt.audit_digest
        assert gallery.check() == []


def test_a_reader_in_the_way_is_told_and_the_key_goes_later(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    path = tmp_path / "g.db"
    with Gallery.open(path, space=space) as gallery, Gallery.open(path) as reader:
        gallery.enroll("Ann", photos_of(1))
        with reader._store.transaction():
            assert len(reader) == 1
            assert not gallery.remove("Ann").scrubbed
        gallery.enroll("Bob", photos_of(2))
        assert gallery._store.scrub()


def test_an_older_copy_opened_in_its_place_forgets_who_was_erased(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    path, copy = tmp_path / "g.db", tmp_path / "copy.db"
    with Gallery.open(path, space=space) as gallery:
        for number in range(4):
            gallery.enroll(f"p{number}", photos_of(number))
        gallery.remove("p0")
        gallery.backup(copy)
        gallery.remove("p1")
        gallery.remove("p2")
        gallery.enroll("p1", photos_of(1))  # came back by their own will, after the copy
    shutil.copyfile(copy, path)
    with Gallery.open(path) as restored:
        assert [person.identity for person in restored.identities()] == ["p3"]
        actions = [entry.entry.action for entry in restored.audit.entries()]
        assert actions[-2:] == ["erase again", "erase again"]
        assert restored.check() == []
        position = len(actions)
    with Gallery.open(path) as again:
        assert len(list(again.audit.entries())) == position
    # Elsewhere a copy is what it was.
    with Gallery.open(copy) as elsewhere:
        assert [person.identity for person in elsewhere.identities()] == ["p1", "p2", "p3"]


def test_an_erasure_that_was_noted_and_not_done_is_done_at_the_next_opening(
    tmp_path: Path,
    space: EmbeddingSpace,
    photos_of: PhotosOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "g.db"

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Ann", photos_of(1))
        with monkeypatch.context() as patch:
            patch.setattr(SqliteStore, "erase_person", killed)
            with pytest.raises(KeyboardInterrupt):
                gallery.remove("Ann")
        assert len(gallery) == 1
    with Gallery.open(path) as gallery:
        assert len(gallery) == 0
        assert gallery.check() == []


def test_an_erasure_that_was_noted_and_not_done_is_done_by_the_next_who_erases(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    path = tmp_path / "people.db"
    with Gallery.open(path, space=space) as gallery:
        for person, name in enumerate(("Ann", "Bob", "Cid")):
            gallery.enroll(name, photos_of(person))
        noted = bytes.fromhex(gallery.person("Bob").uid)
        gallery.opened.erasures.append(noted, at=AT, digest=DIGEST)  # and its process is killed
        gallery.remove("Ann")
        assert [person.identity for person in gallery.people()] == ["Cid"]
        assert gallery.check() == []


def test_nobody_is_erased_when_it_cannot_be_noted(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(tmp_path / "g.db", space=space) as gallery:
        gallery.enroll("Ann", photos_of(1))
        (tmp_path / "g.db-erased").mkdir()
        with pytest.raises(GalleryError, match="nobody was erased"):
            gallery.remove("Ann")
        assert len(gallery) == 1
