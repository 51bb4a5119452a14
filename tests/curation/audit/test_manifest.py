"""Manifests: written, read back, and refused where a hand or a stranger spoilt them."""

import json
from pathlib import Path
from typing import Any

import pytest

from vultus.core.errors import InputError
from vultus.curation.audit.findings import Finding, count_findings
from vultus.curation.audit.manifest import ManifestHeader, read_manifest, write_manifest

HEADER = ManifestHeader("/data/faces", "folder", {"depth": 1}, 12, "tiny", {"ratio": 0.8}, "now")
FINDINGS = (
    Finding("near_duplicate", "drop", 0.99, "anna", ("anna/1.png",), None, ("anna/2.png",), "so"),
    Finding("merge", "merge", 0.7, "bo", None, "anna", ("bo/1.png", "anna/1.png")),
    Finding("wrong_label", "move", 0.4, "bo", ("bo/ä \u2028 '\".png",), "anna"),
    Finding("non_face", "keep", 3.0, None, ("x.png",)),
)


def row(**changes: Any) -> dict[str, Any]:
    return {"action": "drop", "kind": "stranger", "images": ["a/1.png"], "identity": "a"} | changes


def write_rows(path: Path, *rows: Any) -> Path:
    write_manifest(path, HEADER, ())
    with path.open("a", encoding="utf-8") as stream:
        for item in rows:
            stream.write((item if isinstance(item, str) else json.dumps(item)) + "\n")
    return path


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, HEADER, FINDINGS)
    read = read_manifest(path)
    assert read.header == HEADER
    assert read.findings == FINDINGS
    assert read.lines == (2, 3, 4, 5)
    assert path.read_text(encoding="utf-8").count("\n") == 5
    assert count_findings(FINDINGS) == {
        "non_face": 1, "near_duplicate": 1, "wrong_label": 1, "merge": 1,
    }  # fmt: skip


def test_a_hand_may_change_actions_leave_lines_out_and_comment(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "m.jsonl", "", "# looked at", row(action="keep"), row(action="move", to="b")
    )
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))  # an editor of Windows
    read = read_manifest(path)
    assert [finding.action for finding in read.findings] == ["keep", "move"]
    assert read.lines == (4, 5)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "must be JSON"),
        ("[1]", "must be a table, got [1]"),
        ("[" * 100_000, "must be JSON"),
        (row(action="delete"), "action must be one of"),
        (row(action=["drop"]), "action must be one of"),
        (row(kind="ugly"), "kind must be one of"),
        (row(action="move"), "needs 'to'"),
        (row(action="merge", to="b"), "takes all images"),
        (row(action="split", to="b", images="all"), "use merge"),
        (row(images=[]), "at least one"),
        (row(images="a/1.png"), "must be a list"),
        (row(images=["a/\t1.png"]), "control characters"),
        (row(images=["a/1.png\nb/2.png"]), "control characters"),
        (row(images=["a/\udcff.png"]), "control characters"),
        (row(images=["a\0.png"]), "control characters"),
        (row(to="x\ry"), "control characters"),
        (row(identity=None, images="all"), "no identity"),
        (row(score="high"), "score must be a number"),
        (row(reasn="x"), "has no 'reasn'; did you mean 'reason'? (there are: action, evidence"),
        ({"action": "drop"}, "kind is missing"),
        (row(images=None), "images must be a list, got None"),
    ],
)
def test_a_bad_line_is_one_error_that_names_it(tmp_path: Path, line: Any, says: str) -> None:
    path = write_rows(tmp_path / "m.jsonl", row(), line)
    with pytest.raises(InputError, match=r"m\.jsonl:3") as caught:
        read_manifest(path)
    assert says in str(caught.value)
    assert all(line.startswith(f"{path}:3") for line in str(caught.value).split("\n"))


@pytest.mark.parametrize("content", [b"", b'{"format": "other"}\n', b"\xff\xfe", b"1\n", b"null\n"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(InputError):
        read_manifest(tmp_path / "m")
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path / "none")


def test_a_header_must_say_which_data_set(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write_manifest(path, HEADER, ())
    first = json.loads(path.read_text(encoding="utf-8"))
    del first["source"]
    path.write_text(json.dumps(first), encoding="utf-8")
    with pytest.raises(InputError, match=r"m\.jsonl:1: source is missing"):
        read_manifest(path)
