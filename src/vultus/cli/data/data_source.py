"""What the `vultus data` commands share: the data set that an argument names, and progress."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vultus.cli.output import track
from vultus.core.errors import InputError
from vultus.data.base import DATASETS, FaceDataset, open_dataset

SourceArgument = Annotated[
    Path,
    typer.Argument(
        help="A folder or zip with a folder per identity, a list of files, or a .rec file.",
        metavar="SOURCE",
    ),
]
KindOption = Annotated[
    str, typer.Option("--kind", help=f"auto, or what the source is: {', '.join(DATASETS)}.")
]
DepthOption = Annotated[
    int | None,
    typer.Option(
        "--depth",
        help="For folders: how many folder names make an identity. Default: all above the image.",
        show_default=False,
    ),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        help="For lists: what their paths are relative to. Default: the list's folder.",
        show_default=False,
    ),
]


def open_source(source: Path, kind: str, *, depth: int | None, folder: Path | None) -> FaceDataset:
    """The data set that a command's arguments describe."""
    if source.suffix == ".bin":
        raise InputError(f"{source} is a set of pairs; `vultus data pairs` unpacks it")
    return open_dataset(source, kind, **given_settings(depth=depth, folder=folder))


def given_settings(*, depth: int | None, folder: Path | None) -> dict[str, Any]:
    """The settings of a kind of data set that were given."""
    settings: dict[str, Any] = {"depth": depth, "folder": folder}
    return {name: value for name, value in settings.items() if value is not None}


def kind_of_target(target: Path) -> str:
    """The format that the name of a target asks for."""
    return {".zip": "zip", ".tsv": "list", ".txt": "list"}.get(target.suffix.lower(), "folder")


def watching(description: str) -> Any:
    """Shows how far the consumption of a list has come."""

    def show(items: Sequence[Any]) -> Iterable[Any]:
        return track(items, description, total=len(items))

    return show
