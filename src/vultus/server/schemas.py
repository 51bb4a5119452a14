"""The answers of the service."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from vultus.core.faces import Faces
from vultus.core.results import Identification
from vultus.gallery.people.details import Person
from vultus.server.galleries import GALLERY_ID

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


class FoundFace(BaseModel):
    """A face of a photo."""

    box_xyxy: Box = Field(description="In pixels of the photo.")
    score: float = Field(description="How sure the detector is, [0, 1].")
    refusal: list[str] = Field(description="Why it is too poor to be compared; empty if not.")


class FoundFaces(BaseModel):
    """The faces of a photo."""

    faces: list[FoundFace]
    notes: list[str] = Field(default_factory=list)


class Verified(BaseModel):
    """Whether two faces are of one person."""

    same_person: bool
    similarity: float = Field(description="Cosine, [-1, 1]; no confidence.")
    threshold: dict[str, Any] = Field(description="The rule, with what its rate stands on.")
    probability: float | None
    log_likelihood_ratio: float | None
    prior: float | None
    notes: list[str]


class IdentifiedFace(BaseModel):
    """A face of a photo, named or unknown."""

    box_xyxy: Box = Field(description="In pixels of the photo.")
    identity: str | None = Field(description="The name; null is unknown.")
    person: str | None = Field(description="The id of who it is; null is unknown.")
    candidates: list[dict[str, Any]] = Field(description="Whom it resembles, best first.")
    threshold: dict[str, Any] = Field(description="The rule, with what its rates stand on.")
    fpir: float | None = Field(description="The chance that a stranger is given a name.")
    fpir_high: float | None = Field(description="The upper end of its interval.")
    fnir: float | None = Field(description="The share of the enrolled that is missed.")
    gallery_size: int
    refusal: list[str] = Field(description="Why the face cannot be judged; empty if it can.")
    notes: list[str]


class IdentifiedFaces(BaseModel):
    """The faces of a photo, named or unknown."""

    faces: list[IdentifiedFace]


class GalleryTold(BaseModel):
    """A gallery."""

    id: str
    people: int
    model: str
    sealed: bool
    groups: dict[str, int]


class GalleryList(BaseModel):
    """Galleries that the key may touch."""

    galleries: list[GalleryTold]


class GalleryMade(BaseModel):
    """What a gallery that is to be made is called."""

    id: str = Field(
        pattern=GALLERY_ID,
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


class Events(BaseModel):
    """Some events, the oldest first."""

    events: list[EventTold]
    next: int = Field(description="`after` of the next page.")


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

    role: Literal["reader", "operator", "admin"]
    galleries: list[str] | None = Field(None, description="Ids; null for all.")


class KeyMade(KeyTold):
    """A key that was made."""

    key: str = Field(description="The key itself: it is never told again.")


def boxes(faces: Faces) -> list[Box]:
    """The box of each face in pixels."""
    return [(x1, y1, x2, y2) for x1, y1, x2, y2 in faces.boxes.tolist()]


def identified(
    faces: Faces, answers: Sequence[Identification], people: Sequence[str | None]
) -> IdentifiedFaces:
    """The answer to who is on a photo."""
    told = []
    for box, given, person in zip(boxes(faces), answers, people, strict=True):
        plain = given.to_dict()
        fields = {name: plain[name] for name in IdentifiedFace.model_fields if name in plain}
        told.append(IdentifiedFace(box_xyxy=box, person=person, **fields))
    return IdentifiedFaces(faces=told)
