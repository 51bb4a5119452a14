"""The manifest of an audit: one JSON line a finding, to be read, edited by hand and applied."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vultus.core.errors import InputError
from vultus.core.files import writing
from vultus.core.plain_values import parse_json_lines, read_text
from vultus.core.settings_reader import read
from vultus.core.text import json_text
from vultus.curation.audit.findings import Action, Finding, Kind
from vultus.curation.image_names import is_plain_text

_FORMAT = "vultus-audit-1"
_MAX_BYTES = 1 << 30
ALL = "all"
"""Stands in a row's ``images`` for all images of the identity."""


@dataclass(frozen=True, slots=True)
class ManifestHeader:
    """The first line: which data set the findings are about.

    Attributes:
        source: Its path.
        kind: Of `vultus.data.base.DATASETS`, or ``"auto"``.
        settings: How it was opened (``depth``, ``folder``).
        n_images: How many images it had.
        space: The embedding space, in words.
        rules: Thresholds and other numbers that the audit went by.
        created: When, ISO 8601, UTC.
    """

    source: str
    kind: str
    settings: Mapping[str, Any]
    n_images: int
    space: str
    rules: Mapping[str, Any]
    created: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Findings about a data set, with what a person made of them.

    Attributes:
        header: Which data set.
        findings: In the order of the file.
        lines: Number of each finding's line in the file, for messages.
    """

    header: ManifestHeader
    findings: tuple[Finding, ...]
    lines: tuple[int, ...]


def write_manifest(path: str | Path, header: ManifestHeader, findings: Iterable[Finding]) -> None:
    """Write a manifest; it appears whole, an older one of that name is replaced.

    Raises:
        InputError: If the folder does not exist or the disk refuses.
    """
    path = Path(path)
    first = {
        "format": _FORMAT,
        "source": header.source,
        "kind": header.kind,
        "settings": dict(header.settings),
        "n_images": header.n_images,
        "space": header.space,
        "rules": dict(header.rules),
        "created": header.created,
    }
    with writing(path, private=True) as stream:
        for row in (first, *map(_row, findings)):
            stream.write(f"{json_text(row)}\n".encode())


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest that somebody may have edited.

    Empty lines and lines that begin with ``#`` are left out; so a finding can be dropped by
    deleting its line, too.

    Raises:
        InputError: If it is no manifest, or a line is wrong; the message names the line.
    """
    path = Path(path)
    if path.is_file() and path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{path} must be a manifest, of at most {_MAX_BYTES:,} bytes")
    text = read_text(path, error=InputError)
    rows = parse_json_lines(text, source=str(path), error=InputError)
    first = rows[0][1] if rows else None
    if not isinstance(first, dict) or first.pop("format", None) != _FORMAT:
        raise InputError(f"{path} must begin with a line of format {_FORMAT!r}; it is no manifest")
    header = read(ManifestHeader, first, source=f"{path}:{rows[0][0]}", error=InputError)
    findings = tuple(_finding(row, source=f"{path}:{line}") for line, row in rows[1:])
    return Manifest(header, findings, tuple(line for line, _ in rows[1:]))


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "action": finding.action,
        "kind": finding.kind,
        "score": round(finding.score, 4),
        "identity": finding.identity,
        "images": ALL if finding.images is None else list(finding.images),
        "to": finding.to,
        "evidence": list(finding.evidence),
        "reason": finding.reason,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A finding as its line has it."""

    action: Action
    kind: Kind
    score: float = 0.0
    identity: str | None = None
    images: Literal["all"] | tuple[str, ...]
    to: str | None = None
    evidence: tuple[str, ...] = ()
    reason: str | None = None

    def __post_init__(self) -> None:
        for name in ("identity", "images", "to", "evidence"):
            value = getattr(self, name)
            for text in value if isinstance(value, tuple) else (value or "",):
                if not is_plain_text(text):
                    raise InputError(f"{name} must hold no control characters, got {text!a}")


def _finding(row: Any, *, source: str) -> Finding:
    line = read(_Line, row, source=source, error=InputError)
    try:
        return Finding(
            kind=line.kind,
            action=line.action,
            score=line.score,
            identity=line.identity,
            images=None if line.images == ALL else tuple(line.images),
            to=line.to,
            evidence=line.evidence,
            reason=line.reason or "",
        )
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
