"""What comes from outside is printed as it is: no markup, no control characters."""

import csv
import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vultus.cli import output
from vultus.core.errors import InputError

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


def test_json_is_safe_to_look_at_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    name = "[bold]\x1b \x9b \u202e \udcff ü"
    output.print_json({name: [name]})
    printed = capsys.readouterr().out
    assert printed.isprintable() is False  # lines and nothing else
    assert all(character == "\n" or character.isprintable() for character in printed)
    assert "ü" in printed
    assert json.loads(printed) == {name: [name]}


def test_a_name_that_is_no_utf8_reaches_no_terminal_raw(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\x9b[31m\xff.jpg"
    Path(os.fsdecode(path)).write_bytes(b"no photo")
    for errors in ("strict", "surrogateescape"):
        environment = {**os.environ, "PYTHONIOENCODING": f"utf-8:{errors}"}
        for flags in ([], ["--json"]):
            command = [sys.executable, "-m", "vultus", "detect", os.fsdecode(path), *flags]
            done = subprocess.run(command, capture_output=True, env=environment, check=False)
            assert done.returncode == 2
            printed = (done.stdout + done.stderr).decode("utf-8")
            assert "\\udc9b[31m\\udcff.jpg" in printed
            assert all(character == "\n" or character.isprintable() for character in printed)


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


@pytest.mark.parametrize(
    ("skipped", "done", "strict", "code"),
    [(0, 3, True, 0), (1, 2, False, 0), (1, 2, True, 2), (3, 0, False, 2), (0, 0, False, 0)],
)
def test_a_photo_left_out_is_told_and_fails_only_who_is_strict(
    capsys: pytest.CaptureFixture[str], skipped: int, done: int, strict: bool, code: int
) -> None:
    left_out = [{"photo": f"{i}.jpg", "error": "no face"} for i in range(skipped)]
    report = output.ReportOptions(strict=strict, json=True)
    assert report.end(left_out, done=done) == code
    assert capsys.readouterr().err == "".join(f"skipped {i}.jpg: no face\n" for i in range(skipped))
    unknown = report.end(left_out, done=done, code=output.ExitCode.NO_MATCH)
    assert unknown == (2 if code == 2 else 1)


def test_what_the_library_logs_is_one_safe_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(*_: object, **__: object) -> list[Path]:
        logging.getLogger("vultus.anything").warning("left out: %s", f"a\n{HOSTILE}")
        raise InputError("no photo")

    monkeypatch.setattr("vultus.image.io.list_images", warn)
    for _ in range(2):
        assert run("detect", "x").err == f"left out: a\\n{SHOWN}\nerror: no photo\n"


def test_names_of_any_bytes_in_files_and_tables(run: Run, original: Path, tmp_path: Path) -> None:
    names = (b"caf\xe9.jpg", b"IMG_1 [edited].jpg", b"new\nline.jpg", b"\x1b[31m.jpg")
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(original.read_bytes())
    table = run("detect", tmp_path).out
    joined = re.sub(r"\s|│|┃", "", table)
    for shown in ("caf\\udce9.jpg", "IMG_1[edited].jpg", "new\\nline.jpg", "\\x1b[31m.jpg"):
        assert shown in joined
    assert run("align", tmp_path, "-o", tmp_path / "crops").code == 0
    index = json.loads((tmp_path / "crops" / "crops.json").read_bytes().decode("utf-8"))
    found = {os.fsencode(Path(crop["photo"]).name) for crop in index["crops"]}
    assert found == set(names)
    for crop in index["crops"]:
        assert (tmp_path / "crops" / crop["crop"]).is_file()


def test_csv_is_rfc_4180_and_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["=1+1", "+1", "-1", "@x", "\t=1", 'a "b", c', "two\nlines", "\x1b[2J", "plain", ""]
    output.print_csv(("a", "b"), [(text, -0.5) for text in texts] + [(None, 3)])
    printed = capsys.readouterr().out
    assert printed.splitlines(keepends=True)[0] == "a,b\r\n"
    _, *rows = csv.reader(io.StringIO(printed, newline=""), strict=True)
    kept = ["'=1+1", "'+1", "'-1", "'@x", "'\t=1", *texts[5:7], "\\x1b[2J", "plain", "", ""]
    assert [row[0] for row in rows] == kept
    assert {row[1] for row in rows} == {"-0.5", "3"}
