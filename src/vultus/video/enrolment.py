"""Somebody enrolled from a video: the best shots of the one face in it."""

from dataclasses import dataclass, field

import numpy as np

from vultus.core.errors import (
    CalibrationError,
    InputError,
    NoFaceError,
    QualityError,
    SeveralFacesError,
)
from vultus.core.faces import Image
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import PersonDetails
from vultus.pipeline.photos import ErrorHandler
from vultus.pipeline.recognizer import Recognizer
from vultus.video.following import follow
from vultus.video.passages.passage import Passage
from vultus.video.passages.shots import Shot, ShotBudget, take_shot
from vultus.video.sources.base import Source
from vultus.video.tracking.track import Track
from vultus.video.uprighting import how_it_lies, upright

_ONE_PERSON_FMR = 1e-4
_BESIDE = 0.5
"""Somebody else who was seen so well, beside the best seen, may be meant as well."""


@dataclass(slots=True, eq=False)
class _Seen:
    passage: Passage
    cut_out: dict[int, Image] = field(default_factory=dict)

    def keep(self, shot: Shot, image: Image) -> None:
        self.cut_out[id(shot)] = image
        kept = {id(one) for one in self.passage.best}
        self.cut_out = {key: one for key, one in self.cut_out.items() if key in kept}


def enroll_video(
    recognizer: Recognizer,
    gallery: Gallery,
    identity: str,
    source: Source,
    *,
    n_shots: int = 5,
    details: PersonDetails | None = None,
    on_error: ErrorHandler | None = None,
) -> int:
    """Enrol the one person of a video by the best shots.

    Args:
        recognizer: Finds and embeds faces.
        gallery: Where to.
        identity: Who it is.
        source: A film or a folder of frames; others may pass, seen less than half as well.
        n_shots: How many shots to enrol at most.
        details: What else to note of the person.
        on_error: As `Recognizer.enroll`.

    Returns:
        How many shots were added.

    Raises:
        InputError: If the source is live.
        NoFaceError: If no face was followed.
        QualityError: If no shot of it can be judged.
        SeveralFacesError: If several people are in it.
        VideoError: If it cannot be read.
        VultusError: As `Recognizer.enroll`.
    """
    if source.is_live:
        raise InputError(f"{source.name} is live and may never end; enrol from a film of it")
    seen = _seen(recognizer, gallery, source, n_shots)
    if not seen:
        raise NoFaceError(f"no face found in {source.name}; it must show one person")
    seen.sort(key=lambda one: -one.passage.n_good)
    best = seen[0]
    if not best.passage.n_good:
        why = "; ".join(best.passage.reasons) or "too short"
        raise QualityError(f"the face in {source.name} cannot be judged: {why}")
    others = [one for one in seen[1:] if _is_other(one.passage, best.passage)]
    if others:
        raise SeveralFacesError(
            f"{source.name} shows {len(others) + 1} people, and must show one: cut it, or enrol "
            "photos"
        )
    photos = [best.cut_out[id(shot)] for shot in best.passage.best]
    return recognizer.enroll(
        gallery, identity, photos, select="central", details=details, on_error=on_error
    )


def _is_other(passage: Passage, best: Passage) -> bool:
    if passage.n_good < _BESIDE * best.n_good:
        return False
    # One who turned away and back is followed anew, and is the same.
    similarity = passage.shots.vectors @ best.shots.vectors.T
    return float(similarity.mean()) < best.alike


def _seen(recognizer: Recognizer, gallery: Gallery, source: Source, n_shots: int) -> list[_Seen]:
    try:
        alike = recognizer.threshold(_ONE_PERSON_FMR).similarity
    except CalibrationError:
        alike = gallery.outlier_similarity
    budget = ShotBudget(n_best=n_shots)
    righting = how_it_lies(recognizer, source.frames())
    frames = (upright(frame, righting) for frame in source.frames())
    here: dict[int, _Seen] = {}
    all_seen: list[_Seen] = []
    for followed in follow(frames, recognizer.detector, frame_s=source.frame_s):
        image, now_s = followed.frame.image, followed.frame.time_s
        for track in followed.seen:
            if track.number not in here:
                passage = Passage(track.number, track.start_s, now_s, alike, budget)
                here[track.number] = _Seen(passage)
                all_seen.append(here[track.number])
            one = here[track.number]
            if not one.passage.wants(track.faces, now_s, doubtful=track.is_doubtful):
                continue
            shot = take_shot(recognizer, image, track.faces, time_s=now_s)
            other = one.passage.take(shot)
            if other is None:
                one.keep(shot, _about(image, track))
            else:  # its first shots have no picture; those that follow will do
                here[track.number] = _Seen(
                    Passage(track.number, other.start_s, now_s, alike, budget)
                )
                all_seen.append(here[track.number])
    return all_seen


def _about(image: Image, track: Track) -> Image:
    """The face with as much about it: enough to find it again, and it alone in the middle."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = track.box.astype(np.float64)
    half = max(x2 - x1, y2 - y1)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    left, right = max(0, int(x - half)), min(width, int(x + half) + 1)
    top, bottom = max(0, int(y - half)), min(height, int(y + half) + 1)
    return np.ascontiguousarray(image[top:bottom, left:right])
