"""`vultus data align`: raw photos made into aligned crops to train on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.data.data_source import DepthOption
from vultus.cli.options import ModelOptions
from vultus.cli.output import ReportOptions, note, print_json, progress_bar, say
from vultus.core.choices import (
    CROP_ENDINGS,
    CROP_SELECTS,
    DEFAULT_SELECT,
    DEFAULT_TEMPLATE,
    TEMPLATE_NAMES,
    WRITER_NAMES,
)

if TYPE_CHECKING:
    from vultus.curation.align.align_photos import Alignment
    from vultus.curation.align.alignment_file import AlignmentSettings

_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CropOptions:
    """How the crops are made."""

    select: Annotated[
        str,
        typer.Option(
            help=f"Which face of several: {', '.join(CROP_SELECTS)} (nearest to the person's "
            "centre)."
        ),
    ] = DEFAULT_SELECT
    template: Annotated[str, typer.Option(help=f"One of {', '.join(TEMPLATE_NAMES)}.")] = (
        DEFAULT_TEMPLATE
    )
    ending: Annotated[
        str,
        typer.Option("--format", help=f"Of the crops: {', '.join(e[1:] for e in CROP_ENDINGS)}."),
    ] = "png"
    quality: Annotated[int, typer.Option(help="1 to 100, for webp and jpg.")] = 95
    depth: DepthOption = None

    def settings(self, models: ModelOptions) -> "AlignmentSettings":
        """What is written beside the crops."""
        from vultus.curation.align.alignment_file import AlignmentSettings

        return AlignmentSettings(
            template=self.template,
            detector=models.detector,
            select=self.select,
            model=models.model if self.select == "person" else "",
            ending=f".{self.ending}",
            quality=self.quality,
            depth=self.depth if self.depth is not None else 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """From where to where."""

    photos: Annotated[
        Path,
        typer.Argument(
            help="Folder or zip with a folder of photos per person; loose photos have no identity.",
            metavar="PHOTOS",
        ),
    ]
    output: Annotated[
        Path,
        typer.Argument(help="A folder, or a file for zip; new, or begun before.", metavar="OUTPUT"),
    ]
    to: Annotated[
        str, typer.Option(help=f"auto, {', '.join(WRITER_NAMES)}; auto: .zip says it.")
    ] = "auto"

    def kind(self) -> str:
        """The format of the output."""
        from vultus.data.formats.convert import target_kind

        return target_kind(self.output) if self.to == "auto" else self.to


def align(
    places: Places,
    crops: CropOptions,
    models: ModelOptions,
    report: ReportOptions,
    retry: Annotated[
        bool, typer.Option("--retry-failed", help="Try photos again that failed before.")
    ] = False,
) -> int:
    """Make aligned crops from raw photos; run again after a stop, it goes on where it was."""
    from vultus.curation.align.align_photos import align_photos
    from vultus.curation.align.person_alignment import least_similarity
    from vultus.curation.align.photo_source import AlignTools
    from vultus.data.formats.folder import FolderDataset

    recognizer = models.open()
    by_person = crops.select == "person"
    with progress_bar() as progress:
        result = align_photos(
            FolderDataset(places.photos, depth=crops.depth),
            places.output,
            AlignTools(
                recognizer,
                min_similarity=least_similarity(recognizer) if by_person else None,
                progress=progress,
            ),
            crops.settings(models),
            kind=places.kind(),
            retry=retry,
        )
    _report(result, places.output, json=report.json)
    _note_failures(result.failures)
    return report.code(len(result.failures), done=result.crops)


def _report(result: "Alignment", output: Path, *, json: bool) -> None:
    if json:
        print_json(
            {
                "output": str(output),
                "crops": result.crops,
                "done_before": result.done_before,
                "residual_px": result.residual_px,
                "failures": result.failures,
                "report": str(result.report),
            }
        )
        return
    say(f"{output}: {result.crops} crops; {result.done_before} photos were done before")
    if result.residual_px is not None:
        median, high = result.residual_px
        say(f"landmarks off the template by: median {median:.2f} px, 95 % below {high:.2f} px")
    say(f"without a crop: {len(result.failures)} photos; reasons in {result.report}")


def _note_failures(failures: Mapping[str, str]) -> None:
    for photo, reason in list(failures.items())[:_SHOWN]:
        note(f"no crop of {photo}: {reason}")
