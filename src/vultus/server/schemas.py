"""The answers of the service."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vultus.gallery.people.details import Person
from vultus.server.fields import Name
from vultus.server.galleries import GALLERY_ID
from vultus.server.liveness import LivenessTold
from vultus.server.rules import ThresholdTold

Box = tuple[float, float, float, float]


class Ready(BaseModel):
    """That the service can answer."""

    status: str = "ready"
    galleries: int


class Version(BaseModel):
    """What runs."""

    vultus: str
    model: str = Field(description="The embedder.")
    detector: str
    liveness: list[str] = Field(description="What looks for prints and screens; empty if nothing.")
    require_live: bool = Field(description="Whether it looks at the faces of all requests.")
    require_live_session: list[str] = Field(
        description="Galleries whose decisions take the token of a liveness session; `*` is all."
    )
    liveness_lights: bool = Field(
        description="Whether liveness sessions fill the screen with colours after the movements."
    )


class FoundFace(BaseModel):
    """A face of a photo."""

    box_xyxy: Box = Field(description="In pixels of the photo.")
    score: float = Field(description="How sure the detector is, [0, 1].")
    refusal: list[str] = Field(description="Why it is too poor to be compared; empty if not.")


class FoundFaces(BaseModel):
    """The faces of a photo."""

    faces: list[FoundFace]
    notes: list[str] = Field(default_factory=list)


class SentPhoto(BaseModel):
    """One of several photos."""

    photo: int = Field(description="Its place among those sent, from 1.")
    problem: "RefusedPhoto | None" = Field(description="Why it could not be read; else null.")


class FoundFacesOfPhoto(SentPhoto, FoundFaces):
    """The faces of one of several photos."""


class FoundFacesOfPhotos(BaseModel):
    """The faces of several photos, in the order in which they were sent."""

    photos: list[FoundFacesOfPhoto]


class MeasuredFace(FoundFace):
    """A face of a photo, measured."""

    quality: float = Field(description="In one number whether it can be recognised, [0, 1].")
    measures: dict[str, float | None] = Field(
        description="Sharpness, exposure, pose, size in pixels and more; `quality` among them."
    )


class MeasuredFaces(BaseModel):
    """The faces of a photo, measured."""

    faces: list[MeasuredFace]
    notes: list[str]


class Space(BaseModel):
    """What vectors are comparable: those of the same space only."""

    model: str
    weights_sha256: str
    preprocessing: str
    dim: int


class EmbeddedFace(FoundFace):
    """A face of a photo as a vector."""

    quality: float
    norm: float = Field(description="Before the vector was brought to length 1.")
    vector: list[float] = Field(description="Of length 1: products are cosine similarities.")


class EmbeddedFaces(BaseModel):
    """The faces of a photo as vectors."""

    space: Space
    faces: list[EmbeddedFace]
    notes: list[str]


class Verified(BaseModel):
    """Whether two faces are of one person."""

    same_person: bool
    similarity: float = Field(description="Cosine, [-1, 1]; no confidence.")
    threshold: ThresholdTold = Field(description="The rule, with what its rate stands on.")
    probability: float | None
    log_likelihood_ratio: float | None
    prior: float | None
    notes: list[str]
    liveness: list[LivenessTold] = Field(
        default_factory=list, description="What a look at both faces said; empty if none was taken."
    )


class RankedPerson(BaseModel):
    """Whom a face resembles."""

    identity: str = Field(description="The name.")
    person: str | None = Field(description="The id; null if just now erased.")
    similarity: float = Field(description="Cosine, [-1, 1]; no confidence.")


class Decision(BaseModel):
    """Who it is, or that nobody enrolled is meant, and what that stands on."""

    identity: str | None = Field(description="The name; null is unknown.")
    person: str | None = Field(description="The id of who it is; null is unknown.")
    candidates: list[RankedPerson] = Field(description="Whom it resembles, best first.")
    threshold: ThresholdTold = Field(description="The rule, with what its rates stand on.")
    fpir: float | None = Field(description="The chance that a stranger is given a name.")
    fpir_high: float | None = Field(description="The upper end of its interval.")
    fnir: float | None = Field(description="The share of the enrolled that is missed.")
    gallery_size: int
    refusal: list[str] = Field(description="Why the face cannot be judged; empty if it can.")
    notes: list[str]


class IdentifiedFace(Decision):
    """A face of a photo, named or unknown."""

    box_xyxy: Box = Field(description="In pixels of the photo.")
    review: int | None = Field(
        None, description="The number under which it waits for review; null if it does not."
    )
    liveness: LivenessTold | None = Field(
        None, description="What a look for prints and screens said; null if none was taken."
    )


class IdentifiedFaces(BaseModel):
    """The faces of a photo, named or unknown."""

    faces: list[IdentifiedFace]


class IdentifiedFacesOfPhoto(SentPhoto, IdentifiedFaces):
    """The faces of one of several photos, named or unknown."""


class IdentifiedFacesOfPhotos(BaseModel):
    """The faces of several photos, named or unknown, in the order in which they were sent."""

    photos: list[IdentifiedFacesOfPhoto]


class IdentifiedPerson(Decision):
    """One unknown person by several photos."""

    photos: int = Field(description="How many were taken together.")
    refused: list["RefusedPhoto"]


class FaceLikeness(FoundFace):
    """A face of a photo, and whom it resembles; nothing is decided."""

    candidates: list[RankedPerson] = Field(description="Best first.")
    more: bool = Field(description="Whether further people are as alike as was asked for.")


class FacesSearched(BaseModel):
    """The faces of a photo, and whom they resemble."""

    faces: list[FaceLikeness]
    gallery_size: int
    notes: list[str]


class GalleryTold(BaseModel):
    """A gallery."""

    id: str
    people: int
    model: str
    sealed: bool
    groups: dict[str, int]
    keeps_crops: bool = Field(description="Whether aligned faces of photos are kept.")
    keeps_unknown: bool = Field(description="Whether faces that nobody could name are kept.")


class Deleted(BaseModel):
    """How many faces were deleted."""

    deleted: int


class GalleryDeleted(BaseModel):
    """What was deleted with a gallery; the receipt of it."""

    id: str
    gallery: str = Field(description="What no other gallery is called by: 32 hexadecimal digits.")
    deleted_at: str
    deleted_by: str
    people: int
    photos: int
    audit: str = Field(description="The end of its audit log, whose last entry is this.")
    audit_file: str = Field(description="Where the log is kept, in the folder of the service.")


class GalleryList(BaseModel):
    """Galleries that the key may touch."""

    galleries: list[GalleryTold]


class GalleryMade(BaseModel):
    """What a gallery that is to be made is called."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(
        pattern=GALLERY_ID,
        max_length=64,
        examples=["staff"],
        description="1 to 64 letters, digits, `_`, `.` or `-`, a letter or digit first.",
    )


class PersonTold(BaseModel):
    """A person."""

    id: str
    name: str
    photos: int
    enrolled_at: str
    external_id: str | None
    metadata: dict[str, Any]
    groups: list[str]
    consent: dict[str, Any] | None
    retain_until: str | None
    expires_at: str | None

    @classmethod
    def of(cls, person: Person) -> "PersonTold":
        """As the gallery tells."""
        told = person.to_dict()
        name, uid, photos = told.pop("identity"), told.pop("uid"), told.pop("n_photos")
        return cls(id=uid, name=name, photos=photos, **told)


class People(BaseModel):
    """Some people in the order of enrolment."""

    people: list[PersonTold]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class RefusedPhoto(BaseModel):
    """A photo that was not taken."""

    photo: int = Field(description="Its place among those sent, from 1.")
    code: str
    detail: str


class Enrolled(BaseModel):
    """A person who was enrolled, or got more photos."""

    person: PersonTold
    added: int
    refused: list[RefusedPhoto]


class Erased(BaseModel):
    """What was erased of a person."""

    receipt: dict[str, Any]


class EventTold(BaseModel):
    """Something that happened."""

    position: int
    id: str
    type: str
    at: str
    source: str | None
    person: str | None = Field(description="The id of who it is about, or null.")
    data: dict[str, Any]
    picture: bool = Field(description="Whether a picture is kept: `.../events/{position}/picture`.")


class Events(BaseModel):
    """Some events, the oldest first."""

    events: list[EventTold]
    next: str = Field(
        description="The cursor of the next page; at the end, of what is to come.",
        examples=["ZTQxNw"],
    )


class KeyTold(BaseModel):
    """A key, without the key itself."""

    id: str
    role: str
    galleries: list[str] | None
    created_at: str


class Keys(BaseModel):
    """All keys."""

    keys: list[KeyTold]


class KeyWanted(BaseModel):
    """What a key that is to be made may do."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["reader", "operator", "admin"]
    galleries: list[Name] | None = Field(None, max_length=1000, description="Ids; null for all.")


class KeyMade(KeyTold):
    """A key that was made."""

    key: str = Field(description="The key itself: it is never told again.")
