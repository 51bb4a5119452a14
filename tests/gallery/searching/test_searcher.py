"""Who is found: nobody whose consent or time is over, though they wait to be erased."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryDamagedError, PersonExpiredError
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import Consent, PersonDetails
from vultus.gallery.people.member import Member
from vultus.gallery.review.queue import ReviewQueue, ReviewRules
from vultus.gallery.stores import base
from vultus.search.index import SearchAnswer

PhotosOf = Callable[..., Embeddings]
OVER = (
    PersonDetails(groups=["staff"], retain_until="2020-01-01"),
    PersonDetails(
        groups=["staff"], consent=Consent(given_at="2018-01-01", purpose="door", until="2019-06-01")
    ),
)


def found(gallery: Gallery, probe: Embeddings, rank: int = 5) -> list[str]:
    return [candidate.identity for candidate in gallery.search(probe, rank=rank)[0]]


@pytest.mark.parametrize("details", OVER, ids=["retention", "consent"])
def test_whose_time_is_over_is_not_found_before_they_are_erased(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf, details: PersonDetails
) -> None:
    with Gallery.open(tmp_path / "g.db", space=space) as gallery:
        for number in range(6):
            gallery.enroll(f"person {number}", photos_of(number, 2))
        assert found(gallery, photos_of(3, 1), 1) == ["person 3"]
        gallery.note("person 3", details)
        assert len(found(gallery, photos_of(3, 1), 6)) == 5
        assert "person 3" not in found(gallery, photos_of(3, 1), 6)
        assert len(found(gallery, photos_of(3, 1), 2)) == 2
        (answer,) = gallery.identify(photos_of(3, 1), threshold=Threshold(0.4))
        assert answer.identity is None
        assert gallery.among(["staff"]).search(photos_of(3, 1)) == [()]
        gallery.note("person 3", PersonDetails(retain_until="", consent=""))
        assert found(gallery, photos_of(3, 1), 1) == ["person 3"]


@pytest.mark.parametrize(
    ("details", "what"),
    [(OVER[0], "the time for which 'Ann' is kept"), (OVER[1], "the consent of 'Ann'")],
    ids=["retention", "consent"],
)
def test_nothing_is_done_with_the_face_of_whose_time_is_over(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf, details: PersonDetails, what: str
) -> None:
    """The operations of the guide's table, one by one."""
    with Gallery.open(tmp_path / "g.db", space=space) as gallery:
        gallery.enroll("Ann", photos_of(0, 2))
        gallery.enroll("Bob", photos_of(1, 2))
        queue = ReviewQueue(gallery)
        queue.allow(ReviewRules(days=7))
        unknown = photos_of(0, 1, first=5)
        queue.offer(unknown, gallery.identify(unknown, threshold=Threshold(0.99)), sources=["d"])
        assert queue.faces()[0].suggestions[0].identity == "Ann"
        gallery.note("Ann", details)
        ended = f"{what} ended on 20"
        with pytest.raises(PersonExpiredError, match=ended):
            gallery.similarities("Ann", photos_of(0))
        with pytest.raises(PersonExpiredError, match=ended):
            gallery.enroll("Ann", photos_of(0, 1, first=9))
        with pytest.raises(PersonExpiredError, match=ended):
            gallery.enroll("Ann", photos_of(0, 1, first=9), force=True)
        number = queue.faces()[0].number
        with pytest.raises(PersonExpiredError, match=ended):
            queue.assign([number], "Ann")
        assert [found.identity for found in queue.faces()[0].suggestions] == ["Bob"]
        assert gallery.person("Ann").n_photos == 2  # listed, shown, exported until erased
        # Who is to be forgotten does not keep anybody from being enrolled.
        alike = Threshold(0.5)
        assert gallery.enroll("Eve", photos_of(0, 2, first=20), alike=alike).added == 2
        # What is noted with the photos counts.
        until = PersonDetails(retain_until="2999-01-01", consent="")
        assert gallery.enroll("Ann", photos_of(0, 1, first=9), details=until).added == 1
        assert gallery.similarities("Ann", photos_of(0)).shape == (1,)
        assert gallery.check() == []


def test_who_would_never_be_found_is_not_enrolled(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(tmp_path / "g.db", space=space) as gallery:
        for details in OVER:
            with pytest.raises(PersonExpiredError, match="ended on"):
                gallery.enroll("Ann", photos_of(0), details=details)
        assert len(gallery) == 0


def test_many_whose_time_is_over_are_passed_over(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vultus.gallery.stores.glances.PAGE", 2)
    assert base.PAGE > 2
    with Gallery.open(tmp_path / "g.db", space=space) as gallery:
        for number in range(8):
            gallery.enroll(f"person {number}", photos_of(number, 2))
            if number < 7:
                gallery.note(f"person {number}", OVER[0])
        assert found(gallery, photos_of(3, 1)) == ["person 7"]


def test_nobody_is_hidden_by_a_time_that_was_changed(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    path = tmp_path / "g.db"
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Ann", photos_of(1))
        gallery.enroll("Bob", photos_of(2))
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE people SET expires_at = '2020-01-01T00:00:00+00:00' WHERE id = 1")
        raw.commit()
    with Gallery.open(path) as gallery, pytest.raises(GalleryDamagedError):
        gallery.search(photos_of(1))


@pytest.mark.parametrize("others", [0, 1, 2])
def test_what_was_not_kept_is_not_searched(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf, others: int
) -> None:
    """A search inside of a change that fails has seen what never was."""
    path = tmp_path / "g.db"
    with Gallery.open(path, space=space) as gallery, Gallery.open(path) as elsewhere:
        gallery.enroll("Ann", photos_of(1))
        with suppress(ZeroDivisionError), gallery.changing():
            gallery.enroll("Eve", photos_of(2))
            assert found(gallery, photos_of(2), 1) == ["Eve"]
            raise ZeroDivisionError
        for number in range(others):  # so that as many changes were kept as were not
            elsewhere.enroll(f"person {number}", photos_of(10 + number))
        for number in range(others):
            assert found(gallery, photos_of(10 + number), 1) == [f"person {number}"]
        assert len(found(gallery, photos_of(2), 9)) == 1 + others
        assert gallery.searched_position == gallery.position


def test_an_answer_is_of_one_state(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is noted as over while somebody searches is not named at the position after that."""
    path = tmp_path / "g.db"
    with Gallery.open(path, space=space) as gallery, Gallery.open(path) as elsewhere:
        for number in range(3):
            gallery.enroll(f"person {number}", photos_of(number))
        found(gallery, photos_of(0))
        templates = gallery._searcher._templates
        noted: list[str] = []
        search = templates.search

        def slow(*args: Any, **named: Any) -> list[SearchAnswer]:
            if not noted:
                noted.append("person 0")
                elsewhere.note("person 0", OVER[0])
                gallery._searcher.refresh()
            return search(*args, **named)

        monkeypatch.setattr(templates, "search", slow)
        assert "person 0" not in found(gallery, photos_of(0))
        assert noted


def test_names_that_were_read_before_a_change_are_not_kept_after_it(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "g.db"
    with Gallery.open(path, space=space) as gallery, Gallery.open(path) as elsewhere:
        gallery.enroll("Ann", photos_of(1))
        roster = gallery.opened.roster
        renamed: list[str] = []
        read = roster.get_many

        def slow(numbers: list[int]) -> dict[int, Member]:
            members = read(numbers)
            if numbers and not renamed:
                renamed.append("Ann")
                elsewhere.rename("Ann", "Eve")
                gallery._searcher.refresh()
            return members

        monkeypatch.setattr(roster, "get_many", slow)
        found(gallery, photos_of(1))
        assert renamed
        assert found(gallery, photos_of(1)) == ["Eve"]
