from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError
from vultus.core.thresholds import Threshold
from vultus.gallery.decisions import log_decisions
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.audit import AuditEntry, AuditHead

PhotosOf = Callable[..., Embeddings]


def test_each_decision_is_an_entry_that_names_nobody(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    path = tmp_path / "people.db"
    with Gallery.open(path, space=space, actor="gate 3") as gallery:
        gallery.enroll("Ann Lee", photos_of(0, 2))
        gallery.enroll("Bob", photos_of(1, 2))
        probe = Embeddings.concatenate([photos_of(0, first=7), photos_of(9), photos_of(1, first=7)])
        known, unknown, gone = gallery.identify(probe, threshold=Threshold(0.5))
        subject = gallery.opened.subject(gallery.person("Ann Lee"))
        gallery.remove("Bob")
        answers = [known, unknown, replace(known, fpir=0.01, refusal=("too dark",)), gone]
        head = log_decisions(gallery, answers, action="check-in")
        *_, first, second, third, fourth = gallery.audit.entries()
        assert fourth.head == head
        assert log_decisions(gallery, []) is None
        assert gallery.audit.verify().sound
    assert first.entry.to_dict() == {
        "actor": "gate 3",
        "action": "check-in",
        "subject": subject,
        "decision": "accepted",
        "similarity": pytest.approx(known.candidates[0].similarity),
        "threshold": 0.5,
        "model": space.model,
        "gallery_size": 2,
    }
    assert (second.entry.decision, second.entry.subject) == ("unknown", None)
    assert (third.entry.decision, third.entry.subject) == ("not judged", None)
    assert third.entry.fpir == 0.01
    assert (fourth.entry.decision, fourth.entry.subject) == ("accepted", None)
    assert b"Ann" not in path.read_bytes()


def test_nothing_is_noted_where_it_cannot_be_written(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gallery.open(tmp_path / "people.db", space=space) as gallery:
        gallery.enroll("Ann", photos_of(0, 2))
        answers = gallery.identify(photos_of(0, 2), threshold=Threshold(0.5))
        before = gallery.audit.head()
        append, done = gallery.audit.append, list[AuditHead]()

        def once(entry: AuditEntry) -> AuditHead:
            if done:
                raise GalleryError("the disk is full")
            done.append(append(entry))
            return done[0]

        monkeypatch.setattr(gallery.audit, "append", once)
        with pytest.raises(GalleryError, match="full"):
            log_decisions(gallery, answers)
        assert gallery.audit.head() == before
