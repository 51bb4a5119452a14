"""`vultus data pairs`: verification sets packed into one file, or unpacked."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.output import JsonOption, print_json, say
from vultus.core.errors import InputError

_SUFFIX = ".bin"


def pairs(
    source: Annotated[
        Path,
        typer.Argument(help="A .bin file, or a list of lines 'photo photo 1|0'.", metavar="SOURCE"),
    ],
    target: Annotated[Path, typer.Argument(help="A new folder, or a .bin file.", metavar="TARGET")],
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder or zip that the list's photos are in. Default: the list's folder.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Pack a list of pairs into a .bin verification set, or unpack one into a folder."""
    from vultus.data.formats.pair_folder import PAIRS_NAME, unpack_pair_set
    from vultus.evaluation.protocols.pairs.pair_packing import pack_pair_list

    if (source.suffix == _SUFFIX) == (target.suffix == _SUFFIX):
        raise InputError(f"one of the two must be a {_SUFFIX} file, got {source} and {target}")
    if source.suffix == _SUFFIX:
        n_images, n_pairs = unpack_pair_set(source, target)
        text = f"{target}: {n_images} images, {n_pairs} pairs in {PAIRS_NAME}"
    else:
        n_images, n_pairs = pack_pair_list(source, target, photos=photos)
        text = f"{target}: {n_pairs} pairs of {n_images} images"
    if json:
        print_json({"target": str(target), "images": n_images, "pairs": n_pairs})
    else:
        say(text)
