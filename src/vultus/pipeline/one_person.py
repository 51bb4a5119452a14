"""Several photos of one unknown person: who of the enrolled people is it, if anybody?"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from vultus.core.choices import DEFAULT_FPIR, DEFAULT_SELECT, Selection
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError, VultusError
from vultus.core.results import Identification
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.matching.fusion import fuse
from vultus.pipeline.covered import unsure
from vultus.pipeline.deciding import Deciding
from vultus.pipeline.photos import ErrorHandler, PhotoSource

_PROBE = "the unknown person"


def identify_person(
    recognizer: Deciding,
    gallery: Gallery,
    photos: Iterable[PhotoSource],
    *,
    fpir: float = DEFAULT_FPIR,
    threshold: float | None = None,
    cautious: bool = False,
    select: Selection = DEFAULT_SELECT,
    on_error: ErrorHandler | None = None,
) -> Identification:
    """Name one unknown person by several photos, or say that nobody enrolled is meant.

    The photos are fused by their quality into one probe, which finds whom single photos miss; the
    threshold is one for as many photos, so that the FPIR is kept. Photos that cannot be judged and
    photos that show somebody else than most of them are left out, and the answer's notes say so.

    Args:
        recognizer: Finds and embeds the faces, and knows thresholds.
        gallery: The enrolled people.
        photos: Of one person, at least one.
        fpir: The chance in (0, 1) that a stranger is given a name, at most.
        threshold: A cosine similarity in [-1, 1] to use instead.
        cautious: As `Deciding.gallery_threshold`; known of single photos only.
        select: Which face of each photo is meant.
        on_error: Told of each photo that is left out, too.

    Returns:
        One answer; ``n_photos`` says how many were fused.

    Raises:
        InputError: If there is no photo, or the photos contradict each other and none are a
            majority.
        ImageError, NoFaceError, SeveralFacesError, QualityError: If no photo can be judged; of the
            first.
        CalibrationError: As `Deciding.gallery_threshold`; and if nobody measured several photos.
        GallerySpaceError: If the gallery was made with another model or settings.
    """
    names: list[str] = []
    shots: list[Embeddings] = []
    left_out: list[tuple[str, VultusError]] = []

    def unreadable(name: str, error: VultusError) -> None:
        left_out.append((name, error))

    for photo in recognizer.analyse(photos, on_error=unreadable):
        try:
            face = recognizer.chosen_face(photo, select, photo.name)
        except VultusError as error:
            left_out.append((photo.name, error))
            continue
        shots.append(face)
        names.append(photo.name)
    if not shots:
        if not left_out:
            raise InputError("identifying a person takes at least one photo, got none")
        raise left_out[0][1]
    if on_error is not None:
        for name, why in left_out:
            on_error(name, why)
    answer = identify_shots(
        recognizer,
        gallery,
        Embeddings.concatenate(shots),
        fpir=fpir,
        threshold=threshold,
        cautious=cautious,
        names=names,
    )
    notes = tuple(f"{name} is left out: {why}" for name, why in left_out)
    return dataclasses.replace(answer, notes=notes + answer.notes)


def identify_shots(
    recognizer: Deciding,
    gallery: Gallery,
    shots: Embeddings,
    *,
    fpir: float = DEFAULT_FPIR,
    threshold: float | None = None,
    cautious: bool = False,
    names: Sequence[str] | None = None,
) -> Identification:
    """As `identify_person`, for embeddings that are there: the shots of a track, for example.

    Shots that show the same moment tell less than photos of several days, of which the threshold
    was measured; the FPIR is kept all the more.

    Args:
        recognizer: Knows thresholds.
        gallery: The enrolled people.
        shots: One row a photo, at least one.
        fpir: As `identify_person`.
        threshold: As `identify_person`.
        cautious: As `identify_person`.
        names: What notes call the shots; None numbers them.

    Raises:
        InputError, CalibrationError, GallerySpaceError: As `identify_person`.
    """
    gallery.check_space(shots.space)
    if not len(shots):
        raise InputError("identifying a person takes at least one photo, got none")
    called = [f"photo {i}" for i in range(1, len(shots) + 1)] if names is None else list(names)
    first = np.sort(np.unique(shots.vectors, axis=0, return_index=True)[1])
    notes = [
        f"{called[row]} is left out: it is there twice"
        for row in range(len(shots))
        if row not in first
    ]
    # A copy would vote twice.
    kept, called = shots[first], [called[row] for row in first]
    # One photo has nothing to differ from.
    alike = gallery.outlier_similarity if len(kept) > 1 else None
    fusion = fuse(kept, identity=_PROBE, outlier_similarity=alike)
    notes += [
        f"{name} is left out: {'; '.join(why)}"
        for name, why in zip(called, fusion.reasons, strict=True)
        if why
    ]
    n_photos = fusion.template.n_images
    probe = Embeddings(fusion.template.vector[None], np.ones(1, np.float32), shots.space)
    if threshold is None:
        rule = recognizer.gallery_threshold(
            gallery, fpir=fpir, cautious=cautious, photos_per_probe=n_photos
        )
        (answer,) = gallery.identify(probe, threshold=rule, fpir=fpir)
    else:
        (answer,) = gallery.identify(probe, threshold=Threshold(threshold))
    refusal: tuple[str, ...] = ()
    if answer.identity is not None:
        used = kept[np.flatnonzero(fusion.weights > 0)]
        refusal = unsure(recognizer.limits, gallery, answer, used)
    answer = dataclasses.replace(answer, notes=tuple(notes), n_photos=n_photos, refusal=refusal)
    if recognizer.watcher is not None:
        recognizer.watcher.identified(gallery, [answer])
    return answer
