from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import IdentityNotFoundError
from vultus.core.results import Candidate, Identification
from vultus.core.thresholds import Threshold
from vultus.gallery.events.decisions import decision_event
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.review.queue import ReviewQueue

PhotosOf = Callable[..., Embeddings]


@pytest.fixture
def gallery(tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "g.db", space=space) as opened:
        opened.enroll("Ada", photos_of(1, 2))
        yield opened


def answer(similarity: float, *refusal: str) -> Identification:
    return Identification(
        candidates=(Candidate("Ada", similarity),),
        threshold=Threshold(0.5),
        fpir=0.01,
        gallery_size=1,
        refusal=refusal,
    )


def test_an_answer_becomes_an_event(gallery: Gallery) -> None:
    told = {"threshold": 0.5, "fpir": 0.01, "gallery_size": 1}
    known = decision_event(gallery, answer(0.7), event_id="x", at="2026-11-30", source="door")
    assert (known.type, known.person) == ("recognised", gallery.person("Ada").uid)
    assert (known.id, known.source) == ("x", "door")
    assert known.at == "2026-11-30T00:00:00.000+00:00"
    assert known.data == {**told, "similarity": 0.7}
    unknown = decision_event(gallery, answer(0.4), data={"track": 3})
    assert (unknown.type, unknown.person) == ("unknown", None)
    assert unknown.data == {**told, "similarity": 0.4, "track": 3}
    refused = decision_event(gallery, answer(0.9, "too dark"))
    assert (refused.type, refused.person) == ("refused", None)
    assert refused.data == {**told, "similarity": 0.9, "refusal": ["too dark"]}
    gallery.remove("Ada")
    with pytest.raises(IdentityNotFoundError):
        decision_event(gallery, answer(0.7))


def test_an_unknown_face_leads_to_the_one_that_waits(gallery: Gallery, photos_of: PhotosOf) -> None:
    queue, log, face = ReviewQueue(gallery), EventLog(gallery), photos_of(2, 1)
    queue.allow()
    answers = gallery.identify(face, threshold=Threshold(0.5))
    with log.transaction():
        (number,) = queue.offer(face, answers)
        log.append(decision_event(gallery, answers[0], data={"review": number}))
    (event,) = log.read(types=["unknown"])
    assert event.data["review"] == number
    assert [waiting.number for waiting in queue.faces()] == [number]
