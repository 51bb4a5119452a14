"""Galleries that several processes share over one database."""

import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.gallery.stores.postgres.scrubbing import scrubbed
from tests.gallery.stores.postgres.server import Server

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError, GalleryKeyError
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.upkeep.rekeying import rekey
from vultus.gallery.upkeep.restoring import restore

Photos = Callable[..., Embeddings]


@pytest.fixture
def url(postgres_url: str) -> str:
    return f"{postgres_url}/g{secrets.token_hex(6)}"


def test_what_one_writes_the_other_finds_at_once(
    url: str, space: EmbeddingSpace, photos_of: Photos
) -> None:
    key = MasterKey.new()
    with Gallery.open(url, space=space, key=key) as one, Gallery.open(url, key=key) as other:
        for person in range(20):
            one.enroll(f"person {person}", photos_of(person))
            found = other.search(photos_of(person, first=5), rank=1)[0][0]
            assert found.identity == f"person {person}"
        other.remove("person 7")
        names = {match.identity for match in one.search(photos_of(7), rank=20)[0]}
        assert "person 7" not in names
        assert len(names) == 19
        one.rename("person 8", "somebody")
        assert other.search(photos_of(8), rank=1)[0][0].identity == "somebody"
        assert one.check() == other.check() == []
        assert one.audit.verify().sound


def test_the_audit_chain_is_one_though_many_write(
    url: str, space: EmbeddingSpace, photos_of: Photos
) -> None:
    Gallery.open(url, space=space).close()
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with Gallery.open(url, actor=f"thread {number}") as gallery:
                for i in range(8):
                    gallery.enroll(f"person {number} {i}", photos_of(100 * number + i))
        except BaseException as error:  # noqa: BLE001 -- shown by the test itself
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with Gallery.open(url) as gallery:
        verdict = gallery.audit.verify()
        assert (verdict.sound, verdict.n_entries, len(gallery)) == (True, 33, 32)


KILLED = """
import sys
import numpy as np
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.gallery import Gallery
space = EmbeddingSpace("toy", "0" * 64, "none", 128)
with Gallery.open(sys.argv[1], space=space) as gallery:
    for i in range(10_000):
        raw = np.random.default_rng([int(sys.argv[2]), i]).standard_normal((1, 128))
        gallery.enroll(f"{sys.argv[2]} {i}", Embeddings.from_raw(raw, space))
        print(i, flush=True)
"""


def test_nothing_acknowledged_is_lost_when_processes_are_killed(
    url: str, space: EmbeddingSpace
) -> None:
    Gallery.open(url, space=space).close()
    told = set()
    for turn in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, url, str(turn)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                told.add(f"{turn} {int(line)}")
                if int(line) >= 3 + turn:
                    child.kill()
    with Gallery.open(url) as gallery:
        names = {person.identity for person in gallery.people()}
        assert told <= names
        assert len(names) <= len(told) + 3
        assert gallery.check() == []


def test_a_gallery_without_its_key_or_with_a_wrong_one_does_not_open(
    url: str, space: EmbeddingSpace
) -> None:
    key, new = MasterKey.new(), MasterKey.new()
    Gallery.open(url, space=space, key=key).close()
    for wrong in (None, new):
        with pytest.raises(GalleryKeyError):
            Gallery.open(url, key=wrong)
    assert rekey(url, new, key=key).sealed
    with pytest.raises(GalleryKeyError):
        Gallery.open(url, key=key)
    with Gallery.open(url, key=new) as gallery:
        assert gallery.check() == []


def test_rows_that_are_swapped_between_people_are_noticed(
    url: str, space: EmbeddingSpace, photos_of: Photos, postgres_server: Server
) -> None:
    key = MasterKey.new()
    with Gallery.open(url, space=space, key=key) as gallery:
        for person in range(2):
            gallery.enroll(f"person {person}", photos_of(person))
        number = postgres_server.sql(
            f"SELECT id FROM vultus_db.directory WHERE name = '{url.rpartition('/')[2]}'",
            database="faces",
        )
        postgres_server.sql(
            "UPDATE vultus_db.templates AS t SET body = (SELECT body FROM"
            " vultus_db.templates AS o WHERE"
            f" o.gallery = t.gallery AND o.person_id <> t.person_id) WHERE gallery = {number}",
            database="faces",
        )
        with pytest.raises(GalleryError, match="damaged"):
            gallery.search(photos_of(0))


def test_who_was_erased_does_not_come_back_with_a_backup(
    url: str, space: EmbeddingSpace, photos_of: Photos, tmp_path: Path
) -> None:
    with Gallery.open(url, space=space) as gallery:
        for person in range(3):
            gallery.enroll(f"person {person}", photos_of(person))
        gallery.backup(tmp_path / "backup")
        receipt = gallery.remove("person 1")
        assert receipt.scrubbed or scrubbed(gallery.opened.store)
        gallery.opened.store._rows("SELECT vultus_db.drop_gallery()")  # type: ignore[attr-defined]
    told = restore(tmp_path / "backup", url)
    assert (told.people, told.erased_again) == (2, 1)
    with Gallery.open(url) as gallery:
        assert [person.identity for person in gallery.people()] == ["person 0", "person 2"]
        assert gallery.check() == []


def test_a_notification_that_is_missed_loses_nobody(
    url: str, space: EmbeddingSpace, photos_of: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log of changes is what is followed; a gap in it is told, not passed over."""
    with Gallery.open(url, space=space) as one, Gallery.open(url) as other:
        one.enroll("person 0", photos_of(0))
        assert other.search(photos_of(0), rank=1)[0]
        one.enroll("person 1", photos_of(1))
        one.enroll("person 2", photos_of(2))
        store = one.opened.store
        with store.transaction(write=True):
            store._change("DELETE FROM vultus_db.changes WHERE position = 4")  # type: ignore[attr-defined]
        with pytest.raises(GalleryError, match="the log of changes has a gap"):
            other.search(photos_of(1), rank=1)
        assert "the log of changes has gaps" in one.check()
    with Gallery.open(url) as anew:  # whoever reads everybody finds everybody
        assert anew.search(photos_of(1), rank=1)[0][0].identity == "person 1"
