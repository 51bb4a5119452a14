"""What comes from outside is printed as it is: no markup, no control characters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vultus.cli import output

Run = Callable[..., Any]

HOSTILE = "[bold]a[/x] :smile: \x1b[2J\x07\u202e"
SHOWN = "[bold]a[/x] :smile: \\x1b[2J\\x07\\u202e"


@pytest.mark.parametrize("write", [output.say, output.note, output.fail])
def test_lines_are_literal(
    capsys: pytest.CaptureFixture[str], write: Callable[[str], object]
) -> None:
    write(HOSTILE)
    captured = capsys.readouterr()
    assert (captured.out + captured.err).removeprefix("error: ") == f"{SHOWN}\n"


def test_tables_and_fields_are_literal(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["[red]head[/]"], [[HOSTILE]], title=HOSTILE)
    output.say_fields({"[/]": HOSTILE})
    printed = capsys.readouterr().out
    assert printed.count(SHOWN) == 3
    assert "[red]head[/]" in printed
    assert f"[/]: {SHOWN}\n" in printed


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.fail("no\nlines", output.ExitCode.UNAVAILABLE) == 3
    assert capsys.readouterr().err == "error: no lines\n"


def test_a_hostile_name_of_a_photo_is_shown(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "[bold]x[" / "red] \x1b[31m"
    folder.mkdir(parents=True)
    (folder / "photo.jpg").write_bytes(b"no photo")
    outcome = run("detect", tmp_path / "[bold]x[")
    assert outcome.code == 2
    assert f"skipped {tmp_path}/[bold]x[/red] \\x1b[31m/photo.jpg: " in outcome.err
    assert "\x1b" not in outcome.out + outcome.err
    missing = run("detect", "[bold]missing[/x].jpg")
    assert (missing.code, "[bold]missing[/x].jpg" in missing.err) == (2, True)
