"""How often a database is asked to answer a search."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import PersonDetails

Photos = Callable[..., Embeddings]


@pytest.fixture
def url(postgres_url: str) -> str:
    return f"{postgres_url}/g{secrets.token_hex(6)}"


@pytest.fixture
def gallery(url: str, photos_of: Photos, space: EmbeddingSpace) -> Iterator[Gallery]:
    with Gallery.open(url, space=space) as made:
        for number in range(8):
            made.enroll(f"person {number}", photos_of(number))
            made.note(f"person {number}", PersonDetails(groups=["all"]))
        made.search(photos_of(0), rank=1)
        yield made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, gallery: Gallery) -> list[str]:
    """Every statement that is sent from now on."""
    told: list[str] = []
    execute = psycopg.Connection.execute

    def counted(self: Any, query: Any, *args: Any, **named: Any) -> Any:
        told.append(str(query))
        return execute(self, query, *args, **named)

    monkeypatch.setattr(psycopg.Connection, "execute", counted)
    return told


def test_a_search_asks_for_the_state_and_once_for_all_names(
    gallery: Gallery, photos_of: Photos, asked: list[str]
) -> None:
    answers = gallery.identify(photos_of(3, first=9), threshold=Threshold(0.5), fpir=0.1)
    assert answers[0].identity == "person 3"
    assert len(answers[0].candidates) == 5
    assert len(asked) == 2
    asked.clear()
    gallery.identify(photos_of(3, first=7), threshold=Threshold(0.5))
    assert len(asked) == 1
    asked.clear()
    gallery.among(["all"]).search(photos_of(3), rank=5)
    assert len(asked) == 2  # whether there is such a group is asked before


def test_people_are_looked_up_in_one_statement(gallery: Gallery, asked: list[str]) -> None:
    person = gallery.person("person 5")
    assert gallery.person_by_uid(person.uid) == person
    assert len(asked) == 2
    asked.clear()
    assert len(gallery.uids([f"person {number}" for number in range(8)])) == 8
    assert len(gallery) == 8
    assert len(asked) == 2


def test_what_another_process_changed_is_in_the_next_answer(
    gallery: Gallery, photos_of: Photos, url: str
) -> None:
    with Gallery.open(url) as other:
        other.enroll("Eve", photos_of(50))
        assert gallery.search(photos_of(50), rank=1)[0][0].identity == "Eve"
        other.rename("Eve", "Eva")
        assert gallery.search(photos_of(50), rank=1)[0][0].identity == "Eva"
        other.remove("Eva")
        assert "Eva" not in [c.identity for c in gallery.search(photos_of(50), rank=9)[0]]
        assert gallery.searched_position == other.position
