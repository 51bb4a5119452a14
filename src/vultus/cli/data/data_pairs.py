"""`vultus data pairs`: verification sets packed into one file, or unpacked."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.output import JsonOption, print_json, say
from vultus.core.errors import InputError
from vultus.data.formats.files import read_image_file
from vultus.data.formats.pair_folder import PAIRS_NAME, unpack_pair_set
from vultus.data.formats.pair_set import write_pair_set
from vultus.evaluation.protocols.pair_lists import read_pair_list
from vultus.evaluation.protocols.photo_root import PhotoRoot
from vultus.evaluation.protocols.photos import PhotoFile

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
            "--photos",
            help="Folder or zip that the list's photos are in. Default: the list's folder.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Pack a list of pairs into a .bin verification set, or unpack one into a folder."""
    if (source.suffix == _SUFFIX) == (target.suffix == _SUFFIX):
        raise InputError(f"one of the two must be a {_SUFFIX} file, got {source} and {target}")
    if source.suffix == _SUFFIX:
        n_images, n_pairs = unpack_pair_set(source, target)
        text = f"{target}: {n_images} images, {n_pairs} pairs in {PAIRS_NAME}"
    else:
        n_images, n_pairs = _pack(source, target, source.parent if photos is None else photos)
        text = f"{target}: {n_pairs} pairs of {n_images} images"
    if json:
        print_json({"target": str(target), "images": n_images, "pairs": n_pairs})
    else:
        say(text)


def _pack(listed: Path, target: Path, photos: Path) -> tuple[int, int]:
    listed_pairs = read_pair_list(listed)
    root = PhotoRoot(photos)
    names = [name for pair in listed_pairs for name in (pair.first, pair.second)]
    files = {name: _read(root.read(root.find(name))) for name in dict.fromkeys(names)}
    images = [files[name] for name in names]
    write_pair_set(target, images, flags=[pair.genuine for pair in listed_pairs])
    return len(files), len(listed_pairs)


def _read(photo: PhotoFile) -> bytes:
    return photo if isinstance(photo, bytes) else read_image_file(Path(photo))
