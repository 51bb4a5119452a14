from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError, InputError, NoFaceError
from vultus.core.faces import Image
from vultus.gallery.gallery import Gallery
from vultus.matching.fusion import fuse
from vultus.pipeline.one_person import identify_person, identify_shots
from vultus.pipeline.recognizer import Recognizer


@pytest.fixture
def recognizer(tiny_model: Path) -> Recognizer:
    return Recognizer(embedder=tiny_model, gate=None)


@pytest.fixture
def gallery(recognizer: Recognizer, hopper: Image, collins: Image, tmp_path: Path) -> Gallery:
    gallery = Gallery.open(
        tmp_path / "g.db", space=recognizer.embedder.space, outlier_similarity=0.99
    )
    recognizer.enroll(gallery, "Grace", [hopper], force=True)
    recognizer.enroll(gallery, "Eileen", [collins], force=True)
    return gallery


def shots(recognizer: Recognizer, *rows: list[float]) -> Embeddings:
    space = recognizer.embedder.space
    raw = np.zeros((len(rows), space.dim), np.float32)
    for row, values in enumerate(rows):
        raw[row, : len(values)] = values
    return Embeddings.from_raw(raw, space)


def test_photos_of_one_person_give_one_answer(
    recognizer: Recognizer, gallery: Gallery, hopper: Image
) -> None:
    photos = [hopper, np.ascontiguousarray(hopper[2:, 2:])]
    faces = Embeddings.concatenate([recognizer.embed_face(photo) for photo in photos])
    answer = identify_person(recognizer, gallery, photos, threshold=0.9)
    probe = fuse(faces, identity="x", outlier_similarity=None).template.vector
    place = gallery.template_set().identities.index("Grace")
    assert answer.identity == "Grace"
    assert answer.n_photos == 2
    assert answer.candidates[0].similarity == pytest.approx(
        float(probe @ gallery.template_set().vectors[place]), abs=1e-5
    )
    assert answer.to_dict()["n_photos"] == 2
    assert answer.notes == ()


def test_a_photo_of_somebody_else_is_left_out_and_told(
    recognizer: Recognizer, gallery: Gallery
) -> None:
    found = identify_shots(
        recognizer,
        gallery,
        shots(recognizer, [1, 0], [1, 0.01], [0, 1], [1, 0.02]),
        threshold=0.5,
        names=["a", "b", "other", "c"],
    )
    assert found.n_photos == 3
    (note,) = found.notes
    assert note.startswith("other is left out: differs from the other photos")


def test_two_who_cannot_say_who_is_right_are_an_error(
    recognizer: Recognizer, gallery: Gallery
) -> None:
    with pytest.raises(InputError, match="disagree"):
        identify_shots(recognizer, gallery, shots(recognizer, [1, 0], [0, 1]), threshold=0.5)
    # A copy of one of them has no vote.
    with pytest.raises(InputError, match="disagree"):
        identify_shots(
            recognizer, gallery, shots(recognizer, [1, 0], [1, 0], [0, 1]), threshold=0.5
        )


def test_photos_that_cannot_be_judged_are_left_out(
    recognizer: Recognizer, gallery: Gallery, hopper: Image
) -> None:
    empty = np.zeros((200, 200, 3), np.uint8)
    told: list[str] = []
    answer = identify_person(
        recognizer,
        gallery,
        [empty, hopper],
        threshold=0.9,
        on_error=lambda name, error: told.append(name),
    )
    assert (answer.identity, answer.n_photos, len(told)) == ("Grace", 1, 1)
    assert "left out" in answer.notes[0]
    with pytest.raises(NoFaceError):
        identify_person(recognizer, gallery, [empty], threshold=0.9)
    with pytest.raises(InputError, match="at least one photo"):
        identify_person(recognizer, gallery, [], threshold=0.9)


def test_without_a_measurement_no_rate_is_promised_for_several(
    recognizer: Recognizer, gallery: Gallery
) -> None:
    with pytest.raises(CalibrationError):
        identify_shots(recognizer, gallery, shots(recognizer, [1, 0], [1, 0.01]))
