"""Changes are heard of, and found all the same when they are not."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from tests.gallery.stores.postgres.server import Server

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError
from vultus.gallery.gallery import Gallery
from vultus.gallery.stores.postgres import following
from vultus.gallery.stores.postgres.following import Follower
from vultus.gallery.stores.postgres.store import PostgresStore

Photos = Callable[..., Embeddings]


@pytest.fixture
def url(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(following, "_LOOK_S", 0.05)
    monkeypatch.setattr(following, "_AGAIN_S", 0.05)
    return f"{postgres_url}/g{secrets.token_hex(6)}"


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(url, create=True)) as store:
        yield store


def change(store: PostgresStore) -> None:
    with store.transaction(write=True):
        store.set_meta("a", secrets.token_bytes(4))


def grows(heard: list[int], n: int, *, within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while len(heard) < n and time.monotonic() < deadline:
        time.sleep(0.01)
    return len(heard) >= n


def end_listeners(server: Server) -> int:
    ended = server.sql(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        " WHERE query LIKE 'LISTEN%'"
    )
    return int(ended)


def test_a_change_is_heard_of(store: PostgresStore) -> None:
    heard: list[int] = []
    with closing(store.follow(lambda: heard.append(1))):
        assert grows(heard, 1)  # at the beginning, for what was before
        change(store)
        assert grows(heard, 2)
    n = len(heard)
    change(store)
    assert not grows(heard, n + 1, within_s=0.3)


def test_who_listens_goes_on_after_the_connection_was_lost(
    postgres_server: Server, store: PostgresStore
) -> None:
    heard: list[int] = []
    with closing(store.follow(lambda: heard.append(1))):
        assert grows(heard, 1)
        assert end_listeners(postgres_server) >= 1
        assert grows(heard, 2)  # anew, for what was missed
        change(store)
        assert grows(heard, 3)


def test_what_cannot_be_taken_over_does_not_end_the_following(
    store: PostgresStore, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def fails() -> None:
        heard.append(1)
        raise GalleryError("of Ann")

    with closing(store.follow(fails)):
        assert grows(heard, 1)
        change(store)
        assert grows(heard, 2)
    assert "were not taken over" in caplog.text
    assert "Ann" not in caplog.text


def test_a_gallery_that_is_warm_takes_over_without_being_asked(
    url: str, space: EmbeddingSpace, photos_of: Photos
) -> None:
    with Gallery.open(url, space=space) as one, Gallery.open(url) as other:
        other.warm()
        for person in range(3):
            one.enroll(f"person {person}", photos_of(person))
        deadline = time.monotonic() + 10
        while other.searched_position < one.position and time.monotonic() < deadline:
            time.sleep(0.01)
        assert other.searched_position == one.position > 0


def test_an_enrolment_whose_notification_is_dropped_is_found_by_the_next_search(
    url: str, space: EmbeddingSpace, photos_of: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Follower, "_tell", lambda self: None)
    with Gallery.open(url, space=space) as one, Gallery.open(url) as other:
        other.warm()
        for person in range(10):
            one.enroll(f"person {person}", photos_of(person))
            carried = one.position
            found = other.search(photos_of(person, first=5), rank=1)[0][0]
            assert found.identity == f"person {person}"
            assert other.searched_position >= carried
