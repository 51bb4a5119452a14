"""What operations share: the service's parts, and who asks for what."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from vultus.gallery.gallery import Gallery
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import AccessKey, KeyRing, RateLimit, Role
from vultus.server.galleries import Galleries
from vultus.server.problems import ProblemError
from vultus.server.settings import ServerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts of a service.

    Attributes:
        settings: What the operator set.
        recognizer: What judges photos.
        galleries: The galleries that are open.
        keys: Who may do what.
        rates: How often.
    """

    settings: ServerSettings
    recognizer: Recognizer
    galleries: Galleries
    keys: KeyRing
    rates: RateLimit


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by a key that allows it.

    Attributes:
        key: The key.
        context: The service's parts.
    """

    key: AccessKey
    context: Context

    def gallery(self, gallery_id: str) -> Gallery:
        """A gallery, in which the key is the actor.

        Raises:
            ProblemError: If there is none of that id.
        """
        return self.context.galleries.get(gallery_id, actor=f"key {self.key.id}")


def caller_with(role: Role) -> Callable[[Request], Caller]:
    """A dependency: who asks, if a key of this role or a higher one does.

    What a key may not touch is forbidden before it is said whether it exists.
    """

    def caller(request: Request) -> Caller:
        context: Context = request.app.state.context
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        key = context.keys.find(text.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise ProblemError(
                401,
                "unauthorised",
                "give a key of this service as Authorization: Bearer",
                headers={"WWW-Authenticate": "Bearer"},
            )
        request.state.key_id = key.id
        if wait_s := context.rates.wait_s(key.id):
            raise ProblemError(
                429,
                "too-many-requests",
                f"this key may ask {context.settings.requests_per_minute} times a minute",
                headers={"Retry-After": str(int(wait_s) + 1)},
            )
        if not key.allows(role, request.path_params.get("gallery")):
            raise ProblemError(
                403, "forbidden", f"this takes a key of the role {role.name} for this gallery"
            )
        return Caller(key, context)

    return caller
