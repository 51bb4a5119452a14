"""Plain values (tables, lists, text, numbers) out of text: TOML, JSON, words of a command line.

What they may be is for `vultus.core.settings_reader` to say.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from vultus.core.errors import ConfigError, VultusError

_BARE_FLOAT = re.compile(r"[+-]?(\d+\.|\.\d+)")
"""Numbers that people write and TOML does not take."""


def parse_toml(text: str, *, source: str, error: type[VultusError] = ConfigError) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        VultusError: As ``error`` says, if it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as fault:
        raise error(f"{source} must be TOML: {fault}") from fault


def parse_assignment(text: str, *, error: type[VultusError] = ConfigError) -> tuple[str, Any]:
    """``lr=0.1`` as ("lr", 0.1).

    The value is TOML: numbers, true, lists, tables; what is no TOML is taken as text, so text needs
    no quotes. ``none`` is None. See `parse_word`.

    Raises:
        VultusError: As ``error`` says, if there is no ``=`` or no key.

    Example:
        >>> parse_assignment("data.root=/data/faces")
        ('data.root', '/data/faces')
        >>> parse_assignment("stage.0.frozen=['stem.*']")
        ('stage.0.frozen', ['stem.*'])
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not (equals and key):
        raise error(f"a setting must be written key=value, as optimizer.lr=0.1, got {text!r}")
    return key, parse_word(value)


def parse_word(text: str) -> Any:
    """What a word of the command line stands for: a value of TOML, None (``none``), or itself.

    Example:
        >>> parse_word("1e-3"), parse_word(".5"), parse_word("True"), parse_word("none")
        (0.001, 0.5, True, None)
        >>> parse_word("[1, 'b']"), parse_word("/data/faces")
        ([1, 'b'], '/data/faces')
    """
    if text == "none":
        return None
    if _BARE_FLOAT.fullmatch(text):
        return float(text)
    written = text.lower() if text in ("True", "False") else text
    try:
        parsed = tomllib.loads(f"value = {written}")
    except (ValueError, RecursionError):
        return text
    # A line break in the text could smuggle in a second key.
    return parsed["value"] if len(parsed) == 1 else text


def parse_json(text: str, *, source: str, error: type[VultusError] = ConfigError) -> Any:
    """The value of a JSON text; NaN and infinities, which JSON does not have, are refused.

    Raises:
        VultusError: As ``error`` says, if it is no JSON.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as fault:
        raise error(f"{source} must be JSON: {fault}") from fault


def parse_json_lines(
    text: str, *, source: str, error: type[VultusError] = ConfigError
) -> list[tuple[int, Any]]:
    """The values of a text with one of JSON a line, each behind the number of its line.

    Empty lines, and those that begin with ``#``, are left out.

    Raises:
        VultusError: As ``error`` says, if a line is no JSON; the message names it.
    """
    return [
        (number, parse_json(line, source=f"{source}:{number}", error=error))
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.startswith("#")
    ]


def read_text(path: Path, *, error: type[VultusError] = ConfigError) -> str:
    """The text of a file.

    Raises:
        VultusError: As ``error`` says, if it cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin with a mark
    except OSError as fault:
        raise error(f"{path} cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise error(f"{path} must be text in UTF-8: {fault}") from fault


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")
