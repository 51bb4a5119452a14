"""`vultus cache clear | forget`: what is kept of photos that were searched, and its end."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.output import ExitCode, JsonOption, print_json, say

if TYPE_CHECKING:
    from vultus.pipeline.face_cache import FaceCache, ForgottenPhotos

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--cache", help="Folder of the cache; else the user's.", metavar="DIR", show_default=False
    ),
]
ForgettingOption = Annotated[
    str | None,
    typer.Option(
        help="Folder of the cache of `vultus find` that is to forget them, or `none`; else the "
        "user's.",
        metavar="DIR",
        show_default=False,
    ),
]


def clear(cache: FolderOption = None, json: JsonOption = False) -> int:
    """Forget all photos that `vultus find` and `identify --gallery FOLDER` looked at."""
    from vultus.pipeline.face_cache import FaceCache

    return _told(FaceCache(cache).clear(), json=json)


def forget(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders that they lie in.")],
    cache: FolderOption = None,
    json: JsonOption = False,
) -> int:
    """Forget some photos, whether they are still there or not."""
    from vultus.pipeline.face_cache import FaceCache

    return _told(FaceCache(cache).forget(photos), json=json)


def caches_of(chosen: str | None) -> "list[FaceCache]":
    """The caches that `ForgettingOption` means."""
    from vultus.pipeline.face_cache import FaceCache

    return [] if chosen == "none" else [FaceCache(chosen)]


def say_forgotten(caches: "Iterable[ForgottenPhotos]") -> None:
    """Say what caches forgot, of those that held anything."""
    for told in caches:
        if told.forgotten or told.left:
            say(f"cache {told.folder}: {told.forgotten} photos forgotten, {told.left} left")


def _told(done: "ForgottenPhotos", *, json: bool) -> int:
    if json:
        print_json({"folder": done.folder, "forgotten": done.forgotten, "left": done.left})
    else:
        say(f"cache {done.folder}: {done.forgotten} photos forgotten, {done.left} left")
    return ExitCode.OK
