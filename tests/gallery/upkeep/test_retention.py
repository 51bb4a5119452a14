import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import Consent, PersonDetails
from vultus.gallery.stores.base import ItemRow
from vultus.gallery.upkeep.retention import expire

PhotosOf = Callable[..., Embeddings]


@pytest.fixture
def path(tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf) -> Path:
    path = tmp_path / "people.db"
    times = {"Ann": "2020-01-01", "Bob": "2019-01-01", "Cleo": "2999-01-01"}
    with Gallery.open(path, space=space) as gallery:
        for number, (name, until) in enumerate(times.items()):
            gallery.enroll(name, photos_of(number))
            gallery.note(name, PersonDetails(retain_until=until))
        consent = Consent(given_at="2018-01-01", purpose="door", until="2019-06-01")
        gallery.enroll("Dora", photos_of(7))
        gallery.note("Dora", PersonDetails(consent=consent, retain_until="2999-01-01"))
        gallery.enroll("Eve", photos_of(8))
    return path


def test_whose_time_is_over_is_erased_with_a_receipt(path: Path) -> None:
    with Gallery.open(path) as gallery:
        looked = expire(gallery, dry_run=True)
        assert looked.people == ("Bob", "Dora", "Ann")
        assert (len(gallery), looked.receipts) == (5, ())
        done = expire(gallery)
        assert done.people == looked.people
        assert [receipt.identity for receipt in done.receipts] == ["Bob", "Dora", "Ann"]
        assert [person.identity for person in gallery.identities()] == ["Cleo", "Eve"]
        assert expire(gallery).people == ()
        assert gallery.check() == []
        assert done.to_dict()["receipts"][0]["identity"] == "Bob"


def test_the_time_to_judge_by_may_be_earlier_and_not_later(path: Path) -> None:
    with Gallery.open(path) as gallery:
        assert expire(gallery, when="2999-06-01", dry_run=True).people[-1] == "Cleo"
        with pytest.raises(InputError, match="must not be to come"):
            expire(gallery, when="2999-06-01")
        assert expire(gallery, when="2019-02-01").people == ("Bob",)
        assert len(gallery) == 4


def test_other_items_go_when_their_time_is_over(path: Path) -> None:
    with Gallery.open(path) as gallery:
        store = gallery.opened.store
        with store.transaction(write=True):
            for until in ("2020-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00", None):
                key, wrapped = gallery.opened.vault.new_person_key()
                row = ItemRow(
                    id=0,
                    kind="review",
                    key_id=store.add_key(key.uid, wrapped),
                    created_at="2019-01-01T00:00:00+00:00",
                    expires_at=until,
                    body=b"",
                )
                number = store.add_item(row)
                body = key.seal("review", number, b"{}")
                store.update_item(dataclasses.replace(row, id=number, body=body))
        assert expire(gallery, dry_run=True).items == 1
        assert expire(gallery).items == 1
        assert [item.expires_at for item in store.items()] == ["2999-01-01T00:00:00+00:00", None]
        (*_, last) = gallery.audit.entries()
        assert (last.entry.action, last.entry.counts) == ("expire", {"items": 1})
        assert gallery.check() == []
