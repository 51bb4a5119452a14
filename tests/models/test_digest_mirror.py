import hashlib
from pathlib import Path

import pytest

from vultus.models import digest


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_a_file_is_found_by_its_bytes_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "whatever.bin").write_bytes(b"right")
    (tmp_path / "m.onnx").write_bytes(b"wrong")
    found = digest.find_file([tmp_path], sha256(b"right"), name="m.onnx", size_bytes=5)
    assert found == tmp_path / "sub" / "whatever.bin"
    assert digest.find_file([tmp_path], sha256(b"right")) == found
    assert digest.find_file([tmp_path], sha256(b"absent")) is None


def test_mirrors_are_searched_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.onnx").write_bytes(b"right")
    found = digest.find_file([tmp_path / "b", tmp_path / "a"], sha256(b"right"))
    assert found == tmp_path / "b" / "m.onnx"


def test_hidden_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "m.onnx").write_bytes(b"right")
    (tmp_path / ".m.onnx").write_bytes(b"right")
    assert digest.find_file([tmp_path], sha256(b"right")) is None


def test_files_of_another_length_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    known_sha256 = digest.known_sha256

    def spy(path: Path) -> str:
        read.append(path.name)
        return known_sha256(path)

    monkeypatch.setattr(digest, "known_sha256", spy)
    (tmp_path / "long").write_bytes(b"x" * 100)
    (tmp_path / "m.onnx").write_bytes(b"right")
    assert digest.find_file([tmp_path], sha256(b"right"), size_bytes=5) is not None
    assert read == ["m.onnx"]


def test_the_file_of_the_right_name_is_read_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def spy(path: Path) -> str:
        read.append(path.name)
        return "x"

    monkeypatch.setattr(digest, "known_sha256", spy)
    for name in ("a", "m.onnx", "z"):
        (tmp_path / name).write_bytes(b"other")
    assert digest.find_file([tmp_path], "y", name="m.onnx") is None
    assert read == ["m.onnx", "a", "z"]
