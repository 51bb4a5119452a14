"""Text of messages: what was meant, how an argument is called, what to install, numbers."""

import json
import re
import shlex
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import ROUND_CEILING, Context
from difflib import get_close_matches
from typing import Any

CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Inside of ``[]`` of a pattern: C0 without tab and newline, DEL, C1, and the marks that turn the
direction of text."""

_NOT_IN_JSON = re.compile(f"[{CONTROLS}\ud800-\udfff]")

_as_options: ContextVar[bool] = ContextVar("_as_options", default=False)


def did_you_mean(name: str, known: Collection[str], *, most: int = 1) -> str:
    """The end of an error message: ``"; did you mean 'x'?"``, or nothing if none is near.

    Args:
        name: What there is not.
        known: What there is.
        most: How many to name.

    Example:
        >>> did_you_mean("embeding_dim", ["embedding_dim", "mean"])
        "; did you mean 'embedding_dim'?"
    """
    near = get_close_matches(name, known, n=most, cutoff=0.5)
    return f"; did you mean {', '.join(map(repr, near))}?" if near else ""


def unknown_name(name: object, known: Collection[str]) -> str:
    """The end of an error message: a name that there is not, the nearest, and all that there are.

    Example:
        >>> unknown_name("lumens", ["kind", "lumen"])
        "'lumens'; did you mean 'lumen'? (there are: kind, lumen)"
    """
    return f"{name!r}{did_you_mean(str(name), known)} (there are: {', '.join(known)})"


@contextmanager
def option_words() -> Iterator[None]:
    """Inside, `argument` speaks as the command line does."""
    token = _as_options.set(True)
    try:
        yield
    finally:
        _as_options.reset(token)


def argument(name: str, value: float | str | None = None) -> str:
    """An argument in the words of whoever called: of Python, or of the command line.

    A message is made of these words where it arises, so that nothing in it has to be found again
    and replaced: a file may be called ``threshold=....jpg``.

    Args:
        name: As Python calls it; the command line must have an option of that name.
        value: What to give; None where that is for the user to say, True for a switch.

    Example:
        >>> argument("threshold"), argument("select", "largest")
        ('threshold=...', 'select="largest"')
        >>> with option_words():
        ...     argument("threshold"), argument("select", "largest")
        ('--threshold', '--select largest')
    """
    if _as_options.get():
        option = f"--{name.replace('_', '-')}"
        return option if value is None or value is True else f"{option} {value}"
    if value is None:
        return f"{name}=..."
    return f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}"


def rounded_up(value: float, *, digits: int = 2) -> str:
    """A number shortened so that it is no smaller: who asks for the rate that is named, gets it.

    Args:
        value: Positive.
        digits: How many significant ones.

    Example:
        >>> rounded_up(0.0811), rounded_up(1e-4), rounded_up(2 / 3, digits=3)
        ('0.082', '0.0001', '0.667')
    """
    # Through repr: 1e-4 is meant, and not the binary fraction a little above it.
    short = Context(prec=digits, rounding=ROUND_CEILING).create_decimal(repr(float(value)))
    return f"{float(short):.{digits}g}"


def install_hint(extra: str) -> str:
    """The end of an error message: how to get what an optional part of Vultus needs.

    The packages are named, because that works for a checkout and for a wheel from anywhere;
    ``vultus[...]`` works only where an index has Vultus.

    Args:
        extra: As ``pyproject.toml`` calls it.

    Example:
        >>> install_hint("heif")
        "run: pip install 'pillow-heif>=0.20'"
    """
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("vultus") or []
    except PackageNotFoundError:  # its source folder is on the path, and nothing is installed
        lines = []
    marked = re.compile(rf"""\bextra *== *['"]{re.escape(extra)}['"]""")
    wanted = [line.split(";")[0].strip() for line in lines if marked.search(line)]
    if not wanted:
        return f"run in the folder of Vultus's source: pip install '.[{extra}]'"
    return f"run: pip install {' '.join(map(shlex.quote, wanted))}"


def json_text(value: Any, *, indent: int | None = None, allow_nan: bool = True) -> str:
    r"""A JSON document that is UTF-8 and safe to look at, whatever names are in it.

    A file's name need not be UTF-8. Python holds each byte that is none as half of a character
    (``os.fsdecode``); here it becomes an escape, as control characters do, which any reader of
    JSON in Python turns back into that half, and ``os.fsencode`` into the byte.

    Args:
        value: Plain values.
        indent: As `json.dumps`.
        allow_nan: As `json.dumps`.

    Example:
        >>> json_text(["caf\udce9.jpg", "a\x1b[2Jb", "ü"])
        '["caf\\udce9.jpg", "a\\u001b[2Jb", "ü"]'
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=allow_nan)
    return _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
