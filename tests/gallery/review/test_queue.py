from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryDamagedError, GallerySpaceError, InputError
from vultus.core.results import Candidate, Identification
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.gallery.review.queue import ReviewQueue, ReviewRules
from vultus.gallery.upkeep.retention import expire

PhotosOf = Callable[..., Embeddings]
RULE = Threshold(0.5)


@pytest.fixture
def gallery(tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf) -> Gallery:
    gallery = Gallery.open(tmp_path / "people.db", space=space)
    gallery.enroll("Ann", photos_of(0, 3))
    gallery.enroll("Bob", photos_of(1, 3))
    return gallery


@pytest.fixture
def queue(gallery: Gallery) -> ReviewQueue:
    queue = ReviewQueue(gallery)
    queue.allow(ReviewRules(days=7))
    return queue


def offered(queue: ReviewQueue, gallery: Gallery, probe: Embeddings) -> list[int | None]:
    sources = [f"{place}.jpg" for place in range(len(probe))]
    return queue.offer(probe, gallery.identify(probe, threshold=RULE), sources=sources)


def test_nothing_is_kept_until_the_gallery_allows_it(gallery: Gallery, photos_of: PhotosOf) -> None:
    queue = ReviewQueue(gallery)
    assert queue.rules() is None
    assert offered(queue, gallery, photos_of(5)) == [None]
    assert gallery.opened.store.items() == []


def test_who_is_unknown_waits_and_who_is_known_or_refused_does_not(
    gallery: Gallery, queue: ReviewQueue, photos_of: PhotosOf
) -> None:
    probe = Embeddings.concatenate([photos_of(0, first=9), photos_of(5, 2)])
    answers = gallery.identify(probe, threshold=RULE)
    assert [answer.identity for answer in answers] == ["Ann", None, None]
    answers[2] = Identification((), RULE, None, 2, ("blurred",))
    (ann, stranger, blurred) = queue.offer(probe, answers, sources=["a.jpg", "b\udce9.jpg", "c"])
    assert (ann, blurred) == (None, None)
    (face,) = queue.faces()
    assert (face.number, face.source) == (stranger, "b\\udce9.jpg")
    assert face.expires_at is not None
    assert face.to_dict()["suggestions"][0].keys() == {"identity", "similarity"}
    with Gallery.open(gallery.path) as again:  # it is on disk
        assert np.array_equal(
            ReviewQueue(again).embeddings([face.number]).vectors, probe[[1]].vectors
        )
    assert queue.offer(probe, answers)[1] == stranger  # once more changes nothing
    assert len(queue) == 1


def test_doubtful_names_wait_if_that_is_asked(
    gallery: Gallery, queue: ReviewQueue, photos_of: PhotosOf
) -> None:
    probe = photos_of(0, 2, first=9)
    at = gallery.search(probe[[0]])[0][0].similarity
    candidate = (Candidate("Ann", at),)
    answers = [
        Identification(candidate, Threshold(at - 0.01), None, 2),
        Identification(candidate, Threshold(at - 0.05), None, 2),
    ]
    assert queue.offer(probe, answers) == [None, None]
    queue.allow(ReviewRules(doubtful_within=0.02))
    kept = queue.offer(probe, answers)
    assert [number is not None for number in kept] == [True, False]


def test_faces_become_photos_of_somebody_old_or_new(
    gallery: Gallery, queue: ReviewQueue, photos_of: PhotosOf
) -> None:
    probe = Embeddings.concatenate([photos_of(5, 2), photos_of(6, 2), photos_of(0, first=9)])
    unknown = [Identification((), RULE, None, 2)] * len(probe)
    numbers = [number for number in queue.offer(probe, unknown) if number is not None]
    assert queue.groups(RULE) == [tuple(numbers[:2]), tuple(numbers[2:4]), (numbers[4],)]
    assert queue.assign(numbers[:2], "Eve").added == 2
    assert queue.assign([numbers[4]], "Ann").added == 1
    with pytest.raises(InputError, match="no photo is like"):
        queue.assign([numbers[2]], "Ann")
    assert [face.number for face in queue.faces()] == numbers[2:4]  # nothing of it is lost
    assert gallery.person("Ann").n_photos == 4
    assert [person.identity for person in gallery.people()] == ["Ann", "Bob", "Eve"]
    assert gallery.search(photos_of(5, first=8))[0][0].identity == "Eve"
    with pytest.raises(InputError, match=f"no review item {numbers[0]}"):
        queue.assign([numbers[0]], "Ann")
    assert gallery.check() == []


def test_who_it_is_not_is_remembered_and_erased_with_that_person(
    gallery: Gallery, queue: ReviewQueue, photos_of: PhotosOf
) -> None:
    unknown = [Identification((), RULE, None, 2)] * 2
    first, second = queue.offer(photos_of(5, 2), unknown)
    assert first is not None
    assert second is not None
    names = [found.identity for found in queue.faces()[0].suggestions]
    assert sorted(names) == ["Ann", "Bob"]
    queue.deny(first, names[0])
    # The other photo of this stranger is nearer to the first than to that person, too.
    assert [[s.identity for s in face.suggestions] for face in queue.faces()] == [[names[1]]] * 2
    (own,) = queue.offer(photos_of(0 if names[0] == "Ann" else 1, first=8), unknown[:1])
    mine = next(face for face in queue.faces() if face.number == own)
    assert mine.suggestions[0].identity == names[0]
    gallery.remove(names[0])
    assert [item.kind for item in gallery.opened.store.items()] == ["review"] * 3


def test_faces_go_when_their_time_is_over_or_somebody_says_so(
    gallery: Gallery, queue: ReviewQueue, photos_of: PhotosOf
) -> None:
    unknown = [Identification((), RULE, None, 2)] * 3
    numbers = queue.offer(photos_of(5, 3), unknown)
    assert numbers[0] is not None
    queue.dismiss([numbers[0]])
    with pytest.raises(InputError, match="no review item"):
        queue.dismiss([numbers[0], 10**6])
    assert expire(gallery, when="2999-01-01", dry_run=True).items == 2
    assert queue.forbid() == 2
    assert (queue.rules(), len(queue), gallery.opened.store.items()) == (None, 0, [])


def test_what_does_not_fit_is_refused(
    gallery: Gallery, queue: ReviewQueue, photos_of: PhotosOf
) -> None:
    with pytest.raises(InputError, match="got 0 for 1"):
        queue.offer(photos_of(5), [])
    other = EmbeddingSpace("other", "1" * 64, "none", 128)
    faces = Embeddings.from_raw(photos_of(5).vectors, other)
    with pytest.raises(GallerySpaceError):
        queue.offer(faces, [Identification((), RULE, None, 2)])
    with pytest.raises(InputError, match="days must be"):
        ReviewRules(days=0)
    with gallery.opened.store.transaction(write=True):
        gallery.opened.store.set_meta("review", b"0" * 32 + b'{"days": 9999}')
    with pytest.raises(GalleryDamagedError, match="what it may keep was changed"):
        queue.rules()


def test_faces_page_by_page(gallery: Gallery, queue: ReviewQueue, photos_of: PhotosOf) -> None:
    numbers = offered(queue, gallery, photos_of(5, 5))
    first = queue.faces(limit=2)
    rest = queue.faces(after=first[-1].number)
    assert [face.number for face in first + rest] == numbers
    assert first + rest == queue.faces()
    assert queue.faces(limit=0) == []
