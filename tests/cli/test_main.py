import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vultus import __version__
from vultus.cli.lazy import CommandWithMore
from vultus.cli.main import commands
from vultus.cli.output import ExitCode
from vultus.core.errors import (
    DownloadError,
    ImageError,
    LicenceError,
    MissingDependencyError,
    ModelNotFoundError,
    ProviderError,
    VultusError,
)

Run = Callable[..., Any]
ROOT = Path(__file__).parents[2]


def test_version(run: Run) -> None:
    outcome = run("--version")
    assert (outcome.code, outcome.out) == (0, f"vultus {__version__}\n")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["detect"], ["verify", "a.jpg"], ["detect", "--nonsense"]]
)
def test_wrong_usage_is_bad_input_not_a_stack_trace(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert outcome.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ImageError("broken [not markup] file"), 2),
        (VultusError("anything else"), 2),
        (ModelNotFoundError("no model"), 3),
        (DownloadError("gave up after 5 tries"), 3),
        (LicenceError("not accepted"), 3),
        (MissingDependencyError("no package"), 3),
        (ProviderError("no provider"), 3),
        (OSError("no space left on device"), 2),
        (MemoryError("array of 9 TiB"), 3),
        (RuntimeError("a fault of [/ours]"), 70),
        (RecursionError("maximum depth"), 70),
        (AssertionError(), 70),
        (SystemExit("a library's own end"), 70),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("vultus.image.io.list_images", fail)
    outcome = run("detect", "x.jpg")
    assert outcome.code == code
    assert str(error) in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert outcome.out == ""


def test_a_folder_that_cannot_be_written_is_named(run: Run, original: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    outcome = run("detect", original, "--draw", tmp_path / "file" / "new")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == (
        f"error: {tmp_path / 'file' / 'new'} must be a folder or a new name, and "
        f"{tmp_path / 'file'} is no folder"
    )


@pytest.mark.parametrize("way", ["first", "last", "variable"])
def test_the_trace_of_a_fault_is_for_who_asks(
    run: Run, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("a fault")

    monkeypatch.setattr("vultus.image.io.list_images", fail)
    plain = run("detect", "x.jpg")
    assert (plain.code, plain.out) == (70, "")
    (line,) = plain.err.splitlines()
    assert line.startswith("error: internal error: KeyError: 'a fault'; run again with --debug ")
    if way == "variable":
        monkeypatch.setenv("VULTUS_DEBUG", "1")
    arguments = {"first": ("--debug", "detect", "x.jpg"), "last": ("detect", "x.jpg", "--debug")}
    traced = run(*arguments.get(way, ("detect", "x.jpg")))
    assert traced.code == 70
    assert "Traceback" in traced.err
    assert traced.err.endswith(plain.err)
    # After `--` it is a name.
    monkeypatch.setenv("VULTUS_DEBUG", "0")
    assert "Traceback" not in run("detect", "--", "--debug").err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["models", "list"], ["models", "list", "--json"]]
)
def test_output_that_nobody_reads_ends_quietly(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "vultus", *arguments]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
    closed = f"exec {shlex.join(command)} >&-"
    assert subprocess.run(closed, shell=True, check=False).returncode == 0


def test_the_exit_codes_are_those_of_the_documentation() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \| \w", page, re.MULTILINE) == [str(int(c)) for c in ExitCode]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = readme.partition("Exit codes: ")[2].partition("\n\n")[0].partition("<!--")[0]
    assert sorted(map(int, re.findall(r"\b\d+\b", named))) == sorted(ExitCode)


def test_ctrl_c_is_exit_code_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vultus.image.io.list_images", interrupt)
    outcome = run("detect", "x.jpg")
    assert (outcome.code, outcome.out) == (130, "")


def leaves(command: Any, path: str) -> dict[str, Any]:
    children = getattr(command, "commands", None)
    if children is None:
        return {path: command}
    return {
        name: leaf
        for child in children
        for name, leaf in leaves(children[child], f"{path} {child}").items()
    }


def test_every_command_has_help_and_all_that_answer_once_have_json() -> None:
    found = leaves(commands, "vultus")
    assert {"vultus detect", "vultus models pull", "vultus gallery enroll"} <= set(found)
    for path, command in found.items():
        assert command.help, path
        options = {flag for parameter in command.params for flag in parameter.opts}
        no_answer = path.startswith("vultus plot ") or path == "vultus serve"
        assert "--json" in options or no_answer, path


def _told(text: str) -> Iterator[tuple[str, list[str]]]:
    """Commands between backticks, with their words; what is filled in later ends them."""
    for told in re.findall(r"`(vultus [^`]+)`", re.sub(r'"\n\s*f?"', "", text)):
        yield told, told.split("{")[0].split()[1:]


def _wrong(words: list[str]) -> str:
    """The first of them that is no command or option of the program; empty if all are."""
    command: Any = commands
    for word in words:
        children = getattr(command, "commands", {})
        own = command.own if isinstance(command, CommandWithMore) else command
        if word in children:
            command = children[word]
        elif word in ("|", ">&-"):  # the shell's
            return ""
        elif word.startswith("--"):
            known = {flag for one in own.params for flag in (*one.opts, *one.secondary_opts)}
            if word.split("=")[0] not in known | {"--help", "--debug"}:
                return word
        elif children and word != "..." and own is command:
            return word
    return ""


def test_commands_that_are_told_are_there() -> None:
    n_told = 0
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.*")]:
        if path.suffix in (".md", ".py", ".json", ".js", ".j2") and path.name != "CHANGELOG.md":
            for told, words in _told(path.read_text()):
                assert not (wrong := _wrong(words)), f"{path}: `{told}`: {wrong}"
                n_told += 1
    assert n_told > 200


HEAVY = ("numpy", "cv2", "PIL", "onnxruntime", "openvino", "onnx", "torch", "scipy", "jinja2")

LIGHT = """
import sys
from vultus.cli.main import main
assert main(sys.argv[1:-1]) == 0
print(sorted(set(sys.argv[-1].split()) & set(sys.modules)))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        *([*path.split()[1:], "--help"] for path in leaves(commands, "vultus")),
    ],
    ids=" ".join,
)
def test_help_waits_for_nothing_heavy(arguments: list[str]) -> None:
    command = [sys.executable, "-c", LIGHT, *arguments, " ".join(HEAVY)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    outcome = run()
    assert (outcome.code, outcome.err) == (0, "")
    assert "Usage: vultus" in outcome.out
    for group in ("data", "gallery", "models", "plot"):
        outcome = run(group)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == f"error: Missing command; see `vultus {group} --help`\n"


def test_the_installed_command_runs() -> None:
    code = "from vultus.cli.main import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "detect" in done.stdout


def test_importing_vultus_is_light() -> None:
    code = (
        "import sys; before = set(sys.modules); import vultus; "
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(ast.literal_eval(done.stdout)) - set(sys.stdlib_module_names) == {"vultus"}


def test_the_lazy_names_are_those_of_all() -> None:
    import vultus

    for name in vultus.__all__:
        assert getattr(vultus, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Recogniser'"):
        vultus.Recogniser  # noqa: B018
    assert dir(vultus) == sorted(vultus.__all__)


def test_select_has_one_default_and_the_guide_names_every_command_with_it() -> None:
    reference = ROOT / "docs" / "reference" / "cli.md"
    guide = reference.parents[1] / "guide" / "detection.md"
    section = guide.read_text(encoding="utf-8").partition("Which face of a photo is meant")[2]
    found = 0
    for part in reference.read_text(encoding="utf-8").split("\n## ")[1:]:
        for line in part.splitlines():
            if line.startswith("| `--select`"):
                found += 1
                assert line.split("|")[2].strip() == "`only`"
                command = part.splitlines()[0].strip("`# ").removeprefix("vultus ")
                assert f"`{command}" in section, command
    assert found >= 7
