"""`vultus data audit`: what seems wrong with a data set of aligned crops."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from vultus import __version__
from vultus.cli.data.data_source import (
    DepthOption,
    FolderOption,
    KindOption,
    SourceArgument,
    given_settings,
    open_source,
    watching,
)
from vultus.cli.options import CalibrationOption, ModelOption, ModelOptions, with_calibration
from vultus.cli.output import ExitCode, JsonOption, print_json, say
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.core.errors import InputError
from vultus.core.thresholds import ThresholdTable
from vultus.curation.align.alignment_file import check_template
from vultus.curation.audit.audit import Audit, AuditTools
from vultus.curation.audit.audit import audit as run_audit
from vultus.curation.audit.findings import count_findings
from vultus.curation.audit.manifest import ManifestHeader, write_manifest
from vultus.curation.audit.page import KIND_TITLES, AuditPage, write_audit_page
from vultus.data.base import open_dataset
from vultus.pipeline.recognizer import Recognizer

MANIFEST = "manifest.jsonl"
PAGE = "audit.html"
CACHE = "cache"


def audit(
    source: SourceArgument,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder for manifest, page and cache.", metavar="DIR"),
    ],
    model: ModelOption = DEFAULT_EMBEDDER,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            help="Crops of a set to evaluate on: pictures and people in both are found; repeat.",
            metavar="OTHER",
            show_default=False,
        ),
    ] = None,
    detector: Annotated[
        str, typer.Option("--detector", help="Looks for faces; none leaves that out.")
    ] = DEFAULT_DETECTOR,
    look_at_all: Annotated[
        bool, typer.Option("--look-at-all", help="Detect in every crop, not only in suspects.")
    ] = False,
    fpir: Annotated[
        float,
        typer.Option("--fpir", help="Chance that an image of nobody here is taken for somebody."),
    ] = 0.01,
    calibration: CalibrationOption = None,
    kind: KindOption = "auto",
    depth: DepthOption = None,
    folder: FolderOption = None,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Folder for embeddings. Default: in DIR.", show_default=False),
    ] = None,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Write the HTML page.")] = True,
    limit: Annotated[int, typer.Option("--limit", help="Findings of a kind on the page.")] = 200,
    json: JsonOption = False,
) -> int:
    """Find non-faces, wrong labels, people merged or divided, copies, and overlap with another set.

    It proposes and changes nothing; `vultus data apply` does what the manifest says.
    """
    manifest = output / MANIFEST
    if manifest.exists():
        raise InputError(f"{manifest} exists and may have been edited; remove it, or take another")
    dataset = open_source(source, kind, depth=depth, folder=folder)
    others = {str(path): open_dataset(path) for path in against or []}
    recognizer = with_calibration(ModelOptions(model=model, detector=detector).open(), calibration)
    for path in (source, *map(Path, others)):
        check_template(path, recognizer.embedder.card.template)
    tools = AuditTools(
        embedder=recognizer.embedder,
        table=_thresholds(recognizer),
        cache=output / CACHE if cache is None else cache,
        detector=None if detector == "none" else recognizer.detector,
        detector_name=detector,
        look="all" if look_at_all else "suspects",
        fpir=fpir,
        watch=watching("auditing"),
    )
    result = run_audit(dataset, tools, against=others)
    header = ManifestHeader(
        source=str(source.resolve()),
        kind=kind,
        settings=_plain(given_settings(depth=depth, folder=folder)),
        n_images=len(dataset),
        space=str(recognizer.embedder.space),
        rules=result.rules(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    output.mkdir(parents=True, exist_ok=True)
    write_manifest(manifest, header, result.findings)
    if page:
        write_audit_page(
            output / PAGE,
            result.findings,
            AuditPage(
                f"Audit of {source.name}",
                _facts(header, result),
                footer=f"Made by Vultus {__version__} on {header.created}",
                limit=limit,
            ),
            dataset=dataset,
            others=others,
        )
    _report(result, output, page=page, json=json)
    return ExitCode.OK


def _thresholds(recognizer: Recognizer) -> ThresholdTable:
    """Of this site's calibration, else of the model's card."""
    calibration = recognizer.calibration
    return recognizer.embedder.thresholds if calibration is None else calibration.thresholds


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: str(value.resolve()) if isinstance(value, Path) else value
        for name, value in settings.items()
    }


def _facts(header: ManifestHeader, result: Audit) -> list[str]:
    thresholds = result.thresholds
    return [
        f"{header.source}: {result.n_images:,} images of {result.n_identities:,} identities",
        f"{header.space}; detector: {result.detector or 'none'}",
        f"alike within an identity: {thresholds.same}",
        f"unlike: {thresholds.unlike}",
        f"one person: {thresholds.match}; {_reach(result)}",
        f"and, of two identities, {result.ratio:.2f} times the similarity across that is within",
        f"copies: cosine {result.copy_rule.similarity:.3f} and thumbnails "
        f"{result.copy_rule.correlation:.3f}, measured on {result.copy_rule.n_images} images",
    ]


def _reach(result: Audit) -> str:
    if result.thresholds.fpir is None:
        return "the strictest that is known; it does not reach the FPIR asked for"
    return f"FPIR {result.thresholds.fpir:g} among these identities"


def _report(result: Audit, output: Path, *, page: bool, json: bool) -> None:
    counts = count_findings(result.findings)
    files = {"manifest": str(output / MANIFEST), "page": str(output / PAGE) if page else None}
    if json:
        print_json(
            {
                "images": result.n_images,
                "identities": result.n_identities,
                "findings": counts,
                "rules": result.rules(),
                **files,
            }
        )
        return
    say(f"{result.n_images} images of {result.n_identities} identities")
    for kind, count in counts.items():
        say(f"  {KIND_TITLES[kind][0].lower()} ({kind}): {count}")
    if not counts:
        say("nothing was found")
    say(f"{files['manifest']}: look at it, change actions, then `vultus data apply` it")
    if page:
        say(f"{files['page']}: the same with pictures; it holds photos of people")
