"""`vultus train`: run a recipe."""

from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.options import ListRecipesOption, RecipeArgument, ResumeOption
from vultus.cli.output import ExitCode, JsonOption, note, print_json, say
from vultus.cli.train.train_progress import TrainProgress
from vultus.cli.train.training_extra import require_training_extra
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.training.finish import RunResult
    from vultus.training.process.distributed import World
    from vultus.training.recipe.recipe import Recipe


def train(
    recipe: RecipeArgument = None,
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="Laid over the recipe: data.root=/faces optimizer.lr=0.05 steps=1000",
            metavar="[KEY=VALUE]...",
            show_default=False,
        ),
    ] = None,
    resume: ResumeOption = False,
    list_recipes: ListRecipesOption = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything, print the whole recipe, do not train."),
    ] = False,
    json: JsonOption = False,
) -> int:
    """Train a network: a recipe in, weights, log and curves in a run folder out.

    Ctrl-C and SIGTERM finish the step, save, and end with exit code 130 or 143; --resume goes on.
    """
    require_training_extra("training needs")
    if list_recipes:
        return _list(json=json)
    if recipe is None:
        raise InputError("a recipe must be given; see them with: vultus train --list")
    from vultus.training.process.distributed import join_world
    from vultus.training.recipe.recipe_file import load_recipe

    loaded = load_recipe(recipe, overrides=settings if settings is not None else [])
    with join_world(loaded.run.device) as world:
        if dry_run:
            return _show(loaded, world, json=json)
        result = _run(loaded, world, resume=resume)
        if world.is_first:
            _report(result, json=json)
    return result.exit_code


def _run(recipe: "Recipe", world: "World", *, resume: bool) -> "RunResult":
    """Train; nothing that talks to other processes is left when this returns."""
    from vultus.training.trainer import Trainer

    watching = [TrainProgress()] if world.is_first else []
    return Trainer(recipe, world=world, observers=watching).run(resume=resume)


def _report(result: "RunResult", *, json: bool) -> None:
    if json:
        complete = {"folder": str(result.folder), "complete": result.complete}
        print_json({**complete, "step": result.step, **result.summary})
    elif result.complete:
        say(f"done after {result.step} steps: {result.folder}")
        for row in result.summary["evaluation"]:
            say(
                f"{row['set']}: accuracy {row['accuracy']:.2%} "
                f"(95 % interval {row['accuracy_low']:.2%} to {row['accuracy_high']:.2%}, "
                f"{row['n_pairs']} pairs)"
            )
    else:
        note(
            f"stopped and saved at step {result.step}; go on with the same command and --resume, "
            f"or take it as it is with: vultus export {result.folder}"
        )


def _show(recipe: "Recipe", world: "World", *, json: bool) -> int:
    from vultus.training.recipe.recipe_file import recipe_toml
    from vultus.training.trainer import Trainer

    trainer = Trainer(recipe, world=world)
    if not world.is_first:
        return ExitCode.OK
    facts, notes = trainer.facts(), trainer.notes()
    if json:
        print_json({**facts, "notes": notes, "recipe": recipe.to_dict()})
        return ExitCode.OK
    say(recipe_toml(recipe))
    say("".join(f"# {name}: {value}\n" for name, value in facts.items()))
    for text in notes:
        note(text)
    return ExitCode.OK


def _list(*, json: bool) -> int:
    from vultus.training.recipe.recipe_file import load_recipe, recipe_names

    recipes = {name: load_recipe(name).about for name in recipe_names()}
    if json:
        print_json(
            [{"name": n, "title": about.title, "tiny": about.tiny} for n, about in recipes.items()]
        )
        return ExitCode.OK
    twins = {about.tiny for about in recipes.values()}
    rows = [("recipe", "in small", ""), *((n, a.tiny, a.title) for n, a in recipes.items())]
    width, tiny_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, tiny, title in rows:
        if name not in twins:  # those stand beside the recipe that they are the twin of
            say(f"{name:<{width}}  {tiny:<{tiny_width}}  {title}".rstrip())
    return ExitCode.OK
