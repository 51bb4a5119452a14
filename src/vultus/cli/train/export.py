"""`vultus export`: from a training run to a model that every other command takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.output import JsonOption, print_json, say
from vultus.cli.train.training_extra import require_training_extra
from vultus.core.choices import Flip, Storage, Weights

if TYPE_CHECKING:
    from vultus.export.card import ExportSettings
    from vultus.export.exporter import Export


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What is not in the run folder."""

    name: Annotated[str | None, typer.Option(help="Name of the model; else the folder's.")] = None
    weights: Annotated[
        Weights, typer.Option(help="auto: the mean of the weights if there is one, else last.")
    ] = "auto"
    storage: Annotated[
        Storage, typer.Option(help="How weights are kept; all compute in float32.")
    ] = "f32"
    flip: Annotated[
        Flip | None, typer.Option(help="Use of the mirrored view; else as the recipe evaluated.")
    ] = None
    licence: Annotated[str | None, typer.Option(help="Terms of the weights.")] = None
    commercial: Annotated[
        bool, typer.Option("--commercial/--non-commercial", help="Whether the terms allow it.")
    ] = False
    training_data: Annotated[
        str | None, typer.Option(help="In words; else what the run knows.")
    ] = None
    whiten: Annotated[
        Path | None,
        typer.Option(help="Aligned crops, names not used, to centre and whiten the features on."),
    ] = None
    sample: Annotated[
        Path | None, typer.Option(help="Aligned crops to compare on; else synthetic faces.")
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False

    def settings(self) -> "ExportSettings":
        """As the exporter takes them."""
        from vultus.export.card import ExportSettings
        from vultus.models.cards import Licence

        terms = {}
        if self.licence is not None:
            commercial, source = self.commercial, "stated at export"
            terms["licence"] = Licence(self.licence, commercial_use=commercial, source=source)
        return ExportSettings(
            weights=self.weights,
            name=self.name,
            storage=self.storage,
            flip=self.flip,
            training_data=self.training_data,
            whiten=self.whiten,
            sample=self.sample,
            replace=self.force,
            **terms,
        )


def export(
    run: Annotated[Path, typer.Argument(help="A run folder of `vultus train`.", metavar="RUN")],
    options: ExportOptions,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="ONNX file to write; else RUN/NAME.onnx.", show_default=False
        ),
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Put the model into the store too.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write a trained network as ONNX with its card, after comparing both on crops.

    Every other command takes the result: --model NAME once installed, or --model FILE.onnx.
    """
    require_training_extra("an export needs")
    from vultus.export.exporter import export_run
    from vultus.models.store import ModelStore

    made = export_run(run, output, settings=options.settings())
    if install:
        ModelStore().import_model(made.file, made.card.to_dict())
    _report(made, installed=install, json=json)


def _report(made: "Export", *, installed: bool, json: bool) -> None:
    if json:
        parity = [report.to_dict() for report in made.parity]
        files = {"file": str(made.file), "card_file": str(made.card_file), "installed": installed}
        print_json({**files, "card": made.card.to_dict(), "parity": parity})
        return
    for report in made.parity:
        say(str(report))
    size = made.file.stat().st_size / 1e6
    say(f"{made.file}: {made.card.embedding_dim}-d, {size:.1f} MB, card in {made.card_file.name}")
    model = made.card.name if installed else made.file
    say(f"use it with: --model {model}; thresholds for it: vultus calibrate --model {model} ...")
