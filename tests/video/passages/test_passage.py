import numpy as np
import pytest
from tests.video.world import SPACE, vector

from vultus.core.embeddings import Embeddings
from vultus.core.faces import Faces
from vultus.video.passages.passage import Passage
from vultus.video.passages.shots import Shot, ShotBudget, looks

EYES = np.array([[-15, -15], [15, -15], [0, 2], [-12, 18], [12, 18]], np.float32)


def face(scale: float = 1.0) -> Faces:
    points = 200 + scale * EYES[None]
    box = np.array([[170, 165, 230, 235]], np.float32)
    return Faces(box, points.astype(np.float32), np.ones(1, np.float32))


def shot(person: int, number: int, *, quality: float = 0.9, refusal: tuple[str, ...] = ()) -> Shot:
    one = np.ones(1, np.float32)
    found = Embeddings(vector(person, number)[None], one, SPACE, quality=quality * one)
    return Shot(0.2 * number, 0.5, found, refusal)


def passage(**settings: float) -> Passage:
    return Passage(1, 0.0, 0.0, 0.5, ShotBudget(**settings))  # type: ignore[arg-type]


def test_the_best_shots_are_kept() -> None:
    one = passage(n_best=2)
    for number, quality in enumerate([0.5, 0.9, 0.7, 0.8]):
        assert one.take(shot(1, number, quality=quality)) is None
    assert [round(s.quality, 1) for s in one.best] == [0.9, 0.8]
    assert len(one.shots) == 2
    assert one.n_good == one.n_embedded == 4


def test_what_cannot_be_judged_is_counted_by_its_reasons() -> None:
    one = passage()
    for number, why in enumerate(["dark", "small", "small"]):
        one.take(shot(1, number, refusal=(why,)))
    assert one.best == []
    assert one.reasons == ("small",)


def test_one_shot_of_somebody_else_is_a_slip() -> None:
    one = passage()
    for number in range(3):
        one.take(shot(1, number))
    assert one.take(shot(2, 3)) is None
    assert len(one.suspects) == 1
    assert one.take(shot(1, 4)) is None
    assert one.suspects == []
    assert one.n_good == len(one.best) == 4


def test_two_shots_of_somebody_else_end_the_passage_where_it_was_sure() -> None:
    one = passage()
    for number in range(3):
        one.take(shot(1, number))
    one.seen_s = 0.9
    one.take(shot(2, 3))
    other = one.take(shot(2, 4))
    assert other is not None
    assert one.seen_s == pytest.approx(0.4)
    assert other.start_s == pytest.approx(0.6)
    assert other.seen_s == 0.9
    assert len(other.best) == other.n_good == 2
    mean = one.shots.vectors.mean(axis=0)
    assert float(mean @ vector(1)) > 0.9  # nothing of the other was mixed in
    assert one.n_embedded + other.n_embedded == 5


def test_two_slips_that_are_unlike_each_other_are_nobody() -> None:
    one = passage()
    for number in range(3):
        one.take(shot(1, number))
    assert one.take(shot(2, 3)) is None
    assert one.take(shot(3, 4)) is None


def test_poor_shots_contradict_nobody() -> None:
    one = passage()
    for number in range(3):
        one.take(shot(1, number))
    for number in range(3, 8):
        assert one.take(shot(2, number, quality=0.4)) is None
    assert one.suspects == []
    assert len(one.best) == 3


def test_shots_are_embedded_as_often_as_the_budget_says() -> None:
    one = passage(n_best=2, gap_s=0.2, check_s=0.5, doubt_gap_s=0.1)
    assert one.wants(face(), 0.0, doubtful=False)
    one.take(Shot(0.0, looks(face()), shot(1, 0).embedding, ()))
    assert not one.wants(face(), 0.1, doubtful=False)
    assert one.wants(face(), 0.1, doubtful=True)
    assert one.wants(face(), 0.2, doubtful=False)
    one.take(Shot(0.2, looks(face()), shot(1, 1).embedding, ()))
    assert not one.wants(face(), 0.4, doubtful=False)  # enough, and no better
    assert one.wants(face(1.5), 0.4, doubtful=False)
    assert not one.wants(face(1.5), 0.3, doubtful=False)
    assert one.wants(face(), 0.7, doubtful=False)
    one.take(Shot(0.7, 0.5, shot(2, 2).embedding, ()))  # somebody else?
    assert one.wants(face(), 0.8, doubtful=False)


def test_large_faces_that_look_at_the_camera_look_best() -> None:
    turned = face()
    points = turned.landmarks.copy()
    points[0, 2, 0] += 15
    turned = Faces(turned.boxes, points, turned.scores)
    assert looks(face(2)) > looks(face()) > looks(turned) > 0
