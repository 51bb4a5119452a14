"""Entity tags: who changes something says which state of it was seen (RFC 9110)."""

import re
from hashlib import sha256
from typing import Annotated, Any, TypeVar

from fastapi import Header, Response
from pydantic import BaseModel

from vultus.server.problems import ProblemError

_TAG = re.compile(r'\s*(W/)?("[!#-~\x80-\xff]*")\s*')

Told = TypeVar("Told", bound=BaseModel)

IfMatch = Annotated[
    str | None,
    Header(
        max_length=1000,
        description="The header ETag of what was seen; `*` for whatever there is.",
        examples=['"2b1f8a6c5d3e4f70"'],
    ),
]


IfNoneMatch = Annotated[
    str | None,
    Header(
        max_length=1000,
        description="The ETag of what is known: if it is still so, the answer is 304, without it.",
        examples=['"2b1f8a6c5d3e4f70"'],
    ),
]
UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "It is as `If-None-Match` knows it."}
}
"""For the documentation of what takes `IfNoneMatch`."""


def tag_of(told: BaseModel) -> str:
    """The entity tag of what is told; any change makes it another."""
    return f'"{sha256(told.model_dump_json().encode()).hexdigest()[:32]}"'


def check_match(if_match: str | None, told: BaseModel, *, needed: bool) -> None:
    """Go on only if the caller has seen what there is.

    Args:
        if_match: The header.
        told: What there is.
        needed: Whether the header must be there.

    Raises:
        ProblemError: 428 if it must be and is not, 412 if something else was seen, 422 if it is no
            list of tags.
    """
    if if_match is None:
        if needed:
            raise ProblemError(
                428,
                "precondition-required",
                "say by If-Match which state is to be changed: the header ETag of what you read",
            )
        return
    if if_match.strip() == "*":
        return
    # A weak tag never matches here.
    if tag_of(told) not in [tag[2] for tag in _tags(if_match, "If-Match") if not tag[1]]:
        raise ProblemError(
            412, "precondition-failed", "it was changed since; read it again and decide anew"
        )


def told_or_304(told: Told, if_none_match: str | None, response: Response) -> Told | Response:
    """What is told, with its tag; or that it is as the caller knows it.

    Args:
        told: What there is.
        if_none_match: The header.
        response: Gets the tag.

    Raises:
        ProblemError: If the header is no list of tags.
    """
    tag = tag_of(told)
    response.headers["ETag"] = tag
    if if_none_match is None:
        return told
    if if_none_match.strip() != "*":
        known = [found[2] for found in _tags(if_none_match, "If-None-Match")]
        if tag not in known:
            return told
    return Response(status_code=304, headers={"ETag": tag})


def _tags(text: str, header: str) -> list[re.Match[str]]:
    tags = [_TAG.fullmatch(part) for part in text.split(",")]
    found = [tag for tag in tags if tag is not None]
    if len(found) < len(tags):
        raise ProblemError(422, "invalid-input", f"{header} must be * or a list of entity tags")
    return found
