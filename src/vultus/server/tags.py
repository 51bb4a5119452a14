"""Entity tags: who changes something says which state of it was seen (RFC 9110)."""

import re
from hashlib import sha256
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel

from vultus.server.problems import ProblemError

_TAG = re.compile(r'\s*(W/)?("[!#-~\x80-\xff]*")\s*')

IfMatch = Annotated[
    str | None,
    Header(
        max_length=1000,
        description="The header ETag of what was seen; `*` for whatever there is.",
        examples=['"2b1f8a6c5d3e4f70"'],
    ),
]


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
    tags = [_TAG.fullmatch(part) for part in if_match.split(",")]
    if not all(tags):
        raise ProblemError(422, "invalid-input", "If-Match must be * or a list of entity tags")
    # A weak tag never matches here.
    if tag_of(told) not in [tag[2] for tag in tags if tag is not None and not tag[1]]:
        raise ProblemError(
            412, "precondition-failed", "it was changed since; read it again and decide anew"
        )
