"""A photo against one enrolled person: is it really who they say they are?"""

from vultus.core.choices import DEFAULT_FMR, DEFAULT_SELECT, Selection
from vultus.core.errors import QualityError
from vultus.core.results import Verification
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import check_kept
from vultus.liveness.session.proof import LiveProof
from vultus.matching.person_threshold import threshold_for_person
from vultus.pipeline.covered import both_covered, raised_for
from vultus.pipeline.liveness import with_live_session
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
    live_session: LiveProof | None = None,
) -> Verification:
    """Decide whether a photo shows one enrolled person, by all photos of theirs.

    The photo is compared with the person's fused template. A template of several photos meets
    strangers otherwise than a photo does, so the threshold is one for as many
    (`vultus.matching.person_threshold.threshold_for_person`); ``origin`` says what it stands on.

    Args:
        recognizer: Finds and embeds the face.
        gallery: Who is enrolled.
        identity: Who it is said to be.
        photo: The photo.
        fmr: The chance that a stranger is taken for that person, at most, in (0, 1).
        threshold: A cosine similarity in [-1, 1] to use instead; its error rate is unknown.
        select: Which face of the photo is meant.
        live_session: The photo must show the person of this accepted session.

    Raises:
        IdentityNotFoundError: If nobody of that name is enrolled.
        PersonExpiredError: If the person's consent, or time to be kept, is over: who is not found
            by `Gallery.identify` is not verified either.
        ImageError, NoFaceError, SeveralFacesError, QualityError: As `Recognizer.verify`; the last
            also if the face and every enrolled photo are probably covered.
        CalibrationError: If no threshold carries that rate for so many photos.
        LivenessError: If ``live_session`` does not hold.
        GallerySpaceError: If the gallery was made with another model or settings.
    """
    person = gallery.person(identity)  # before any work
    check_kept(person, person.identity)
    if threshold is None:
        table, calibration = recognizer.rules()
        rule = threshold_for_person(
            table, fmr=fmr, photos_per_person=person.n_photos, calibration=calibration
        )
    else:
        rule = Threshold(threshold)
    name = photo_name(photo, 1)
    analysed = next(recognizer.analyse([photo]))
    if live_session is not None:
        live_session.check()
        analysed = with_live_session(
            analysed, live_session, least=recognizer.threshold(DEFAULT_FMR).similarity
        )
    probe = recognizer.chosen_face(analysed, select, name)
    if why := both_covered(recognizer.gate, gallery, person.identity, probe):
        raise QualityError(f"{name} cannot be compared: {'; '.join(why)}")
    (similarity,) = gallery.similarities(identity, probe).tolist()
    notes: tuple[str, ...] = (analysed.righting.words,) if analysed.righting.words else ()
    raised, doubt = raised_for(recognizer.limits, gallery, person.identity, probe)
    if raised:
        rule = rule.raised(raised)
        notes += (f"{doubt}: they need {raised:.2f} more similarity",)
    answer = Verification(similarity, rule, notes=notes)
    if recognizer.watcher is not None:
        recognizer.watcher.verified(answer)
    return answer
