"""Which face in each of a person's photos is the person's, when photos show several."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.curation.identity_groups import normalised_mean

__all__ = ["PersonChoice", "choose_person"]

Floats = npt.NDArray[np.float32]

ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class PersonChoice:
    """The chosen faces.

    Attributes:
        faces: One index a photo.
        similarities: (n,) float32, cosine of each to the centre of the others; NaN for the only
            photo.
    """

    faces: tuple[int, ...]
    similarities: Floats


def choose_person(photos: Sequence[Floats]) -> PersonChoice:
    """Choose in each photo the face that all photos have in common.

    Photos with one face make the centre; without any the face does that has, on average over the
    other photos, the most similar face in them. Then the nearest face of each photo is chosen and
    the centre made from the chosen ones, until nothing changes. With a single photo of several
    faces nothing tells them apart, and the first is taken.

    Args:
        photos: Unit vectors of the faces of each photo, (f, d) float32, f at least 1.
    """
    alone = [photo[0] for photo in photos if len(photo) == 1]
    centre = normalised_mean(np.stack(alone)) if alone else _common_face(photos)
    chosen: list[int] = []
    for _ in range(ROUNDS):
        nearest = [int(np.argmax(photo @ centre)) for photo in photos]
        if nearest == chosen:
            break
        chosen = nearest
        centre = normalised_mean(_picked(photos, chosen))
    rows = _picked(photos, chosen)
    others = rows.sum(axis=0) - rows
    lengths = np.linalg.norm(others, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        similarities = np.where(lengths > 1e-6, (rows * others).sum(axis=1) / lengths, np.nan)
    return PersonChoice(tuple(chosen), np.asarray(similarities, np.float32))


def _common_face(photos: Sequence[Floats]) -> Floats:
    best, best_score = photos[0][0], -np.inf
    for place, photo in enumerate(photos):
        nearest = [(photo @ other.T).max(axis=1) for at, other in enumerate(photos) if at != place]
        scores = np.mean(nearest, axis=0) if nearest else np.zeros(len(photo))
        if scores.max() > best_score:
            best, best_score = photo[int(scores.argmax())], float(scores.max())
    return np.asarray(best, np.float32)


def _picked(photos: Sequence[Floats], chosen: Sequence[int]) -> Floats:
    return np.stack([photo[face] for photo, face in zip(photos, chosen, strict=True)])
