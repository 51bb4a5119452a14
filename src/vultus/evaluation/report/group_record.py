"""An evaluation of groups as a JSON file."""

from pathlib import Path

from vultus.core.errors import InputError
from vultus.core.files import write_text
from vultus.core.plain_values import parse_json, read_text
from vultus.core.settings_reader import read
from vultus.core.text import json_text
from vultus.evaluation.protocols.figures import to_json
from vultus.evaluation.protocols.groups.figures import FORMAT, GroupFigures


def save_group_record(path: str | Path, figures: GroupFigures) -> None:
    """Write the figures; an existing file is replaced.

    Raises:
        InputError: If the folder does not exist.
    """
    content = {"format": FORMAT, **to_json(figures)}
    write_text(Path(path), json_text(content, indent=1, allow_nan=False) + "\n")


def load_group_record(path: str | Path) -> GroupFigures:
    """Read what `save_group_record` wrote.

    Raises:
        InputError: If the file cannot be read, or is no such file.
    """
    path = Path(path)
    content = parse_json(read_text(path, error=InputError), source=str(path), error=InputError)
    found = content.pop("format", None) if isinstance(content, dict) else None
    if found != FORMAT:
        raise InputError(
            f"{path} must be a result of `vultus evaluate groups ... --output FILE` ({FORMAT}), "
            f"got format {found!r}"
        )
    return read(
        GroupFigures, content, source=f"{path} is damaged", unknown="ignore", error=InputError
    )
