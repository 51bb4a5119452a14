"""`vultus bulk cluster`: the faces of a run of `vultus bulk embed`, by person."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.bulk.options import WorkerOptions
from vultus.cli.options import CalibrationOption, FmrOptions, with_calibration
from vultus.cli.output import ExitCode, JsonOption, note, print_json, progress_bar, say
from vultus.cli.recognise.cluster import CLUSTERING
from vultus.core.choices import DEFAULT_MOST_FACES


def cluster(
    run: Annotated[Path, typer.Argument(help="The folder of `vultus bulk embed`.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The Parquet file to write.", metavar="FILE"),
    ],
    workers: WorkerOptions,
    decision: FmrOptions = CLUSTERING,
    calibration: CalibrationOption = None,
    most_faces: Annotated[
        int,
        typer.Option(
            help="Where more hang together, they are grouped in parts of so many; a worker needs "
            "4 x N^2 bytes."
        ),
    ] = DEFAULT_MOST_FACES,
    json: JsonOption = False,
) -> int:
    """Group the faces of a run by person, as `vultus cluster` does, a million and more.

    Faces that the gate refused are left out. The file has a row a face: place, photo, face, person
    (0 has the most faces).
    """
    from vultus.bulk.run_folder import RunFolder
    from vultus.bulk.run_groups import cluster_run
    from vultus.core.files import check_target
    from vultus.core.thresholds import Threshold
    from vultus.pipeline.recognizer import Recognizer

    check_target(output)
    folder = RunFolder(run)
    rule = None if decision.threshold is None else Threshold(decision.threshold)
    if rule is None:
        recognizer = with_calibration(Recognizer(embedder=folder.settings.space.model), calibration)
        folder.check_space(recognizer.embedder.space)
        rule = recognizer.threshold(decision.fmr)
    with workers.open() as processes, progress_bar() as progress:
        found = cluster_run(
            folder, rule, output, workers=processes, most_faces=most_faces, progress=progress
        )
    if json:
        print_json(found.to_dict() | {"file": str(output)})
    else:
        say(f"{found.n_faces:,} faces, {found.n_people:,} people; threshold {rule}; in {output}")
    for text in found.notes:
        note(f"note: {text}")
    return ExitCode.OK
