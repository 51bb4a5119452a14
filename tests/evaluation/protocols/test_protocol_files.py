import hashlib
import zipfile
from pathlib import Path

import pytest

from vultus.core.errors import InputError
from vultus.evaluation.protocols.protocol_files import (
    archive,
    check_all_there,
    digests,
    first_file,
    folder_of,
    joint_digest,
    read_lines,
)


def test_folders_come_before_names(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("inner/a.txt", "inner/b.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    places = (tmp_path, tmp_path / "inner")
    assert first_file(places, iter(("a.txt", "b.txt"))) == tmp_path / "b.txt"
    assert first_file(places, ("a.txt",)) == tmp_path / "inner" / "a.txt"
    assert first_file(places, ("inner",)) is None


def test_a_zip_is_told_by_its_digest_and_lies_in_a_folder(tmp_path: Path) -> None:
    zipped = tmp_path / "photos.zip"
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("a.png", b"")
    assert archive(zipped) == [zipped]
    assert archive(tmp_path) == archive(tmp_path / "photos.npz") == []
    assert folder_of(zipped) == folder_of(tmp_path) == tmp_path


def test_files_of_one_name_are_told_by_their_paths(tmp_path: Path) -> None:
    paths = [tmp_path / "a.txt", tmp_path / "inner" / "a.txt"]
    paths[1].parent.mkdir()
    for number, path in enumerate(paths):
        path.write_text(str(number))
    assert digests(paths[:1]) == {"a.txt": hashlib.sha256(b"0").hexdigest()}
    assert list(digests(paths)) == [str(path) for path in paths]
    assert joint_digest(paths) == joint_digest(paths[::-1]) != joint_digest(paths[:1])


def test_what_is_missing_is_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    check_all_there(tmp_path, ["a.png"], what="photos")
    wanted = r"must hold all 3 photos of the list, it lacks 2, e\.g\. b\.png"
    with pytest.raises(InputError, match=wanted):
        check_all_there(tmp_path, ["a.png", "b.png", "c.png"], what="photos of the list")


def test_lines_are_stripped_and_binary_files_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("  a b \n\n c\n")
    assert read_lines(path) == ["a b", "c"]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="readable text file"):
        read_lines(path)
