"""`vultus liveness train`: a network of a site's own, from its photos."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.liveness.evaluate import rate_text
from vultus.cli.options import ListRecipesOption, RecipeArgument, ResumeOption
from vultus.cli.output import ExitCode, JsonOption, print_json, print_table, progress_bar, say
from vultus.cli.train.training_extra import require_training_extra
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.export.liveness import LivenessExport
    from vultus.models.cards import Licence


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """What is written."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The ONNX file; else one in the run folder. The card goes beside it.",
            show_default=False,
        ),
    ] = None
    licence: Annotated[
        str | None,
        typer.Option(help="Terms of the weights, for the card.", show_default=False),
    ] = None
    commercial_use: Annotated[
        bool, typer.Option("--commercial-use", help="These terms allow commercial use.")
    ] = False

    def terms(self) -> "Licence":
        """The licence for the card."""
        from vultus.export.liveness import UNSTATED
        from vultus.models.cards import Licence

        if self.licence is not None:
            source = "stated at training"
            return Licence(self.licence, commercial_use=self.commercial_use, source=source)
        if self.commercial_use:
            raise InputError("--commercial-use takes --licence: of which terms?")
        return UNSTATED


def train(
    files: FileOptions,
    recipe: RecipeArgument = None,
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="Laid over the recipe: data.root=DOOR fit.epochs=20 apcer=0.02",
            metavar="[KEY=VALUE]...",
            show_default=False,
        ),
    ] = None,
    resume: ResumeOption = False,
    list_recipes: ListRecipesOption = False,
    json: JsonOption = False,
) -> int:
    """Train a network on live/ and attack/SPECIES/, and measure it on people who were held out.

    The state is kept after each epoch; --resume goes on. What comes of imitations says nothing of
    real attacks: the rates are those of the photos of the folder.
    """
    require_training_extra("training needs")
    from vultus.export.liveness import export_liveness
    from vultus.pipeline.photos import Skipped
    from vultus.training.liveness.recipe import load_liveness_recipe
    from vultus.training.liveness.train import train_liveness

    if list_recipes:
        return _list(json=json)
    if recipe is None:
        raise InputError("a recipe must be given; see them with: vultus liveness train --list")
    loaded = load_liveness_recipe(recipe, overrides=settings if settings is not None else [])
    terms = files.terms()
    skipped = Skipped()
    with progress_bar() as progress:
        run = train_liveness(loaded, resume=resume, progress=progress, on_error=skipped)
        done = export_liveness(run.path, files.output, licence=terms, progress=progress)
    if json:
        print_json({**done.to_dict(), "skipped": skipped.photos})
        return ExitCode.OK
    _print(done)
    if skipped.photos:
        say(f"left out: {len(skipped.photos)} photos (--json names them and why)")
    return ExitCode.OK


def _list(*, json: bool) -> int:
    from vultus.training.liveness.recipe import liveness_recipe_names, load_liveness_recipe

    named = {one: load_liveness_recipe(one).about.title for one in liveness_recipe_names()}
    if json:
        print_json([{"name": one, "title": title} for one, title in named.items()])
    else:
        print_table(("recipe", ""), named.items())
    return ExitCode.OK


def _print(done: "LivenessExport") -> None:
    rates = done.rates
    rows = [
        (f"APCER {one.name}", rate_text(one.apcer), rate_text(one.apnrr)) for one in rates.species
    ]
    rows.append(("BPCER living faces", rate_text(rates.bpcer), rate_text(rates.bpnrr)))
    print_table(("error on who was held out", "share of those scored", "no response"), rows)
    rule = done.card.liveness
    say(f"threshold {rates.threshold:.4f}" + ("" if rule is None else f"; {rule.origin}"))
    say(f"{done.file}: vultus liveness PHOTO --model {done.file}")
