"""`vultus data info` and `vultus data convert`: look at a data set, and copy it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.data.data_source import SourceOptions
from vultus.cli.output import ReportOptions, note, print_json, progress_bar, say
from vultus.core.choices import WRITER_NAMES

if TYPE_CHECKING:
    from vultus.data.formats.convert import Conversion
    from vultus.data.summary import DatasetSummary

_SHOWN = 10


def info(
    dataset: SourceOptions,
    report: ReportOptions,
    decode_all: Annotated[
        bool, typer.Option("--all", help="Decode every image, not 200 of them.")
    ] = False,
) -> int:
    """Count images, identities, images per identity, sizes and what cannot be read."""
    from vultus.data.summary import SAMPLE, summarise

    examine = None if decode_all else SAMPLE
    with progress_bar() as progress:
        summary = summarise(dataset.open(), examine=examine, progress=progress)
    if report.json:
        print_json({"source": str(dataset.source)} | summary.to_dict())
    else:
        _say_summary(dataset.source, summary)
    _note_unreadable(summary.unreadable)
    unreadable = len(summary.unreadable)
    return report.code(unreadable, done=summary.examined - unreadable)


def convert_dataset(
    dataset: SourceOptions,
    report: ReportOptions,
    target: Annotated[Path, typer.Argument(help="A new folder or file.", metavar="TARGET")],
    to: Annotated[
        str,
        typer.Option(
            help=f"auto, list, {', '.join(WRITER_NAMES)}; auto: .zip and .tsv say it, else folder.",
            metavar="KIND",
        ),
    ] = "auto",
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode each image, to leave out damaged ones.")
    ] = False,
    max_unreadable: Annotated[
        float, typer.Option(help="Share that may be left out, [0, 1].")
    ] = 0.01,
) -> int:
    """Copy a data set into another format; the images' bytes stay as they are."""
    from vultus.data.formats.convert import Conversion, convert, target_kind, write_list

    opened = dataset.open()
    kind = target_kind(target) if to == "auto" else to
    if kind == "list":
        write_list(opened, target)
        done = Conversion(len(opened), len(opened.identities), {})
    else:
        with progress_bar() as progress:
            done = convert(
                opened,
                target,
                kind=kind,
                decode=decode,
                max_unreadable=max_unreadable,
                progress=progress,
            )
    _report(target, kind, done, json=report.json)
    _note_unreadable(done.unreadable)
    return report.code(len(done.unreadable), done=done.images)


def _report(target: Path, kind: str, done: "Conversion", *, json: bool) -> None:
    if json:
        unreadable = {str(index): message for index, message in done.unreadable.items()}
        print_json(
            {
                "target": str(target),
                "kind": kind,
                "images": done.images,
                "identities": done.identities,
                "unreadable": unreadable,
            }
        )
        return
    say(f"{target} ({kind}): {done.images} images of {done.identities} identities")


def _say_summary(source: Path, summary: "DatasetSummary") -> None:
    say(f"{source}: {summary.images} images of {summary.identities} identities")
    say(f"without identity: {summary.unlabelled}")
    if summary.per_identity:
        shown = ", ".join(f"{name} {value:g}" for name, value in summary.per_identity.items())
        say(f"images per identity: {shown}")
        for images, identities in summary.distribution.items():
            say(f"  {images}: {identities} identities")
    if summary.empty:
        names = ", ".join(summary.empty[:_SHOWN])
        more = ", ..." if len(summary.empty) > _SHOWN else ""
        say(f"without images: {len(summary.empty)} ({names}{more})")
    sizes = ", ".join(f"{h}x{w}: {count}" for (h, w), count in summary.sizes_hw.items())
    say(f"height x width of {summary.examined} decoded: {sizes}")
    say(f"unreadable of {summary.examined} decoded: {len(summary.unreadable)}")


def _note_unreadable(unreadable: dict[int, str]) -> None:
    for message in list(unreadable.values())[:_SHOWN]:
        note(f"unreadable: {message}")
    if len(unreadable) > _SHOWN:
        note(f"and {len(unreadable) - _SHOWN} more; --json lists all")
