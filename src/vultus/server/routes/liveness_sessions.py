"""Active liveness sessions: movements asked one by one, frames looked at, a token at the end."""

import math
from dataclasses import asdict
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, Field

from vultus.liveness.session.lights import Light
from vultus.liveness.session.movements import Movement
from vultus.liveness.session.session import ReasonCode, Seen, SessionState
from vultus.pipeline.session_look import look
from vultus.server.access import Role
from vultus.server.context import Reader
from vultus.server.galleries import GALLERY_ID
from vultus.server.live_sessions import VALID_S, Standing
from vultus.server.photos import Photo, body_of, decoded
from vultus.server.problems import ProblemError
from vultus.server.routing import make_router

router = make_router("/v1/liveness/sessions", "liveness", 404, 411, 413, 415)

_ID = "^[0-9a-f]{32}$"
_LIGHTS = 5
_EXAMPLE = "5f0c6f8d2d7e4b1c9a3e8b7d6c5a4f3e"

SessionId = Annotated[
    str,
    Path(pattern=_ID, max_length=32, description="As `POST` told it.", examples=[_EXAMPLE]),
]
Nonce = Annotated[
    str,
    Query(pattern=_ID, max_length=32, description="As `POST` told it.", examples=[_EXAMPLE]),
]


class LivenessReason(BaseModel):
    """Why a session is rejected."""

    code: ReasonCode
    text: str
    asked: Movement | None = Field(description="What was asked for then; null if nothing was.")
    made: Movement | None = Field(description="What was made instead; null if it is not that.")


class LivenessProgress(BaseModel):
    """Where a session stands."""

    id: str = Field(examples=[_EXAMPLE])
    state: SessionState
    asked: Movement | None = Field(
        description="What to ask for now; null where the head is to rest, straight ahead."
    )
    light: Light | None = Field(
        description="The colour to fill the screen with now; null for none. It changes once a "
        "second at most: fade it in within half a second."
    )
    done: int = Field(description="Movements made.")
    movements: int = Field(description="Of how many.")
    part: float = Field(description="How much of what is asked is made, [0, 1].")
    reasons: list[LivenessReason] = Field(description="Why it was rejected; else empty.")
    token: str | None = Field(description="For one decision, where it was accepted; a signal only.")


class LivenessBegun(LivenessProgress):
    """A session that was begun."""

    nonce: str = Field(description="Goes with each frame.", examples=[_EXAMPLE])
    expires_s: float = Field(description="Seconds that it may take.")


@router.post("", status_code=201)
def begin_liveness_session(
    caller: Reader,
    gallery: Annotated[
        str | None,
        Query(
            pattern=GALLERY_ID, max_length=64, description="That the token is for; else `verify`."
        ),
    ] = None,
    movements: Annotated[int, Query(ge=2, le=8, description="How many are asked.")] = 4,
) -> LivenessBegun:
    """Begin a session: one try. What is asked is told movement by movement."""
    if gallery is not None and not caller.key.allows(Role.reader, gallery):
        raise ProblemError(403, "forbidden", "this takes a key for this gallery")
    lights = _LIGHTS if caller.context.settings.liveness_lights else 0
    begun = caller.context.live_sessions.begin(
        caller.key.id, audience=gallery or "", movements=movements, lights=lights
    )
    return LivenessBegun(**_told(begun).model_dump(), nonce=begun.nonce, expires_s=VALID_S)


@router.post("/{session}/frames", openapi_extra=body_of("photo"))
def look_at_liveness_frame(
    caller: Reader,
    session: SessionId,
    photo: Photo,
    nonce: Nonce,
    sent_ms: Annotated[
        float | None,
        Query(ge=0, le=1e15, description="When the frame was taken, by the sender's clock."),
    ] = None,
) -> LivenessProgress:
    """Look at the next frame, a whole photo of the camera; send the next after the answer."""
    context = caller.context
    sent_s = None if sent_ms is None or not math.isfinite(sent_ms) else sent_ms / 1000

    def looked(time_s: float) -> Seen:
        image = decoded(photo, what="the frame", most_pixels=context.settings.most_pixels)
        return look(context.recognizer, image, time_s=time_s, sent_s=sent_s)

    return _told(
        context.live_sessions.take(session, caller.key.id, nonce=nonce, photo=photo, look=looked)
    )


@router.get("/{session}")
def liveness_session(caller: Reader, session: SessionId) -> LivenessProgress:
    """Where a session stands; its time goes on though no frame comes."""
    return _told(caller.context.live_sessions.standing(session, caller.key.id))


def _told(standing: Standing) -> LivenessProgress:
    now = standing.progress
    return LivenessProgress(
        id=standing.id,
        state=now.state,
        asked=now.asked,
        light=now.light,
        done=now.done,
        movements=now.n_movements,
        part=now.parts,
        reasons=[LivenessReason(**asdict(one)) for one in now.reasons],
        token=standing.token or None,
    )
