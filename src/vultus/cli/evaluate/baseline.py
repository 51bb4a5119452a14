"""`vultus baseline`: classical heads on embeddings, for `vultus evaluate --head`."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.evaluate.calibrate import Faces
from vultus.cli.options import EmbedderOptions
from vultus.cli.output import ExitCode, JsonOption, print_json, progress_bar, say
from vultus.core.choices import BaselineKind
from vultus.core.errors import InputError


def fit(
    faces: Faces,
    models: EmbedderOptions,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The head, an .npz file.")
    ],
    kind: Annotated[BaselineKind, typer.Option(help="The head.")] = "joint-bayesian",
    dim: Annotated[
        int | None,
        typer.Option(help="Principal components to keep; else as the head does by itself."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Fit Joint Bayesian, or PCA and an SVM, on the people in DIR or in a file of embeddings."""
    from vultus.baselines import fit_head
    from vultus.core.files import check_target
    from vultus.pipeline import measuring

    if (faces.root is None) == (faces.embeddings is None):
        raise InputError("baseline fit takes DIR or --embeddings FILE, one of them")
    check_target(output)  # before the photos are embedded, not after
    if faces.embeddings is not None:
        labelled = measuring.embedded_faces(faces.embeddings)
    elif faces.root is not None:
        with progress_bar() as progress:
            labelled = measuring.photographed_faces(
                faces.root,
                models.open(),
                aligned=faces.aligned,
                select=faces.select,
                progress=progress,
            )
    head = fit_head(labelled.embeddings, labelled.identities, kind=kind, dim=dim)
    head.save(output)
    people = len(set(labelled.identities.tolist()))
    if json:
        told = {"head": str(output), "kind": kind, "people": people}
        space = labelled.embeddings.space.to_dict()
        print_json({**told, "photos": len(labelled.embeddings), "space": space})
        return ExitCode.OK
    photos = len(labelled.embeddings)
    say(
        f"{output}: {kind} of {people:,} people with {photos:,} photos, {labelled.embeddings.space}"
    )
    say(f"use it with: vultus evaluate lfw --root LFW --head {output}, on other people")
    return ExitCode.OK


def join(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files of `vultus embed`, of the same photos."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")
    ],
    weight: Annotated[
        list[float] | None,
        typer.Option(help="How much a file counts; once a file, in their order. Else all alike."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Put the embeddings of several models side by side, as one file of embeddings."""
    from vultus.baselines import join_embedding_files

    joined = join_embedding_files(files, output, weights=weight or None)
    space = joined.embeddings.space
    if json:
        counts = {"faces": len(joined.embeddings), "failed": list(joined.failed)}
        print_json({"file": str(output), **counts, "space": space.to_dict()})
        return ExitCode.OK
    say(f"{output}: {len(joined.embeddings):,} faces, {space}")
    if joined.failed:
        say(f"{len(joined.failed):,} photos are not in all files, e.g. {joined.failed[0]}")
    return ExitCode.OK
