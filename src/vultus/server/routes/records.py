"""What a gallery has on record: the audit log, copies of the gallery, all about one person."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.background import BackgroundTask

from vultus.gallery.security.audit import AuditHead
from vultus.gallery.upkeep.disclosure import person_zip
from vultus.server.context import Admin
from vultus.server.fields import (
    PERSON_ID,
    Cursor,
    GalleryId,
    Limit,
    PersonId,
    cursor_after,
    place_of,
)
from vultus.server.people import by_id
from vultus.server.routing import make_router

router = make_router("/v1/galleries/{gallery}", "records", 404, 411, 413)

_COPY = ".vultus-copy-"
_SQLITE, _ZIP = "application/vnd.sqlite3", "application/zip"
Subject = Annotated[
    str | None,
    Query(
        pattern=PERSON_ID, max_length=32, description="Only of this pseudonym, as entries tell it."
    ),
]
Action = Annotated[
    str | None,
    Query(pattern="^[a-z][a-z -]{0,39}$", max_length=40, description="Only of this action."),
]
HeadText = Annotated[
    str, StringConstraints(pattern="^[1-9][0-9]{0,17}:[0-9a-f]{64}$", max_length=83)
]


class AuditTold(BaseModel):
    """An entry of the audit log."""

    model_config = ConfigDict(extra="allow")

    position: int
    at: str
    actor: str
    action: str
    digest: str
    subject: str | None = Field(None, description="Pseudonym of the person whom it is about.")
    decision: str | None = None
    similarity: float | None = None
    threshold: float | None = None
    fpir: float | None = None
    model: str | None = None
    gallery_size: int | None = None
    counts: dict[str, int] = Field(default_factory=dict)


class AuditEntries(BaseModel):
    """Some entries, the oldest first."""

    entries: list[AuditTold]
    next: str | None = Field(description="The cursor of the next page; null at the end.")
    head: str | None = Field(description="The end of the log, to be kept elsewhere.")


class HeadsKept(BaseModel):
    """Heads that were kept elsewhere."""

    model_config = ConfigDict(extra="forbid")

    heads: list[HeadText] = Field(
        default_factory=list,
        max_length=1000,
        description="POSITION:DIGEST, as `head` was told.",
        examples=[[f"417:{'9f86d081884c7d65' * 4}"]],
    )


class AuditJudged(BaseModel):
    """Whether the log is as it was written."""

    sound: bool
    entries: int = Field(description="How many are sound, from the first on.")
    head: str | None
    fault: str | None = None
    message: str | None = None


@router.get("/audit")
def read_audit(
    caller: Admin,
    gallery: GalleryId,
    cursor: Cursor = "",
    limit: Limit = 100,
    subject: Subject = None,
    action: Action = None,
) -> AuditEntries:
    """Who did and decided what, page by page."""
    audit = caller.gallery(gallery).audit
    chosen = audit.entries(
        after=place_of("a", cursor),
        subject=subject,
        actions=() if action is None else (action,),
    )
    found = list(islice(chosen, limit + 1))
    more, head = len(found) > limit, audit.head()
    return AuditEntries(
        entries=[AuditTold(**entry.to_dict()) for entry in found[:limit]],
        next=cursor_after("a", found[limit - 1].head.position if more else None),
        head=None if head is None else head.to_text(),
    )


@router.post("/audit/verify")
def verify_audit(caller: Admin, gallery: GalleryId, kept: HeadsKept) -> AuditJudged:
    """Whether every entry is there, unchanged and in its place."""
    heads = [AuditHead.parse(text) for text in kept.heads]
    return AuditJudged(**caller.gallery(gallery).audit.verify(heads).to_dict())


@router.get(
    "/export",
    response_class=FileResponse,
    responses={200: {"content": {_SQLITE: {}}, "description": "The file."}},
)
def export_gallery(caller: Admin, gallery: GalleryId) -> FileResponse:
    """A whole copy of the gallery, sealed as it is; `vultus gallery restore` takes it."""
    with _folder(caller.context.settings.service_file.parent) as (folder, gone):
        path = folder / f"{gallery}.db"
        caller.gallery(gallery).backup(path)
    return FileResponse(path, media_type=_SQLITE, filename=path.name, background=gone)


@router.get(
    "/people/{person}/export",
    response_class=Response,
    responses={200: {"content": {_ZIP: {}}, "description": "The zip."}},
)
def export_all_about(caller: Admin, gallery: GalleryId, person: PersonId) -> Response:
    """Everything that is held about one person, as a zip for whoever asks for it."""
    known = caller.gallery(gallery)
    identity = by_id(known, person).identity
    # In memory: vectors and faces in clear have no place on the disk.
    data = person_zip(known, identity)
    named = {"Content-Disposition": f'attachment; filename="{person}.zip"'}
    return Response(data, media_type=_ZIP, headers=named)


def remove_strays(folder: Path) -> None:
    """Remove copies that were being sent when the service was killed."""
    for stray in folder.glob(f"{_COPY}*"):
        shutil.rmtree(stray, ignore_errors=True)


@contextmanager
def _folder(place: Path) -> Iterator[tuple[Path, BackgroundTask]]:
    """A folder for its owner only, and what deletes it when it was sent, or could not be.

    It is where the galleries are: as large as they are, and as well guarded.
    """
    folder = tempfile.TemporaryDirectory(prefix=_COPY, dir=place)
    try:
        yield Path(folder.name), BackgroundTask(folder.cleanup)
    except BaseException:
        folder.cleanup()
        raise
