"""Faces of photos by person, without knowing who they are."""

from pydantic import BaseModel, Field

from vultus.core.choices import DEFAULT_FMR
from vultus.core.embeddings import Embeddings
from vultus.core.errors import VultusError
from vultus.matching.clustering import cluster
from vultus.server.context import Reader
from vultus.server.fields import Fmr
from vultus.server.photos import Photos, place_among, sources
from vultus.server.problems import refused_photo
from vultus.server.routes.faces import found
from vultus.server.routing import make_router
from vultus.server.rules import ThresholdTold, threshold_told
from vultus.server.schemas import FoundFace, RefusedPhoto

router = make_router("/v1", "photos", 411, 413, 415)


class FaceOfPhoto(FoundFace):
    """A face, and on which photo it is."""

    photo: int = Field(description="Its place among those sent, from 1.")


class ClusteredFaces(BaseModel):
    """The faces of photos, by person; the person with the most faces first."""

    people: list[list[FaceOfPhoto]]
    not_judged: list[FaceOfPhoto] = Field(description="Too poor to be compared.")
    threshold: ThresholdTold = Field(description="The rule between people.")
    refused: list[RefusedPhoto]


@router.post("/cluster")
def cluster_photos(caller: Reader, photos: Photos, fmr: Fmr = DEFAULT_FMR) -> ClusteredFaces:
    """Group the faces of a few photos by person; no two faces of one photo are of one person."""
    recognizer, refused = caller.context.recognizer, list[RefusedPhoto]()
    threshold = recognizer.threshold(fmr)

    def unread(name: str, error: VultusError) -> None:
        refused.append(RefusedPhoto(**refused_photo(place_among(name), error)))

    faces: list[FaceOfPhoto] = []
    parts = [Embeddings.empty(recognizer.embedder.space)]
    for seen in recognizer.analyse(sources(photos, caller.context.settings), on_error=unread):
        faces += [FaceOfPhoto(**face.model_dump(), photo=seen.place + 1) for face in found(seen)]
        parts.append(seen.embeddings)
    fit = [place for place, face in enumerate(faces) if not face.refusal]
    grouping = cluster(
        Embeddings.concatenate(parts)[fit],
        threshold=threshold,
        photo_ids=[faces[place].photo for place in fit],
    )
    people = [
        [faces[fit[i]] for i in grouping.members(person)] for person in range(grouping.n_clusters)
    ]
    return ClusteredFaces(
        people=people,
        not_judged=[face for face in faces if face.refusal],
        threshold=threshold_told(grouping.threshold),
        refused=sorted(refused, key=lambda photo: photo.photo),
    )
