"""Every command that the documentation shows can be given: the words are known to the parser."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.docs.blocks import PAGES, blocks

from vultus.cli.main import commands

_SHOWN = re.compile(r"(?<!`)`((?:[A-Z_]+=\S+ )*vultus [^`\n]+)`(?!`)")
_SETTING = re.compile(r"[A-Z_]+=\S*")
_SHELL = [
    (block.name, line)
    for page in PAGES
    for block in blocks(page, "sh")
    for line in block.code.replace("\\\n", " ").splitlines()
    if "vultus" in line.partition("#")[0]
]


def _arguments(line: str) -> list[str]:
    """What stands behind ``vultus``, without the comment and what is not its own."""
    words = shlex.split(line, comments=True)
    while _SETTING.fullmatch(words[0]):
        words.pop(0)
    assert words[0] == "vultus", line
    return words[1:]


def _parse(arguments: list[str]) -> None:
    """Parse a command line and run nothing; raises what the command line would say."""
    with commands.make_context("vultus", arguments) as context:
        _descend(commands, context)


def _descend(command: Any, context: Any) -> None:
    words = [*context._protected_args, *context.args] if hasattr(command, "commands") else []
    if not words:
        return
    name, below, rest = command.resolve_command(context, words)
    with below.make_context(name, rest, parent=context) as deeper:
        _descend(below, deeper)


@pytest.mark.parametrize(
    ("place", "line"), _SHELL, ids=[f"{p}-{n}" for n, (p, _) in enumerate(_SHELL)]
)
def test_a_command_in_a_block_can_be_given(
    place: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _parse(_arguments(line))


def test_a_word_that_is_not_known_is_found_out() -> None:
    for wrong in (
        "vultus verfy a.jpg b.jpg",
        "vultus verify a.jpg b.jpg --fnr 1",
        "vultus verify a",
    ):
        with pytest.raises(Exception, match=r"No such|no such|Missing|missing"):
            _parse(_arguments(wrong))


def test_commands_and_options_in_the_text_are_known() -> None:
    shown = [
        (page.name, code)
        for page in PAGES
        for code in _SHOWN.findall(page.read_text(encoding="utf-8"))
    ]
    assert len(shown) > 50
    assert [(page, code) for page, code in shown if not _known(_arguments(code))] == []
    assert not _known(["verfy"])
    assert not _known(["verify", "--fnr"])


def _known(words: list[str]) -> bool:
    """Whether the words lead to a command that has the options; arguments may be left out."""
    command: Any = commands
    while words and hasattr(command, "commands") and words[0][0] != "-":
        if words[0] not in command.commands and hasattr(command, "own"):
            break
        if words[0] not in command.commands:
            return False
        command = command.commands[words.pop(0)]
    command = getattr(command, "own", command)
    options = {option for parameter in command.params for option in _names(parameter)}
    return {word.partition("=")[0] for word in _options(words)} <= options | {"--help", "--debug"}


def _names(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


def _options(words: list[str]) -> Iterator[str]:
    return (word for word in words if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", word))
