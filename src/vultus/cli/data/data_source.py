"""What the `vultus data` commands share: the data set that their options name."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vultus.core.choices import DATASET_NAMES

if TYPE_CHECKING:
    from vultus.data.base import FaceDataset

DepthOption = Annotated[
    int | None,
    typer.Option(
        help="For folders: how many folder names make an identity. Default: all above the image.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """A data set on disk."""

    source: Annotated[
        Path,
        typer.Argument(
            help="A folder or zip with a folder per identity, a list of files, a .rec file, or "
            "a .tar, a folder or a pattern (x-{00..31}.tar) of them.",
            metavar="SOURCE",
        ),
    ]
    kind: Annotated[
        str, typer.Option(help=f"auto, or what the source is: {', '.join(DATASET_NAMES)}.")
    ] = "auto"
    depth: DepthOption = None
    folder: Annotated[
        Path | None,
        typer.Option(
            help="For lists: what their paths are relative to. Default: the list's folder.",
            show_default=False,
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """The settings of a kind of data set that were given."""
        settings: dict[str, Any] = {"depth": self.depth, "folder": self.folder}
        return {name: value for name, value in settings.items() if value is not None}

    def open(self) -> "FaceDataset":
        """The data set."""
        from vultus.data import open_dataset

        return open_dataset(self.source, self.kind, **self.settings())
