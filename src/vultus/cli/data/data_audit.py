"""`vultus data audit`: what seems wrong with a data set of aligned crops."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.data.data_source import SourceOptions
from vultus.cli.options import CalibrationOption, ModelOption, ModelOptions, with_calibration
from vultus.cli.output import ExitCode, JsonOption, print_json, progress_bar, say
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_EMBEDDER, DEFAULT_FPIR

if TYPE_CHECKING:
    from vultus.core.progress import Progress
    from vultus.curation.audit.audit import Audit, AuditTools
    from vultus.curation.audit.audit_folder import AuditJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the audit works with."""

    model: ModelOption = DEFAULT_EMBEDDER
    detector: Annotated[str, typer.Option(help="Looks for faces; none leaves that out.")] = (
        DEFAULT_DETECTOR
    )
    look_at_all: Annotated[
        bool, typer.Option("--look-at-all", help="Detect in every crop, not only in suspects.")
    ] = False
    fpir: Annotated[
        float, typer.Option(help="Chance that an image of nobody here is taken for somebody.")
    ] = DEFAULT_FPIR
    calibration: CalibrationOption = None
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder for embeddings. Default: in DIR.", show_default=False),
    ] = None

    def open(self, output: Path, progress: "Progress") -> "AuditTools":
        """Open the models."""
        from vultus.curation.audit.audit import AuditTools

        models = ModelOptions(model=self.model, detector=self.detector)
        recognizer = with_calibration(models.open(), self.calibration)
        return AuditTools(
            embedder=recognizer.embedder,
            table=recognizer.thresholds,
            cache=output / "cache" if self.cache is None else self.cache,
            detector=None if self.detector == "none" else recognizer.detector,
            detector_name=self.detector,
            look="all" if self.look_at_all else "suspects",
            fpir=self.fpir,
            progress=progress,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """The page with pictures."""

    page: Annotated[bool, typer.Option("--page/--no-page", help="Write the HTML page.")] = True
    limit: Annotated[int, typer.Option(help="Findings of a kind on the page.")] = 200

    def job(self, dataset: SourceOptions, against: list[Path] | None) -> "AuditJob":
        """What is audited and written."""
        from vultus.curation.audit.audit_folder import AuditJob

        return AuditJob(
            source=dataset.source,
            kind=dataset.kind,
            settings=dataset.settings(),
            against=tuple(against or ()),
            page=self.page,
            limit=self.limit,
        )


def audit(
    dataset: SourceOptions,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder for manifest, page and cache.", metavar="DIR"),
    ],
    tools: Tools,
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
    """Find non-faces, wrong labels, people merged or divided, copies, and overlap with another set.

    It proposes and changes nothing; `vultus data apply` does what the manifest says.
    """
    from vultus.curation.audit.audit_folder import audit_to_folder

    job = shown.job(dataset, against)
    with progress_bar() as progress:
        result = audit_to_folder(job, tools.open(output, progress), output)
    report_audit(result, output, page=shown.page, json=json)
    return ExitCode.OK


def report_audit(result: "Audit", output: Path, *, page: bool, json: bool) -> None:
    """Say, or print as JSON, what was found and where it lies."""
    from vultus.curation.audit.audit_folder import MANIFEST, PAGE
    from vultus.curation.audit.findings import count_findings
    from vultus.curation.audit.page import KIND_TITLES

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
