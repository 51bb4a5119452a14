"""A whole audit: a data set on disk in; a manifest, a page and a cache in a folder out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vultus import __version__
from vultus.core.errors import InputError
from vultus.core.files import make_private_folder
from vultus.curation.align.alignment_file import check_template
from vultus.curation.audit.audit import Audit, AuditTools, audit
from vultus.curation.audit.manifest import ManifestHeader, write_manifest
from vultus.curation.audit.page import AuditPage, write_audit_page
from vultus.data.base import open_dataset

MANIFEST = "manifest.jsonl"
PAGE = "audit.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditJob:
    """What is audited, and what is written.

    Attributes:
        source: The data set.
        kind: Of `vultus.data.base.DATASETS`, or ``"auto"``.
        settings: More settings of that kind.
        against: Data sets that nobody may be shared with (to evaluate on).
        page: Also write `PAGE`, the findings with pictures inside.
        limit: Findings of a kind on the page.
    """

    source: Path
    kind: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    against: tuple[Path, ...] = ()
    page: bool = True
    limit: int = 200


def audit_to_folder(job: AuditJob, tools: AuditTools, folder: Path) -> Audit:
    """Audit a data set, and write `MANIFEST` for `vultus.curation.apply` and the page.

    Args:
        job: What to audit.
        tools: What to work with.
        folder: Where to; made when needed.

    Raises:
        InputError: If the folder has a manifest already (it may have been edited), the data set
            holds crops of another template, or as `audit`.
    """
    manifest = check_new_manifest(folder)
    dataset = open_dataset(job.source, job.kind, **job.settings)
    others = {str(path): open_dataset(path) for path in job.against}
    for path in (job.source, *job.against):
        check_template(path, tools.embedder.card.template)
    result = audit(dataset, tools, against=others)
    header = ManifestHeader(
        source=str(job.source.resolve()),
        kind=job.kind,
        settings=_plain(job.settings),
        n_images=len(dataset),
        space=str(tools.embedder.space),
        rules=result.rules(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    make_private_folder(folder)
    write_manifest(manifest, header, result.findings)
    if job.page:
        page = AuditPage(
            f"Audit of {job.source.name}",
            _facts(header, result),
            footer=f"Made by Vultus {__version__} on {header.created}",
            limit=job.limit,
        )
        write_audit_page(folder / PAGE, result.findings, page, dataset=dataset, others=others)
    return result


def check_new_manifest(folder: Path) -> Path:
    """Where the manifest of a folder goes.

    Raises:
        InputError: If there is one already.
    """
    manifest = folder / MANIFEST
    if manifest.exists():
        raise InputError(f"{manifest} exists and may have been edited; remove it, or take another")
    return manifest


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
