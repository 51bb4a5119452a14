"""Evaluation records as JSON files."""

import dataclasses
from pathlib import Path

from vultus.core.errors import InputError
from vultus.core.files import write_text
from vultus.core.plain_values import parse_json, read_text
from vultus.core.settings_reader import read
from vultus.core.text import json_text
from vultus.evaluation.protocols.figures import to_json
from vultus.evaluation.report.record import EvaluationRecord, StoredCurve

FORMAT = "vultus-evaluation-1"


def save_record(path: str | Path, record: EvaluationRecord) -> None:
    """Write a record, for its owner only: it names photos; an existing file is replaced.

    Raises:
        InputError: If the folder does not exist.
    """
    path = Path(path)
    curves = {name: StoredCurve.of(curve) for name, curve in record.curves.items()}
    content = {"format": FORMAT, **to_json(record), "curves": to_json(curves)}
    text = json_text(content, allow_nan=False)
    write_text(path, text + "\n", private=True)


def load_record(path: str | Path) -> EvaluationRecord:
    """Read what `save_record` wrote, of this version or another.

    Raises:
        InputError: If the file cannot be read, is no such file, or a figure or a curve is missing
            or of another kind; the message says which.
    """
    path = Path(path)
    text = read_text(path, error=InputError)
    content = parse_json(text, source=str(path), error=InputError)
    found = content.pop("format", None) if isinstance(content, dict) else None
    if found != FORMAT:
        raise InputError(
            f"{path} must be a result of `vultus evaluate ... --output FILE` ({FORMAT}), "
            f"got format {found!r}"
        )
    # Figures of a later version are left alone: what this one knows can still be compared.
    record = read(
        EvaluationRecord, content, source=f"{path} is damaged", unknown="ignore", error=InputError
    )
    told = tuple(name for name, value in content["result"].items() if value is None)
    return dataclasses.replace(record, result=dataclasses.replace(record.result, unmeasured=told))
