"""Manifests applied and taken back: byte for byte, and whenever it is stopped."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from vultus.core.errors import InputError
from vultus.curation.apply.apply import apply_in_place, apply_to_copy, read_plan, side_folder, undo
from vultus.curation.apply.journal import read_journal
from vultus.curation.audit.findings import Finding
from vultus.curation.audit.manifest import ManifestHeader, write_manifest
from vultus.data import open_dataset

MakePeople = Callable[..., Path]

FINDINGS = (
    Finding("stranger", "drop", 0, "p00", ("p00/00.png", "p00/03.png")),
    Finding("wrong_label", "move", 0, "p01", ("p01/00.png", "p01/02.png"), "p02"),
    Finding("split", "split", 0, "p02", ("p02/01.png", "p02/02.png"), "p02~2"),
    Finding("merge", "merge", 0, "p03", None, "p01"),
    Finding("stranger", "keep", 0, "p04", ("p04/00.png",)),
)


def snapshot(root: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder: digest and time of change."""
    return {
        path.relative_to(root).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def manifest_of(root: Path, *findings: Finding, settings: dict[str, int] | None = None) -> Path:
    path = root.with_name("manifest.jsonl")
    n_images = len(open_dataset(root))
    header = ManifestHeader(str(root), "folder", settings or {}, n_images, "tiny", {}, "now")
    write_manifest(path, header, findings)
    return path


def identities(root: Path) -> dict[str, int]:
    dataset = open_dataset(root)
    names = dataset.identities
    return {names[k]: int((dataset.labels == k).sum()) for k in range(len(names))}


def test_in_place_every_action_does_what_it_says_and_undo_restores_everything(
    make_people: MakePeople,
) -> None:
    root = make_people(5, 4)
    (root / "p03" / "note.txt").write_text("no image, stays where it is")
    before = snapshot(root)
    manifest = manifest_of(root, *FINDINGS)
    journal = apply_in_place(read_plan(manifest, source=root))
    assert identities(root) == {"p00": 2, "p01": 6, "p02": 4, "p02~2": 2, "p04": 4}
    assert sorted(p.name for p in (root / "p02").iterdir()) == [
        "00.png", "00~2.png", "02~2.png", "03.png",
    ]  # fmt: skip
    assert sorted(p.name for p in (journal.folder / "removed" / "p00").iterdir()) == [
        "00.png", "03.png",
    ]  # fmt: skip
    assert (root / "p03" / "note.txt").exists()
    with pytest.raises(InputError, match="applied already"):
        apply_in_place(read_plan(manifest, source=root))
    result = undo(journal.folder)
    assert (result.files, result.changed) == (10, ())
    assert snapshot(root) == before
    assert not (root / "p02~2").exists()
    assert not journal.folder.exists()


def test_emptied_folders_go_and_come_back(make_people: MakePeople) -> None:
    root = make_people(2, 2)
    manifest = manifest_of(root, Finding("merge", "merge", 0, "p01", None, "p00"))
    journal = apply_in_place(read_plan(manifest, source=root))
    assert not (root / "p01").exists()
    assert identities(root) == {"p00": 4}
    undo(journal.folder)
    assert identities(root) == {"p00": 2, "p01": 2}


@pytest.mark.parametrize("moves", range(11))
def test_stopped_after_any_move_it_goes_on_or_is_taken_back(
    make_people: MakePeople, moves: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = make_people(5, 4)
    before = snapshot(root)
    manifest = manifest_of(root, *FINDINGS)
    whole = root.with_name("whole") / "faces"
    shutil.copytree(root, whole)
    apply_in_place(read_plan(manifest, source=whole))

    rename, calls = os.rename, iter(range(100))

    def stops(source: Path, target: Path) -> None:
        if next(calls) == moves:
            raise KeyboardInterrupt
        rename(source, target)

    for go_on in (True, False):
        monkeypatch.setattr("vultus.curation.apply.journal.os.rename", stops)
        calls = iter(range(100))
        if moves < 10:
            with pytest.raises(KeyboardInterrupt):
                apply_in_place(read_plan(manifest, source=root))
        else:
            apply_in_place(read_plan(manifest, source=root))
        monkeypatch.setattr("vultus.curation.apply.journal.os.rename", rename)
        side = side_folder(root, manifest, None)
        there = {d for d, _ in [*snapshot(root).values(), *snapshot(side / "removed").values()]}
        assert {d for d, _ in before.values()} == there  # nothing is lost
        if go_on and moves < 10:
            apply_in_place(read_plan(manifest, source=root))
        if go_on:
            assert identities(root) == identities(whole)
        undo(side)
        assert snapshot(root) == before
        assert not side.exists()


def test_an_undo_that_is_stopped_is_undone_by_another(
    make_people: MakePeople, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_people(5, 4)
    before = snapshot(root)
    manifest = manifest_of(root, *FINDINGS)
    journal = apply_in_place(read_plan(manifest, source=root))
    rename, calls = os.rename, iter(range(100))

    def stops(source: Path, target: Path) -> None:
        if next(calls) == 4:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr("vultus.curation.apply.journal.os.rename", stops)
    with pytest.raises(KeyboardInterrupt):
        undo(journal.folder)
    monkeypatch.setattr("vultus.curation.apply.journal.os.rename", rename)
    undo(journal.folder)
    assert snapshot(root) == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_in_the_middle_nothing_is_lost(make_people: MakePeople) -> None:
    root = make_people(5, 4)
    before = snapshot(root)
    manifest = manifest_of(root, *FINDINGS)
    code = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        import vultus.curation.apply.journal as journal
        from vultus.curation.apply.apply import apply_in_place, read_plan
        rename, calls = os.rename, iter(range(100))
        def dies(source, target):
            if next(calls) == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target)
        journal.os.rename = dies
        apply_in_place(read_plan(Path(sys.argv[1])))
        """
    )
    done = subprocess.run([sys.executable, "-c", code, str(manifest)], check=False)
    assert done.returncode == -signal.SIGKILL
    side = side_folder(root, manifest, None)
    assert len(snapshot(root)) + len(snapshot(side / "removed")) == len(before)
    other = manifest_of(root, FINDINGS[0])  # another manifest must wait for this one
    with pytest.raises(InputError, match="stopped half-way"):
        apply_in_place(read_plan(other, source=root))
    undo(side)
    assert snapshot(root) == before


def test_a_copy_holds_what_stays_and_the_original_is_not_touched(
    make_people: MakePeople, tmp_path: Path
) -> None:
    root = make_people(5, 4)
    before = snapshot(root)
    manifest = manifest_of(root, *FINDINGS)
    kinds = {"copy": "folder", "copy.zip": "zip", "packed": "recordio", "tars": "webdataset"}
    for name, kind in kinds.items():
        dataset, changes = read_plan(manifest, source=root).work_out()
        done = apply_to_copy(dataset, changes, tmp_path / name, kind=kind)
        assert done.images == 18
        wanted = {"p00": 2, "p01": 6, "p02": 4, "p02~2": 2, "p04": 4}
        assert identities(tmp_path / name) == wanted
        copied = open_dataset(tmp_path / name)
        bytes_of = {hashlib.sha256(copied.encoded(i)).hexdigest() for i in range(len(copied))}
        assert bytes_of <= {digest for digest, _ in before.values()}
    assert snapshot(root) == before


@pytest.mark.parametrize(
    ("finding", "says"),
    [
        (Finding("stranger", "drop", 0, "p00", ("../p00/00.png",)), "no image of"),
        (Finding("stranger", "drop", 0, "p00", ("/etc/passwd",)), "no image of"),
        (Finding("stranger", "drop", 0, "p00", ("p00/./00.png",)), "no image of"),
        (Finding("stranger", "keep", 0, "p00", ("p00/99.png",)), "no image of"),
        (Finding("wrong_label", "move", 0, "p00", ("p00/00.png",), "nobody"), "no identity of"),
        (Finding("wrong_label", "move", 0, "p00", ("p00/00.png",), "../out"), "no identity of"),
        (Finding("split", "split", 0, "p00", ("p00/00.png",), "../out"), "name of a folder"),
        (Finding("split", "split", 0, "p00", ("p00/00.png",), "/out"), "name of a folder"),
        (Finding("split", "split", 0, "p00", ("p00/00.png",), "a/../../b"), "name of a folder"),
        (Finding("split", "split", 0, "p00", ("p00/00.png",), ".hidden"), "name of a folder"),
        (Finding("split", "split", 0, "p00", ("p00/00.png",), "P01"), "already"),
        (Finding("merge", "merge", 0, "p00", None, "p00"), "with itself"),
        (Finding("overlap_person", "drop", 0, "q", None), "no identity of"),
    ],
)
def test_what_is_not_in_the_data_set_is_refused_before_anything_moves(
    make_people: MakePeople, finding: Finding, says: str
) -> None:
    root = make_people(2, 2)
    before = snapshot(root)
    manifest = manifest_of(root, FINDINGS[4].__class__("stranger", "keep", 0, "p00", None), finding)
    with pytest.raises(InputError, match="line 3") as caught:
        apply_in_place(read_plan(manifest, source=root))
    assert says in str(caught.value)
    assert snapshot(root) == before
    assert not side_folder(root, manifest, None).exists()


def test_contradictions_are_named_by_their_lines(make_people: MakePeople) -> None:
    root = make_people(4, 2)
    move = [Finding("wrong_label", "move", 0, "p00", ("p00/00.png",), to) for to in ("p01", "p02")]
    with pytest.raises(InputError, match="lines 2 and 3 contradict"):
        read_plan(manifest_of(root, *move), source=root).work_out()
    circle = [Finding("merge", "merge", 0, a, None, b) for a, b in (("p00", "p01"), ("p01", "p00"))]
    with pytest.raises(InputError, match="circle"):
        read_plan(manifest_of(root, *circle), source=root).work_out()


def test_findings_about_one_image_are_put_together(make_people: MakePeople) -> None:
    root = make_people(4, 3)
    findings = (
        Finding("merge", "merge", 0, "p00", None, "p01"),
        Finding("merge", "merge", 0, "p01", None, "p02"),
        Finding("wrong_label", "move", 0, "p00", ("p00/01.png",), "p03"),
        Finding("wrong_label", "move", 0, "p03", ("p03/00.png",), "p01"),
        Finding("near_duplicate", "drop", 0, "p00", ("p00/02.png",)),
        Finding("wrong_label", "move", 0, "p00", ("p00/02.png",), "p03"),
    )
    changes = read_plan(manifest_of(root, *findings), source=root).work_out()[1]
    goes = {changes.names[i]: to for i, to in changes.moved.items()}
    assert goes == {
        "p00/00.png": "p02",
        "p00/01.png": "p03",
        "p01/00.png": "p02",
        "p01/01.png": "p02",
        "p01/02.png": "p02",
        "p03/00.png": "p02",
    }
    assert [changes.names[i] for i in changes.dropped] == ["p00/02.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_links_are_not_moved_and_not_followed(make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people(2, 2)
    outside = tmp_path / "outside.png"
    outside.write_bytes((root / "p00" / "00.png").read_bytes())
    (root / "p00" / "link.png").symlink_to(outside)
    manifest = manifest_of(root, Finding("stranger", "drop", 0, "p00", ("p00/link.png",)))
    with pytest.raises(InputError, match="is a link"):
        apply_in_place(read_plan(manifest, source=root))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / "new").symlink_to(elsewhere)
    manifest = manifest_of(root, Finding("split", "split", 0, "p00", ("p00/00.png",), "new"))
    with pytest.raises(InputError, match="through a link"):
        apply_in_place(read_plan(manifest, source=root))
    assert not list(elsewhere.iterdir())
    assert not side_folder(root, manifest, None).exists()
    assert (root / "p00" / "00.png").exists()


def test_undo_refuses_what_something_else_moved(make_people: MakePeople) -> None:
    root = make_people(5, 4)
    manifest = manifest_of(root, *FINDINGS)
    journal = apply_in_place(read_plan(manifest, source=root))
    (journal.folder / "removed" / "p00" / "00.png").unlink()
    after = snapshot(root)
    with pytest.raises(InputError, match="neither does"):
        undo(journal.folder)
    assert snapshot(root) == after


def test_undo_says_which_files_were_changed_since(make_people: MakePeople) -> None:
    root = make_people(5, 4)
    manifest = manifest_of(root, *FINDINGS)
    journal = apply_in_place(read_plan(manifest, source=root))
    (root / "p02" / "00~2.png").write_bytes(b"other")
    assert undo(journal.folder).changed == ("p01/00.png",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"p00/00.png"', '"../../x.png"'),
        ('"p00/00.png"', '"/x.png"'),
        ('"p00/00.png"', '"p00/.ssh.png"'),
        ('"p00/00.png"', '"p00/authorized_keys"'),
        ('"p00/00.png"', '"a\\nb.png"'),
        ('"p00/00.png"', "7"),
        ('"moves": "10"', '"moves": "11"'),
        ('"vultus-applied-1"', '"vultus-applied-0"'),
        ("{", "["),
    ],
)
def test_a_journal_that_was_tampered_with_moves_nothing(
    make_people: MakePeople, old: str, new: str
) -> None:
    root = make_people(5, 4)
    manifest = manifest_of(root, *FINDINGS)
    journal = apply_in_place(read_plan(manifest, source=root))
    path = journal.folder / "journal.jsonl"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    after = snapshot(root)
    with pytest.raises(InputError, match=r"journal\.jsonl.* (damaged|no image|must be)"):
        undo(journal.folder)
    assert snapshot(root) == after
    with pytest.raises(InputError, match="must be a folder that"):
        read_journal(root)


def test_only_folders_are_changed_in_place(make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people(2, 2)
    manifest = manifest_of(root, Finding("merge", "merge", 0, "p01", None, "p00"))
    dataset, changes = read_plan(manifest, source=root).work_out()
    apply_to_copy(dataset, changes, tmp_path / "x.zip", kind="zip")
    zipped = manifest_of(tmp_path / "x.zip", Finding("stranger", "drop", 0, "p00", None))
    with pytest.raises(InputError, match="--to"):
        apply_in_place(read_plan(zipped, source=tmp_path / "x.zip"))


def test_new_identities_have_as_many_parts_as_the_depth_says(make_people: MakePeople) -> None:
    root = make_people(2, 2)
    finding = Finding("split", "split", 0, "p00", ("p00/00.png",), "p00/b")
    with pytest.raises(InputError, match="1 parts"):
        read_plan(manifest_of(root, finding, settings={"depth": 1}), source=root).work_out()
