"""`vultus bulk audit`: what seems wrong with a large data set of aligned crops."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.bulk.options import PhotoWorkerOptions
from vultus.cli.data.data_audit import PageOptions, Tools, report_audit
from vultus.cli.data.data_source import SourceOptions
from vultus.cli.output import ExitCode, JsonOption, progress_bar


def audit(
    dataset: SourceOptions,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder for manifest, page and cache.", metavar="DIR"),
    ],
    tools: Tools,
    workers: PhotoWorkerOptions,
    shown: PageOptions,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="Crops of a set to evaluate on: pictures and people in both are found; repeat.",
            metavar="OTHER",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Audit a data set as `data audit` does; many processes embed its crops."""
    from vultus.bulk.auditing import audit_in_bulk
    from vultus.pipeline.analyser import Analyser

    job = shown.job(dataset, against)
    analyser = Analyser(embedder=tools.model, gate=None, threads=1)
    with workers.open() as processes, progress_bar() as progress:
        opened = tools.open(output, progress)
        result = audit_in_bulk(job, opened, output, analyser=analyser, workers=processes)
    report_audit(result, output, page=shown.page, json=json)
    return ExitCode.OK
