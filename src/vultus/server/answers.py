"""What the library found, as the service tells it."""

from collections.abc import Sequence
from typing import Any

from vultus.core.faces import Faces
from vultus.core.liveness_signal import LivenessSignal
from vultus.core.results import Candidate, Identification
from vultus.gallery.gallery import Gallery
from vultus.server.liveness import liveness_told
from vultus.server.schemas import Box, Decision, IdentifiedFace, IdentifiedFaces, RankedPerson


def boxes(faces: Faces) -> list[Box]:
    """The box of each face in pixels."""
    return [(x1, y1, x2, y2) for x1, y1, x2, y2 in faces.boxes.tolist()]


def ranked(known: Gallery, candidates: Sequence[Candidate]) -> list[RankedPerson]:
    """Candidates with their ids, which names alone do not tell."""
    ids = known.uids([found.identity for found in candidates])
    return [
        RankedPerson(
            identity=found.identity,
            person=ids.get(found.identity),
            similarity=found.similarity,
        )
        for found in candidates
    ]


def decided(known: Gallery, answer: Identification, person: str | None) -> dict[str, Any]:
    """The fields of a `Decision`.

    Args:
        known: The gallery that gave the answer.
        answer: The answer.
        person: The id of who was named.
    """
    plain = answer.to_dict()
    fields = {name: plain[name] for name in Decision.model_fields if name in plain}
    return {**fields, "candidates": ranked(known, answer.candidates), "person": person}


def identified(
    known: Gallery,
    faces: Faces,
    answers: Sequence[Identification],
    people: Sequence[str | None],
    waiting: Sequence[int | None] = (),
    signals: Sequence[LivenessSignal] = (),
) -> IdentifiedFaces:
    """The answer to who is on a photo.

    Args:
        known: The gallery that gave the answers.
        faces: The faces of the photo.
        answers: Of each.
        people: The id of who was named, of each.
        waiting: Under which number each waits for review; empty where none does.
        signals: What a passive look said of each; empty where nobody looked.
    """
    numbers = waiting or [None] * len(answers)
    told = [
        IdentifiedFace(
            **decided(known, answer, person),
            box_xyxy=box,
            review=number,
            liveness=liveness_told(signals, place),
        )
        for place, (box, answer, person, number) in enumerate(
            zip(boxes(faces), answers, people, numbers, strict=True)
        )
    ]
    return IdentifiedFaces(faces=told)
