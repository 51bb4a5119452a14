"""Frames of an active liveness session: the face in front, upright, as the session takes it."""

import numpy as np

from vultus.alignment.align import align_faces
from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.liveness.session.landmarks import upright_landmarks
from vultus.liveness.session.session import Seen
from vultus.pipeline.analyser import Analyser

_NEARLY = 0.5
"""A face of this part of the largest one's width is in the way, too; smaller ones stand behind."""


def look(recognizer: Analyser, image: Image, *, time_s: float, sent_s: float | None = None) -> Seen:
    """Look at a frame.

    Args:
        recognizer: Whose detector and embedder look.
        image: (h, w, 3) uint8, RGB.
        time_s: When it came, in seconds of the clock of who judges.
        sent_s: When it was taken by the clock of who sends; None where nobody says.
    """
    faces = recognizer.detector.detect(image)
    if not len(faces):
        return Seen(time_s=time_s, image=image, n_faces=0, sent_s=sent_s)
    widths = faces.boxes[:, 2] - faces.boxes[:, 0]
    largest = int(np.argmax(widths))
    n_faces = int((widths >= _NEARLY * widths[largest]).sum())
    points = upright_landmarks(image, faces.landmarks[largest], recognizer.detector)
    face = Faces(
        faces.boxes[largest : largest + 1], points[None], faces.scores[largest : largest + 1]
    )
    try:
        crops = align_faces(image, face, template=recognizer.embedder.card.template)
        found = recognizer.embedder.embed(crops)
    except InputError:  # landmarks of what is hardly a face: as if there were none
        return Seen(time_s=time_s, image=image, n_faces=n_faces, sent_s=sent_s)
    return Seen(
        time_s=time_s, image=image, n_faces=n_faces, landmarks=points, embedding=found,
        sent_s=sent_s,
    )  # fmt: skip
