"""Operations of the service: liveness. Written by scripts/client_operations.py."""

from dataclasses import dataclass
from typing import Literal

from vultus.client.call import UNSET, Call, Unset, quoted
from vultus.client.operations.photos import LivenessTold
from vultus.client.photos import Photo


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAtFace:
    """A face, and what networks make of it.

    Attributes:
        box_xyxy: In pixels of the photo.
        liveness: Liveness.
    """

    box_xyxy: tuple[float, ...]
    liveness: LivenessTold


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAtFaces:
    """The faces of a photo, each looked at.

    Attributes:
        faces: Faces.
    """

    faces: tuple[LookedAtFace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessReason:
    """Why a session is rejected.

    Attributes:
        code: Code.
        text: Text.
        asked: What was asked for then; null if nothing was.
        made: What was made instead; null if it is not that.
    """

    code: Literal[
        "several-faces",
        "no-face",
        "jumped",
        "other-person",
        "wrong-movement",
        "unasked",
        "too-slow",
        "repeated-frames",
        "at-once",
        "faded",
        "flat",
        "lights",
        "ended",
    ]
    text: str
    asked: (
        Literal["turn_left", "turn_right", "nod", "look_up", "tilt_left", "tilt_right", "closer"]
        | None
    )
    made: (
        Literal["turn_left", "turn_right", "nod", "look_up", "tilt_left", "tilt_right", "closer"]
        | None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessBegun:
    """A session that was begun.

    Attributes:
        id: Id.
        state: State.
        asked: What to ask for now; null where the head is to rest, straight ahead.
        light: The colour to fill the screen with now; null for none. It changes once a second at most: fade it in within half a second.
        done: Movements made.
        movements: Of how many.
        part: How much of what is asked is made, [0, 1].
        reasons: Why it was rejected; else empty.
        token: For one decision, where it was accepted; a signal only.
        nonce: Goes with each frame.
        expires_s: Seconds that it may take.
    """

    id: str
    state: Literal["straight ahead", "resting", "moving", "lit", "holding", "accepted", "rejected"]
    asked: (
        Literal["turn_left", "turn_right", "nod", "look_up", "tilt_left", "tilt_right", "closer"]
        | None
    )
    light: Literal["red", "green", "blue"] | None
    done: int
    movements: int
    part: float
    reasons: tuple[LivenessReason, ...]
    token: str | None
    nonce: str
    expires_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessProgress:
    """Where a session stands.

    Attributes:
        id: Id.
        state: State.
        asked: What to ask for now; null where the head is to rest, straight ahead.
        light: The colour to fill the screen with now; null for none. It changes once a second at most: fade it in within half a second.
        done: Movements made.
        movements: Of how many.
        part: How much of what is asked is made, [0, 1].
        reasons: Why it was rejected; else empty.
        token: For one decision, where it was accepted; a signal only.
    """

    id: str
    state: Literal["straight ahead", "resting", "moving", "lit", "holding", "accepted", "rejected"]
    asked: (
        Literal["turn_left", "turn_right", "nod", "look_up", "tilt_left", "tilt_right", "closer"]
        | None
    )
    light: Literal["red", "green", "blue"] | None
    done: int
    movements: int
    part: float
    reasons: tuple[LivenessReason, ...]
    token: str | None


def liveness(*, photo: Photo) -> Call[LookedAtFaces]:
    """Look at each face of a photo for signs of a print or a screen. A signal, no proof.

    Args:
        photo: Photo.
    """
    return Call("POST", "/v1/liveness", LookedAtFaces, form={}, files={"photo": photo})


def begin_liveness_session(
    *,
    gallery: str | Unset = UNSET,
    movements: int | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Call[LivenessBegun]:
    """Begin a session: one try. What is asked is told movement by movement.

    Args:
        gallery: That the token is for; else `verify`.
        movements: How many are asked.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
    """
    return Call(
        "POST",
        "/v1/liveness/sessions",
        LivenessBegun,
        query={"gallery": gallery, "movements": movements},
        headers={"Idempotency-Key": idempotency_key},
        keyed=True,
    )


def look_at_liveness_frame(
    session: str, *, photo: Photo, nonce: str, sent_ms: float | Unset = UNSET
) -> Call[LivenessProgress]:
    """Look at the next frame, a whole photo of the camera; send the next after the answer.

    Args:
        session: As `POST` told it.
        nonce: As `POST` told it.
        sent_ms: When the frame was taken, by the sender's clock.
        photo: Photo.
    """
    return Call(
        "POST",
        f"/v1/liveness/sessions/{quoted(session)}/frames",
        LivenessProgress,
        query={"nonce": nonce, "sent_ms": sent_ms},
        form={},
        files={"photo": photo},
    )


def liveness_session(session: str) -> Call[LivenessProgress]:
    """Where a session stands; its time goes on though no frame comes.

    Args:
        session: As `POST` told it.
    """
    return Call(
        "GET", f"/v1/liveness/sessions/{quoted(session)}", LivenessProgress, repeatable=True
    )
