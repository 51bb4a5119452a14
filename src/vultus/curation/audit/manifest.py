"""The manifest of an audit: one JSON line a finding, to be read, edited by hand and applied."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vultus.core.errors import InputError
from vultus.core.files import writing
from vultus.curation.audit.findings import Finding
from vultus.curation.image_names import is_plain_text

_FORMAT = "vultus-audit-1"
_MAX_BYTES = 1 << 30
_FIELDS = ("action", "kind", "score", "identity", "images", "to", "evidence", "reason")
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


def write_manifest(path: Path, header: ManifestHeader, findings: Iterable[Finding]) -> None:
    """Write a manifest; it appears whole, an older one of that name is replaced.

    Raises:
        InputError: If the folder does not exist or the disk refuses.
    """
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
    with writing(path) as stream:
        for row in (first, *map(_row, findings)):
            stream.write(f"{json.dumps(row, ensure_ascii=False)}\n".encode())


def read_manifest(path: Path) -> Manifest:
    """Read a manifest that somebody may have edited.

    Empty lines and lines that begin with ``#`` are left out; so a finding can be dropped by
    deleting its line, too.

    Raises:
        InputError: If it is no manifest, or a line is wrong; the message names the line.
    """
    rows = _read_rows(path)
    if not rows or rows[0][1].get("format") != _FORMAT:
        raise InputError(f"{path} must begin with a line of format {_FORMAT!r}; it is no manifest")
    header = _header(path, rows[0][1])
    findings = tuple(_finding(row, where=f"{path}:{line}") for line, row in rows[1:])
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


def _read_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path} has more than {_MAX_BYTES:,} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be UTF-8 text: {error}") from error
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}:{number} must be a JSON object: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number} must be a JSON object, got {type(row).__name__}")
        rows.append((number, row))
    return rows


def _header(path: Path, row: dict[str, Any]) -> ManifestHeader:
    kinds: dict[str, type] = {
        "source": str, "kind": str, "settings": dict, "n_images": int, "space": str,
        "rules": dict, "created": str,
    }  # fmt: skip
    for name, kind in kinds.items():
        if not isinstance(row.get(name), kind):
            raise InputError(f"{path}:1 must have {name!r}, of type {kind.__name__}")
    return ManifestHeader(**{name: row[name] for name in kinds})


def _finding(row: dict[str, Any], *, where: str) -> Finding:
    unknown = set(row) - set(_FIELDS)
    missing = {"action", "kind", "images"} - set(row)
    if unknown or missing:
        raise InputError(
            f"{where} must have the fields {', '.join(_FIELDS)}; "
            f"unknown: {', '.join(sorted(unknown)) or 'none'}; "
            f"missing: {', '.join(sorted(missing)) or 'none'}"
        )
    images = row["images"]
    score = row.get("score", 0.0)
    try:
        if isinstance(score, bool) or not isinstance(score, (int, float)):
            raise InputError(f"score must be a number, got {score!r}")
        return Finding(
            kind=row["kind"],
            action=row["action"],
            score=float(score),
            identity=_text(row, "identity"),
            images=None if images == ALL else _texts(row, "images"),
            to=_text(row, "to"),
            evidence=_texts(row, "evidence"),
            reason=_text(row, "reason") or "",
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _text(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not is_plain_text(value):
        raise InputError(f"{name} must be text without control characters, got {value!a}")
    return value


def _texts(row: dict[str, Any], name: str) -> tuple[str, ...]:
    values = row.get(name, [])
    if not isinstance(values, list):
        raise InputError(f"{name} must be a list of names, got {values!a}")
    for value in values:
        if not isinstance(value, str) or not is_plain_text(value):
            raise InputError(f"{name} must be names without control characters, got {value!a}")
    return tuple(values)
