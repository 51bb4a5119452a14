"""`vultus data`: data sets to train on."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.data.data_source import (
    DepthOption,
    FolderOption,
    KindOption,
    SourceArgument,
    kind_of_target,
    open_source,
    watching,
)
from vultus.cli.output import ExitCode, JsonOption, note, print_json, say
from vultus.data.formats.convert import Conversion, convert, write_list
from vultus.data.formats.writers import WRITERS
from vultus.data.summary import SAMPLE, DatasetSummary, summarise

_SHOWN = 10


def info(
    source: SourceArgument,
    kind: KindOption = "auto",
    depth: DepthOption = None,
    folder: FolderOption = None,
    decode_all: Annotated[
        bool, typer.Option("--all", help=f"Decode every image, not {SAMPLE} of them.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Count images, identities, images per identity, sizes and what cannot be read."""
    dataset = open_source(source, kind, depth=depth, folder=folder)
    summary = summarise(dataset, examine=None if decode_all else SAMPLE, watch=watching("decoding"))
    if json:
        print_json({"source": str(source)} | summary.to_dict())
    else:
        _say_summary(source, summary)
    return ExitCode.BAD_INPUT if summary.unreadable else ExitCode.OK


def convert_dataset(
    source: SourceArgument,
    target: Annotated[Path, typer.Argument(help="A new folder or file.", metavar="TARGET")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help=f"auto, list, {', '.join(WRITERS)}; auto: .zip and .tsv say it, else folder.",
            metavar="KIND",
        ),
    ] = "auto",
    kind: KindOption = "auto",
    depth: DepthOption = None,
    folder: FolderOption = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode each image, to leave out damaged ones.")
    ] = False,
    max_unreadable: Annotated[
        float, typer.Option("--max-unreadable", help="Share that may be left out, [0, 1].")
    ] = 0.01,
    json: JsonOption = False,
) -> int:
    """Copy a data set into another format; the images' bytes stay as they are."""
    dataset = open_source(source, kind, depth=depth, folder=folder)
    target_kind = kind_of_target(target) if to == "auto" else to
    if target_kind == "list":
        write_list(dataset, target)
        done = Conversion(len(dataset), len(dataset.identities), {})
    else:
        done = convert(
            dataset,
            target,
            kind=target_kind,
            decode=decode,
            max_unreadable=max_unreadable,
            watch=watching("converting"),
        )
    _report(target, target_kind, done, json=json)
    return ExitCode.BAD_INPUT if done.unreadable else ExitCode.OK


def _report(target: Path, kind: str, done: Conversion, *, json: bool) -> None:
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
    _note_unreadable(done.unreadable)


def _say_summary(source: Path, summary: DatasetSummary) -> None:
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
    _note_unreadable(summary.unreadable)


def _note_unreadable(unreadable: dict[int, str]) -> None:
    for message in list(unreadable.values())[:_SHOWN]:
        note(f"unreadable: {message}")
    if len(unreadable) > _SHOWN:
        note(f"and {len(unreadable) - _SHOWN} more; --json lists all")
