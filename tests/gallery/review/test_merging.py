from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import IdentityNotFoundError, InputError
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import Consent, PersonDetails
from vultus.gallery.review.merging import merge, merges, unmerge

PhotosOf = Callable[..., Embeddings]


@pytest.fixture
def gallery(tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf) -> Gallery:
    gallery = Gallery.open(tmp_path / "people.db", space=space)
    details = PersonDetails(external_id="1", metadata={"desk": 4, "age": 30}, groups=["staff"])
    gallery.enroll("Ann", photos_of(0, 3), details=details)
    consent = Consent(given_at="2026-01-01", purpose="entry", until="2097-01-01")
    other = PersonDetails(
        external_id="2", metadata={"age": 31, "car": "B-7"}, groups=["guests"], consent=consent
    )
    gallery.enroll("Anne", photos_of(0, 2, first=7), details=other)
    gallery.enroll("Bob", photos_of(1, 2))
    return gallery


def state(gallery: Gallery) -> dict[str, tuple[Any, ...]]:
    """All that anybody can see, without the order of enrolment and what nobody chooses."""
    templates = gallery.template_set()
    vectors = dict(zip(templates.identities, templates.vectors, strict=True))
    return {
        person.identity: (
            *(person.n_photos, person.external_id, person.metadata, person.groups),
            *(person.consent, person.enrolled_at, vectors[person.identity].tobytes()),
            gallery.photos(person.identity),
        )
        for person in gallery.people()
    }


def test_who_remains_has_all_photos_and_what_was_lacking(
    gallery: Gallery, photos_of: PhotosOf
) -> None:
    merge(gallery, "Anne", "Ann")
    ann = gallery.person("Ann")
    assert [person.identity for person in gallery.people()] == ["Ann", "Bob"]
    assert (ann.n_photos, ann.external_id, ann.groups) == (5, "1", ("guests", "staff"))
    assert ann.metadata == {"age": 30, "car": "B-7", "desk": 4}
    assert ann.expires_at == "2097-01-01T00:00:00+00:00"
    with Gallery.open(gallery.path.with_name("all.db"), space=gallery.space) as once:
        both = Embeddings.concatenate([photos_of(0, 3), photos_of(0, 2, first=7)])
        once.enroll("Ann", both)
        assert np.allclose(once.template_set().vectors[0], gallery.template_set().vectors[0])
    assert gallery.check() == []


def test_a_merge_is_undone_to_the_byte(gallery: Gallery) -> None:
    before = state(gallery)
    number = merge(gallery, "Anne", "Ann")
    (told,) = merges(gallery)
    assert (told.number, told.identity, told.into, told.n_photos) == (number, "Anne", "Ann", 2)
    assert unmerge(gallery, number) == "Anne"
    assert state(gallery) == before
    assert merges(gallery) == []
    assert gallery.check() == []
    with pytest.raises(InputError, match=f"no merge item {number}"):
        unmerge(gallery, number)
    actions = [logged.entry.action for logged in gallery.audit.entries()]
    assert actions[-2:] == ["merge", "unmerge"]


def test_strangers_can_be_merged_and_part_again(gallery: Gallery, photos_of: PhotosOf) -> None:
    before = state(gallery)
    number = merge(gallery, "Bob", "Ann")
    (best, _) = gallery.search(photos_of(1), rank=2)[0]
    assert best.identity == "Ann"  # his photos count, though they are unlike hers
    unmerge(gallery, number)
    assert state(gallery) == before
    with pytest.raises(InputError, match="no photo is like those of 'Ann'"):
        gallery.enroll("Ann", photos_of(5))  # hers count by themselves again


def test_what_came_since_stays(gallery: Gallery, photos_of: PhotosOf) -> None:
    number = merge(gallery, "Anne", "Ann")
    gallery.enroll("Ann", photos_of(0, 1, first=20))
    gallery.note("Ann", PersonDetails(groups=["board"]))
    gallery.enroll("Anne", photos_of(5))
    with pytest.raises(InputError, match="somebody named 'Anne' is enrolled by now"):
        unmerge(gallery, number)
    assert gallery.person("Ann").n_photos == 6  # nothing was done by halves
    assert unmerge(gallery, number, name="Anne B.") == "Anne B."
    assert gallery.person("Ann").n_photos == 4
    assert gallery.person("Ann").groups == ("board",)
    assert gallery.person("Ann").external_id == "1"
    assert gallery.person("Anne B.").groups == ("guests",)
    assert gallery.check() == []


@pytest.mark.parametrize("order", ["first in first out", "last in first out"])
def test_merges_of_merged_people_part_in_any_order(gallery: Gallery, order: str) -> None:
    before = state(gallery)
    inner = merge(gallery, "Bob", "Anne")
    outer = merge(gallery, "Anne", "Ann")
    assert {(m.identity, m.into) for m in merges(gallery)} == {("Bob", "Ann"), ("Anne", "Ann")}
    last_first = order == "last in first out"
    for number in (outer, inner) if last_first else (inner, outer):
        unmerge(gallery, number)
    assert gallery.check() == []
    after = state(gallery)
    assert after == before


@pytest.mark.parametrize("first", [0, 1])
def test_two_strangers_in_one_person_part_in_any_order(gallery: Gallery, first: int) -> None:
    before = state(gallery)
    numbers = [merge(gallery, name, "Bob") for name in ("Ann", "Anne")]
    unmerge(gallery, numbers[first])
    bob, left = gallery.person("Bob"), ("Anne", "Ann")[first]
    assert (bob.external_id, bob.metadata, bob.groups, bob.consent) == before[left][1:5]
    unmerge(gallery, numbers[1 - first])
    assert state(gallery) == before


def test_a_photo_that_did_not_count_does_not_count_again(
    gallery: Gallery, photos_of: PhotosOf
) -> None:
    odd = photos_of(7)
    vectors = np.concatenate([(0.62 * photos_of(0).vectors + 0.38 * odd.vectors), odd.vectors])
    for mixed in vectors:  # like enough when each came, less so the more photos there are
        near = Embeddings.from_raw(mixed[None], gallery.space)
        with suppress(InputError):
            gallery.enroll("Ann", near)
    member = gallery.opened.roster.find("Ann")
    assert member is not None
    faces = list(gallery.opened.roster.faces(member).values())
    assert not any(face.forced for face in faces)
    before = state(gallery)
    for number in [merge(gallery, name, "Ann") for name in ("Bob", "Anne")]:
        unmerge(gallery, number)
    assert state(gallery) == before


def test_erasing_who_remains_takes_the_way_back_with_them(gallery: Gallery) -> None:
    number = merge(gallery, "Anne", "Ann")
    receipt = gallery.remove("Ann")
    assert (receipt.rows["items"], receipt.rows["faces"]) == (1, 5)
    with pytest.raises(InputError, match="no merge item"):
        unmerge(gallery, number)


def test_what_cannot_be_merged_is_said(gallery: Gallery) -> None:
    with pytest.raises(InputError, match="two different people"):
        merge(gallery, "Ann", " Ann ")
    with pytest.raises(IdentityNotFoundError, match="nobody named"):
        merge(gallery, "Anm", "Bob")
    assert len(gallery) == 3
