"""`vultus evaluate`: measure a model on a published protocol or on a folder per person."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.evaluate.run_settings import RunSettings, run_evaluation
from vultus.cli.output import ExitCode, JsonOption, print_json, progress_bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What `vultus evaluate` writes besides what it prints."""

    plots: Annotated[
        Path | None, typer.Option(help="Folder to write ROC, DET and histogram to.")
    ] = None
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="JSON file to write for `vultus report`: figures and curves."
        ),
    ] = None
    worst: Annotated[
        int,
        typer.Option(
            help="How many of the worst pairs --output names, by their photos' file names.", min=0
        ),
    ] = 20

    def check(self) -> None:
        """Refuse what cannot be written before hours of evaluation, not after."""
        from vultus.core.files import check_folder, check_target
        from vultus.evaluation.plot_style import new_figure

        if self.output is not None:
            check_target(self.output)
        if self.plots is not None:
            check_folder(self.plots)
            new_figure("", "")


def evaluate(run: RunSettings, written: Written, json: JsonOption = False) -> int:
    """Measure a model on a protocol; every figure comes with its counts and a 95 % interval."""
    from vultus.cli.evaluate.evaluate_print import print_result
    from vultus.evaluation.protocols.figures import to_json
    from vultus.evaluation.report.result_file import save_record
    from vultus.pipeline.measuring.pictures import write_protocol_plots

    written.check()
    with progress_bar() as progress:
        done = run_evaluation(run, progress=progress)
    if written.output is not None:
        save_record(written.output, done.record(worst=written.worst))
    drawn = [] if written.plots is None else write_protocol_plots(done.result, written.plots)
    if json:
        told = {"plots": [str(path) for path in drawn]} if drawn else {}
        print_json({**to_json(done.figures), **told})
    else:
        print_result(done.result, done.figures)
    return ExitCode.OK
