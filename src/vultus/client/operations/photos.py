"""Operations of the service: photos. Written by scripts/client_operations.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vultus.client.call import UNSET, Call, Unset
from vultus.client.photos import Photo


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFace:
    """A face of a photo.

    Attributes:
        box_xyxy: In pixels of the photo.
        score: How sure the detector is, [0, 1].
        refusal: Why it is too poor to be compared; empty if not.
    """

    box_xyxy: tuple[float, ...]
    score: float
    refusal: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFaces:
    """The faces of a photo.

    Attributes:
        faces: Faces.
        notes: Notes.
    """

    faces: tuple[FoundFace, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPhoto:
    """A photo that was not taken.

    Attributes:
        photo: Its place among those sent, from 1.
        code: Code.
        detail: Detail.
    """

    photo: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFacesOfPhoto:
    """The faces of one of several photos.

    Attributes:
        faces: Faces.
        photo: Its place among those sent, from 1.
        problem: Why it could not be read; else null.
        notes: Notes.
    """

    faces: tuple[FoundFace, ...]
    photo: int
    problem: RefusedPhoto | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFacesOfPhotos:
    """The faces of several photos, in the order in which they were sent.

    Attributes:
        photos: Photos.
    """

    photos: tuple[FoundFacesOfPhoto, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFace:
    """A face of a photo, measured.

    Attributes:
        box_xyxy: In pixels of the photo.
        score: How sure the detector is, [0, 1].
        refusal: Why it is too poor to be compared; empty if not.
        quality: In one number whether it can be recognised, [0, 1].
        measures: Sharpness, exposure, pose, size in pixels and more; `quality` among them.
    """

    box_xyxy: tuple[float, ...]
    score: float
    refusal: tuple[str, ...]
    quality: float
    measures: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFaces:
    """The faces of a photo, measured.

    Attributes:
        faces: Faces.
        notes: Notes.
    """

    faces: tuple[MeasuredFace, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What vectors are comparable: those of the same space only.

    Attributes:
        model: Model.
        weights_sha256: Weights sha256.
        preprocessing: Preprocessing.
        dim: Dim.
    """

    model: str
    weights_sha256: str
    preprocessing: str
    dim: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedFace:
    """A face of a photo as a vector.

    Attributes:
        box_xyxy: In pixels of the photo.
        score: How sure the detector is, [0, 1].
        refusal: Why it is too poor to be compared; empty if not.
        quality: Quality.
        norm: Before the vector was brought to length 1.
        vector: Of length 1: products are cosine similarities.
    """

    box_xyxy: tuple[float, ...]
    score: float
    refusal: tuple[str, ...]
    quality: float
    norm: float
    vector: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedFaces:
    """The faces of a photo as vectors.

    Attributes:
        space: Space.
        faces: Faces.
        notes: Notes.
    """

    space: Space
    faces: tuple[EmbeddedFace, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdTold:
    """A decision rule, with what its rate stands on.

    Attributes:
        similarity: From this cosine on.
        fmr: False match rate; null if nobody knows it.
        n_impostor: Comparisons it was measured on.
        origin: Where the number comes from, in words.
        n_false: How many of these comparisons reached it.
        fmr_by_tail: By a fitted tail, beyond what was counted.
    """

    similarity: float
    fmr: float | None
    n_impostor: int | None
    origin: str
    n_false: int | None = None
    fmr_by_tail: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeciesTold:
    """How often attacks of one species pass.

    Attributes:
        name: Name.
        n_passed: N passed.
        n: N.
        low: Lower end of the share's 95 % interval.
        high: Its upper end.
    """

    name: str
    n_passed: int
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessThresholdTold:
    """What a face is judged by, with what is known of its errors (ISO/IEC 30107-3).

    Attributes:
        score: A face below it is suspected, [0, 1].
        apcer: Share of attacks that pass, of the species that passes most often; null where nobody measured it.
        apcer_high: Upper end of its 95 % interval.
        species: That species.
        n_attacks: N attacks.
        bpcer: Share of living faces that are suspected.
        bpcer_high: Upper end of its 95 % interval.
        n_bona_fide: N bona fide.
        origin: Where the number comes from.
        by_species: By species.
    """

    score: float
    apcer: float | None
    apcer_high: float | None
    species: str
    n_attacks: int
    bpcer: float | None
    bpcer_high: float | None
    n_bona_fide: int
    origin: str
    by_species: tuple[SpeciesTold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessTold:
    """What networks make of a face. Attacks pass it: a signal among others, no proof.

    Attributes:
        verdict: `no attack seen` is not alive.
        score: The lower, the more like an attack, [0, 1].
        threshold: Threshold.
        networks: The score of each network.
        reasons: Why it cannot be judged; empty if it can.
    """

    verdict: Literal["no attack seen", "attack suspected", "cannot be judged"]
    score: float
    threshold: LivenessThresholdTold
    networks: dict[str, Any]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Whether two faces are of one person.

    Attributes:
        same_person: Same person.
        similarity: Cosine, [-1, 1]; no confidence.
        threshold: The rule, with what its rate stands on.
        probability: Probability.
        log_likelihood_ratio: Log likelihood ratio.
        prior: Prior.
        notes: Notes.
        liveness: What a look at both faces said; empty if none was taken.
    """

    same_person: bool
    similarity: float
    threshold: ThresholdTold
    probability: float | None
    log_likelihood_ratio: float | None
    prior: float | None
    notes: tuple[str, ...]
    liveness: tuple[LivenessTold, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceOfPhoto:
    """A face, and on which photo it is.

    Attributes:
        box_xyxy: In pixels of the photo.
        score: How sure the detector is, [0, 1].
        refusal: Why it is too poor to be compared; empty if not.
        photo: Its place among those sent, from 1.
    """

    box_xyxy: tuple[float, ...]
    score: float
    refusal: tuple[str, ...]
    photo: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteredFaces:
    """The faces of photos, by person; the person with the most faces first.

    Attributes:
        people: People.
        not_judged: Too poor to be compared.
        threshold: The rule between people.
        refused: Refused.
    """

    people: tuple[tuple[FaceOfPhoto, ...], ...]
    not_judged: tuple[FaceOfPhoto, ...]
    threshold: ThresholdTold
    refused: tuple[RefusedPhoto, ...]


def detect(*, photo: Photo) -> Call[FoundFaces]:
    """Find the faces of a photo, and say which are too poor to be compared.

    Args:
        photo: Photo.
    """
    return Call("POST", "/v1/detect", FoundFaces, form={}, files={"photo": photo}, repeatable=True)


def detect_photos(*, photos: Sequence[Photo]) -> Call[FoundFacesOfPhotos]:
    """Find the faces of several photos; each answer is that of the photo alone.

    Args:
        photos: Once for each photo.
    """
    return Call(
        "POST",
        "/v1/detect/photos",
        FoundFacesOfPhotos,
        form={},
        files={"photos": photos},
        repeatable=True,
    )


def quality(*, photo: Photo) -> Call[MeasuredFaces]:
    """Measure the faces of a photo.

    Args:
        photo: Photo.
    """
    return Call(
        "POST", "/v1/quality", MeasuredFaces, form={}, files={"photo": photo}, repeatable=True
    )


def embeddings(*, photo: Photo) -> Call[EmbeddedFaces]:
    """The faces of a photo as vectors, which are biometric data: comparable outside, too.

    Args:
        photo: Photo.
    """
    return Call(
        "POST", "/v1/embeddings", EmbeddedFaces, form={}, files={"photo": photo}, repeatable=True
    )


def verify(
    *,
    a: Photo,
    b: Photo,
    fmr: float | Unset = UNSET,
    require_live: bool | Unset = UNSET,
    live_session: str | Unset = UNSET,
) -> Call[Verified]:
    """Decide whether two photos show one person; of a liveness session, if given, by ``a``.

    Args:
        fmr: False match rate, at most.
        require_live: Refuse faces that may be a print or a screen, or of which that cannot be judged; some attacks pass.
        live_session: Token of an accepted liveness session: its person must be meant. Holds once.
        a: A.
        b: B.
    """
    return Call(
        "POST",
        "/v1/verify",
        Verified,
        query={"fmr": fmr, "require_live": require_live, "live_session": live_session},
        form={},
        files={"a": a, "b": b},
        repeatable=True,
    )


def crop(*, photo: Photo) -> Call[bytes]:
    """The face of a photo, aligned as the embedder gets it: the one that verify compares.

    Args:
        photo: Photo.
    """
    return Call("POST", "/v1/crop", bytes, form={}, files={"photo": photo}, repeatable=True)


def cluster_photos(*, photos: Sequence[Photo], fmr: float | Unset = UNSET) -> Call[ClusteredFaces]:
    """Group the faces of a few photos by person; no two faces of one photo are of one person.

    Args:
        fmr: False match rate, at most.
        photos: Once for each photo.
    """
    return Call(
        "POST",
        "/v1/cluster",
        ClusteredFaces,
        query={"fmr": fmr},
        form={},
        files={"photos": photos},
        repeatable=True,
    )
