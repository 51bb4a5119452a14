"""Files that appear whole or not at all."""

import os
from pathlib import Path

import pytest

from vultus.core.errors import InputError
from vultus.core.files import appearing, sync_folder, write_text


def test_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with appearing(path) as part:
        part.write_bytes(b"1")
        assert not path.exists()
    with pytest.raises(ZeroDivisionError), appearing(path, replace=True) as part:
        part.write_bytes(b"2" * (1 // 0))
    assert path.read_bytes() == b"1"
    with pytest.raises(InputError, match="cannot be written"), appearing(path, replace=True):
        pass  # nothing was made
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "t", "one")
    write_text(tmp_path / "t", "zwölf\n")
    assert (tmp_path / "t").read_bytes() == "zwölf\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_text_that_cannot_be_written_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "t", "old")

    def refuse(descriptor: int) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="no disk"):
        write_text(tmp_path / "t", "new")
    assert (tmp_path / "t").read_text() == "old"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_folder_goes_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: seen.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    )
    sync_folder(tmp_path)
    assert seen == [str(tmp_path.resolve())]
