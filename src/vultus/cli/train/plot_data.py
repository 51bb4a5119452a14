"""`vultus plot augmentations` and `vultus plot synthetic-faces`: what a training run sees."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.output import ExitCode, say

OutputOption = Annotated[
    Path, typer.Option("--output", "-o", help="Image file to write: .png, .webp, .jpg.")
]
if TYPE_CHECKING:
    from vultus.core.faces import Image

QUALITY = 85
"""Of WebP and JPEG: a sheet is looked at, not measured."""

SeedOption = Annotated[int, typer.Option("--seed", help="Of the random numbers.", min=0)]


def augmentations(
    output: OutputOption,
    crop: Annotated[
        Path | None,
        typer.Option(
            "--crop", help="A crop aligned to arcface-112; a synthetic face if not given."
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="Show this recipe's augmentations instead of all."),
    ] = None,
    columns: Annotated[int, typer.Option("--columns", help="Draws of each.", min=1)] = 8,
    seed: SeedOption = 0,
) -> int:
    """Draw what each augmentation makes of one crop."""
    from vultus.data.augmentation import Augmentation
    from vultus.data.contact_sheet import augmentation_sheet

    chosen = None
    if recipe is not None:
        from vultus.training.recipe.recipe_file import load_recipe

        chosen = Augmentation.from_tables(load_recipe(recipe).augment)
    sheet = augmentation_sheet(_crop(crop), columns=columns, seed=seed, augmentation=chosen)
    _write(output, sheet)
    return ExitCode.OK


def synthetic_faces(
    output: OutputOption,
    identities: Annotated[int, typer.Option("--identities", help="Rows.", min=1)] = 8,
    columns: Annotated[int, typer.Option("--columns", help="Images of each.", min=1)] = 10,
    difficulty: Annotated[
        float, typer.Option("--difficulty", help="Variation within an identity, 0 to 2.")
    ] = 1.0,
    seed: SeedOption = 0,
) -> int:
    """Draw people of the synthetic data set, one a row."""
    from vultus.data.contact_sheet import identity_sheet
    from vultus.data.synthetic import SyntheticFaces

    faces = SyntheticFaces(identities=identities, images=columns, seed=seed, difficulty=difficulty)
    sheet = identity_sheet(faces, identities=identities, columns=columns)
    _write(output, sheet)
    return ExitCode.OK


def _write(path: Path, sheet: "Image") -> None:
    from vultus.image.io import write_image

    write_image(path, sheet, quality=QUALITY, private=True)
    say(str(path))


def _crop(path: Path | None) -> "Image":
    from vultus.image.io import read_image

    if path is not None:
        return read_image(path)
    from vultus.data.synthetic import SyntheticFaces

    return SyntheticFaces(identities=9, images=1, difficulty=0.3).image(8)
