"""Zips that are whole, damaged or lie: the content, or one error that names zip and member."""

import os
import zipfile
from pathlib import Path

import pytest
from tests.core.hostile_zips import LISTS, MEMBERS, NAMES, change, write_zip

from vultus.core.errors import InputError
from vultus.core.mapped_file import MappedFile
from vultus.core.zip_file import is_zip, member_chunks, read_member, zip_members

CONTENT = os.urandom(3_000_000) + bytes(2_000_000)


def read(path: Path, name: str, *, max_bytes: int = 1 << 26) -> bytes:
    members, _ = zip_members(path)
    (member,) = [member for member in members if member.name == name]
    return read_member(MappedFile(path), member, max_bytes=max_bytes)


def two(folder: Path, *, deflated: bool = True) -> Path:
    return write_zip(
        folder / "faces.zip", [("anna/1.png", CONTENT), ("bo/1.png", b"")], deflated=deflated
    )


@pytest.mark.parametrize("deflated", [False, True])
def test_members_are_read_in_pieces(tmp_path: Path, deflated: bool) -> None:
    path = two(tmp_path, deflated=deflated)
    assert is_zip(path)
    assert read(path, "anna/1.png") == CONTENT
    assert read(path, "bo/1.png") == b""
    members, folders = zip_members(path)
    assert folders == []
    pieces = list(member_chunks(MappedFile(path), members[0], max_bytes=len(CONTENT)))
    assert max(len(piece) for piece in pieces) <= 1 << 20
    with pytest.raises(InputError, match=r"faces\.zip/anna/1\.png must have at most 9 bytes"):
        read(path, "anna/1.png", max_bytes=9)


def test_a_zip_after_other_bytes_is_read(tmp_path: Path) -> None:
    path = two(tmp_path)
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    assert read(path, "anna/1.png") == CONTENT


@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("lie", MEMBERS)
def test_a_lie_about_a_member_is_one_error_and_the_others_are_read(
    tmp_path: Path, lie: str, deflated: bool
) -> None:
    path = change(two(tmp_path, deflated=deflated), "anna/1.png", MEMBERS[lie])
    with pytest.raises(InputError, match=r"faces\.zip/anna/1\.png"):
        read(path, "anna/1.png")
    assert read(path, "bo/1.png") == b""


@pytest.mark.parametrize("lie", LISTS)
def test_a_list_that_cannot_be_read_is_one_error(tmp_path: Path, lie: str) -> None:
    path = change(two(tmp_path), "bo/1.png", LISTS[lie])
    with pytest.raises(InputError, match=r"faces\.zip"):
        zip_members(path)


@pytest.mark.parametrize("name", [*NAMES, "a.png\0.exe"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    stored = name.replace("\0", "?")
    path = write_zip(tmp_path / "faces.zip", [("anna/1.png", b"1"), (stored, b"2")])
    path.write_bytes(path.read_bytes().replace(stored.encode(), name.encode()))
    with pytest.raises(InputError, match=r"faces\.zip holds a path that leads out of its folder"):
        zip_members(path)


def test_names_with_dots_and_colons_are_names(tmp_path: Path) -> None:
    names = ["..a/1.png", "a../1.png", "a..b.png", "12:30.png", "a b/...png"]
    path = write_zip(tmp_path / "faces.zip", [(name, b"1") for name in names])
    assert [member.name for member in zip_members(path)[0]] == names


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "faces.zip", [("anna/1.png", b"1"), ("anna/2.png", b"2")])
    path.write_bytes(path.read_bytes().replace(b"anna/2", b"anna/1"))
    with pytest.raises(InputError, match=r"faces\.zip holds 'anna/1\.png' twice"):
        zip_members(path)


def test_folders_may_be_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for name in ("empty/", "full/", "full/1.png"):
            archive.writestr(name, b"")
    members, folders = zip_members(tmp_path / "faces.zip")
    assert [member.name for member in members] == ["full/1.png"]
    assert folders == ["empty", "full"]


def test_a_bomb_is_not_set_off(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "faces.zip", [("bomb.png", bytes(1 << 26))])
    lying = change(path, "bomb.png", MEMBERS["smaller"])
    members, _ = zip_members(lying)
    pieces = member_chunks(MappedFile(lying), members[0], max_bytes=1 << 20)
    with pytest.raises(InputError, match=r"bomb\.png is damaged"):
        assert sum(len(piece) for piece in pieces) == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes among the files")
def test_what_is_no_zip(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("PK nothing")
    for name in ("pipe", "text", "missing", "."):
        assert not is_zip(tmp_path / name)
    for name in ("text", "missing"):
        with pytest.raises(InputError, match=name):
            zip_members(tmp_path / name)
