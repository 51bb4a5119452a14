"""A photo against one enrolled person: is it really who they say they are?"""

from vultus.core.choices import DEFAULT_FMR, DEFAULT_SELECT, Selection
from vultus.core.results import Verification
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.matching.operating_point import threshold_for_gallery
from vultus.pipeline.photos import PhotoSource, photo_name
from vultus.pipeline.recognizer import Recognizer


def verify_person(
    recognizer: Recognizer,
    gallery: Gallery,
    identity: str,
    photo: PhotoSource,
    *,
    fmr: float = DEFAULT_FMR,
    threshold: float | None = None,
    select: Selection = DEFAULT_SELECT,
) -> Verification:
    """Decide whether a photo shows one enrolled person, by all photos of theirs.

    The photo is compared with the person's fused template. A template of several photos meets
    strangers otherwise than a photo does, so the threshold is that of a search among one person
    with so many photos (`threshold_for_gallery`), whose false match rate is the FPIR. Where that
    was not measured at the rate asked for, it is that of two photos, and ``origin`` says "by
    formula": with several photos more strangers pass than it states.

    Args:
        recognizer: Finds and embeds the face.
        gallery: Who is enrolled.
        identity: Who it is said to be.
        photo: The photo.
        fmr: The chance that a stranger is taken for that person, at most, in (0, 1).
        threshold: A cosine similarity in [-1, 1] to use instead; its error rate is unknown.
        select: Which face of the photo is meant.

    Raises:
        IdentityNotFoundError: If nobody of that name is enrolled.
        ImageError, NoFaceError, SeveralFacesError, QualityError: As `Recognizer.verify`.
        CalibrationError: If no threshold carries that rate for so many photos.
        GallerySpaceError: If the gallery was made with another model or settings.
    """
    person = gallery.person(identity)  # before any work
    if threshold is None:
        table, calibration = recognizer.rules()
        rule = threshold_for_gallery(
            table, fpir=fmr, people_by_photos={person.n_photos: 1}, calibration=calibration
        )
    else:
        rule = Threshold(threshold)
    name = photo_name(photo, 1)
    analysed = next(recognizer.analyse([photo]))
    probe = recognizer.chosen_face(analysed, select, name)
    (similarity,) = gallery.similarities(identity, probe).tolist()
    notes = (analysed.righting.words,) if analysed.righting.words else ()
    return Verification(similarity, rule, notes=notes)
