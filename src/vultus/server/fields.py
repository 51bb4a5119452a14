"""What operations are asked by: ids, names, rates, pages; every text has a longest length."""

import base64
import binascii
import re
from typing import Annotated

from fastapi import Path, Query
from pydantic import StringConstraints

from vultus.server.galleries import GALLERY_ID
from vultus.server.problems import ProblemError

PERSON_ID = "^[0-9a-f]{32}$"
_PLACE = re.compile(r"([a-z]{1,10})([0-9]{1,18})")
_FARTHEST = 2**53
_EXAMPLE = "5f0c6f8d2d7e4b1c9a3e8b7d6c5a4f3e"

GalleryId = Annotated[
    str,
    Path(pattern=GALLERY_ID, max_length=64, description="The gallery's id.", examples=["people"]),
]
PersonId = Annotated[
    str,
    Path(
        pattern=PERSON_ID,
        max_length=32,
        description="The person's id: 32 hexadecimal digits.",
        examples=[_EXAMPLE],
    ),
]
Number = Annotated[int, Path(ge=0, le=2**53, description="As lists tell it.", examples=[0])]
Fmr = Annotated[
    float, Query(gt=0, le=1, description="False match rate, at most.", examples=[0.001])
]
Fpir = Annotated[
    float,
    Query(
        gt=0,
        lt=1,
        description="Chance that a stranger is given a name, at most.",
        examples=[0.01],
    ),
]
RequireLive = Annotated[
    bool,
    Query(
        description="Refuse faces that may be a print or a screen, or of which that cannot be "
        "judged; some attacks pass."
    ),
]
LiveToken = Annotated[
    str | None,
    Query(
        max_length=1000,
        pattern="^[A-Za-z0-9_.-]+$",
        description="Token of an accepted liveness session: its person must be meant. Holds once.",
    ),
]
Groups = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=100)]] | None,
    Query(max_length=20, description="Only people of this group; again for more."),
]
Cursor = Annotated[
    str,
    Query(max_length=40, description="`next` of the page before; empty for the first."),
]
After = Annotated[
    str,
    Query(
        max_length=40,
        pattern="^[0-9A-Za-z_-]*$",
        description="Begin after this: the position of one, or `next` of a page.",
        examples=["417"],
    ),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="So many at most.", examples=[100])]

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
GroupName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
EventType = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Moment = Annotated[str, StringConstraints(max_length=40)]
Purpose = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
MarkedPerson = Annotated[str, StringConstraints(pattern=PERSON_ID, max_length=32)]


def cursor_after(kind: str, place: int | None) -> str | None:
    """The cursor of a page behind a place; None where there is none.

    Args:
        kind: Lower-case letters: of one list is none of another.
        place: Where the page before ended, at least 0.
    """
    if place is None:
        return None
    return base64.urlsafe_b64encode(f"{kind}{place}".encode()).decode().rstrip("=")


def place_after(kind: str, after: str, cursor: str = "") -> int:
    """Where what comes after a position, or a page, begins.

    Args:
        kind: As of `cursor_after`.
        after: A position, a cursor, or nothing.
        cursor: A cursor, or nothing; it goes before.

    Raises:
        ProblemError: If one of them is none.
    """
    if cursor or not after.isdecimal():
        return place_of(kind, cursor or after)
    if int(after) > _FARTHEST:
        raise ProblemError(422, "invalid-input", f"after must be up to {_FARTHEST}")
    return int(after)


def place_of(kind: str, cursor: str) -> int:
    """Where a page begins; 0 for the first.

    Raises:
        ProblemError: If `cursor_after` of this kind did not make the cursor.
    """
    if not cursor:
        return 0
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    found = _PLACE.fullmatch(text)
    if found is None or found[1] != kind or cursor_after(kind, int(found[2])) != cursor:
        raise ProblemError(422, "invalid-input", "cursor must be `next` of the page before")
    return int(found[2])
