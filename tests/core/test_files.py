"""Files that appear whole or not at all."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vultus.core.errors import InputError, OutputError
from vultus.core.files import (
    appearing,
    check_folder,
    check_target,
    sync_folder,
    write_bytes,
    write_text,
    writing,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


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


def test_folders_appear_whole_and_are_never_replaced(tmp_path: Path) -> None:
    with appearing(tmp_path / "folder") as part:
        part.mkdir()
        (part / "a").write_text("a")
        assert not (tmp_path / "folder").exists()
    with (
        pytest.raises(OutputError, match="exists; remove it"),
        appearing(tmp_path / "folder", replace=True),
    ):
        raise AssertionError
    assert names(tmp_path / "folder") == ["a"]


def test_a_stream_is_put_in_place_of_the_old_file_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with writing(path) as stream:
        stream.write(b"one")
        assert not path.exists()
    with writing(path) as stream:
        stream.write(b"two")
        stream.flush()
        assert path.read_bytes() == b"one"
    assert path.read_bytes() == b"two"
    with pytest.raises(OutputError, match="exists"), writing(path, replace=False):
        raise AssertionError
    with pytest.raises(ZeroDivisionError), writing(path) as stream:
        stream.write(b"3" * (1 // 0))
    assert path.read_bytes() == b"two"
    assert names(tmp_path) == ["x"]


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "t", "one")
    write_text(tmp_path / "t", "zwölf\n")
    assert (tmp_path / "t").read_bytes() == "zwölf\n".encode()
    assert names(tmp_path) == ["t"]


def test_text_that_cannot_be_written_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "t", "old")

    def refuse(descriptor: int) -> None:
        raise OSError(5, "no disk")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match="t cannot be written: no disk") as caught:
        write_text(tmp_path / "t", "new")
    assert caught.value.errno == 5
    assert (tmp_path / "t").read_text() == "old"
    assert names(tmp_path) == ["t"]


def test_two_writers_at_once_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "x"
    both = threading.Barrier(2)

    def write(letter: bytes) -> None:
        for _ in range(20):
            with writing(path) as stream:
                both.wait()
                for _ in range(50):
                    stream.write(letter * 1000)
                    stream.flush()

    writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in (b"a" * 50_000, b"b" * 50_000)
    assert names(tmp_path) == ["x"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    link, target = tmp_path / "here" / "link", tmp_path / "there" / "file"
    link.symlink_to("../there/file")
    for text in ("made", "replaced"):
        write_text(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert names(tmp_path / "there") == ["file"]
    assert names(tmp_path / "here") == ["link"]


def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OutputError):
        write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "b").is_symlink()


@pytest.mark.skipif(os.name == "nt", reason="Windows has none of them")
@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path, kind: str, linked: bool) -> None:
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(path))
    else:
        path = Path("/dev/null")
    if linked:
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    before = path.stat()
    for write in (write_text, lambda path, text: write_bytes(path, text.encode())):
        with pytest.raises(OutputError, match="pipe, device or socket, which is never replaced"):
            write(path, "text")
    assert path.stat().st_mode == before.st_mode
    assert not list(tmp_path.glob(".*"))


def test_a_path_that_cannot_be_written_is_known_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert check_target(tmp_path / "new") == tmp_path / "new"
    assert check_target(tmp_path / "file") == tmp_path / "file"
    with pytest.raises(OutputError, match="exists"):
        check_target(tmp_path / "file", replace=False)
    with pytest.raises(OutputError, match=r"there is no folder .*missing; make it first"):
        check_target(tmp_path / "missing" / "x")
    with pytest.raises(OutputError, match="exists; remove it"):
        check_target(tmp_path)
    with pytest.raises(OutputError, match="cannot be written"):
        check_target(tmp_path / ("x" * 300))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_modes_are_those_of_the_file_before_or_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "new", "")
        write_text(tmp_path / "private", "", private=True)
        (tmp_path / "open").write_text("")
        (tmp_path / "open").chmod(0o664)
        write_text(tmp_path / "open", "other")
        with writing(tmp_path / "part", private=True):
            (part,) = tmp_path.glob(".*")
            assert mode(part) == 0o600
        (tmp_path / "open-2").write_text("")
        (tmp_path / "open-2").chmod(0o664)
        write_text(tmp_path / "open-2", "", private=True)
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == 0o640
    assert mode(tmp_path / "private") == 0o600
    assert mode(tmp_path / "open") == 0o664
    assert mode(tmp_path / "open-2") == 0o600


def test_names_as_long_as_the_system_takes_can_be_written(tmp_path: Path) -> None:
    name = "ä" * 127  # 254 bytes
    write_text(tmp_path / name, "text")
    assert names(tmp_path) == [name]


_KILLED = """
import sys, pathlib
from vultus.core.files import writing
with writing(pathlib.Path(sys.argv[1])) as stream:
    stream.write(b"half")
    stream.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_a_kill_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        writer.send_signal(signal.SIGKILL)
    assert path.read_bytes() == b"old"
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_folder_goes_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: seen.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    )
    sync_folder(tmp_path)
    assert seen == [str(tmp_path.resolve())]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_file_goes_to_the_disk_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool]] = []

    def sync(descriptor: int) -> None:
        synced = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        seen.append((synced.name[:3], (tmp_path / "x").exists()))

    monkeypatch.setattr(os, "fsync", sync)
    write_text(tmp_path / "x", "text")
    assert seen == [(".x.", False), (tmp_path.name[:3], True)]


def test_the_next_writer_removes_what_a_killed_one_left_an_hour_ago(tmp_path: Path) -> None:
    old, fresh = tmp_path / ".x.0123456789ab.part", tmp_path / ".x.0123456789ac.part"
    folder = tmp_path / ".x.0123456789ad.part"
    others = [tmp_path / ".y.0123456789ab.part", tmp_path / "x.0123456789ab.part"]
    folder.mkdir()
    for path in (old, fresh, folder / "inner", *others):
        path.write_bytes(b"half")
        if path != fresh:
            os.utime(path, (0, time.time() - 7200))
    os.utime(folder, (0, 0))
    write_text(tmp_path / "x", "whole")
    assert names(tmp_path) == sorted(["x", fresh.name, *(path.name for path in others)])


def test_a_folder_that_is_still_written_to_is_not_removed(tmp_path: Path) -> None:
    part = tmp_path / ".x.0123456789ab.part"
    part.mkdir()
    (part / "inner").write_bytes(b"now")
    os.utime(part, (0, 0))
    write_text(tmp_path / "x", "whole")
    assert (part / "inner").exists()


def test_many_writes_read_their_folder_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    scandir = os.scandir

    def told(path: Path) -> object:
        looked.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", told)
    for number in range(5):
        write_text(tmp_path / f"{number}", "")
    assert looked == [tmp_path]


@pytest.mark.skipif(os.name == "nt", reason="no /dev")
def test_a_name_of_an_open_file_is_never_replaced(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    (tmp_path / "link").symlink_to("/dev/stdout")
    with log.open("a") as stream:
        for path in (f"/dev/fd/{stream.fileno()}", f"/proc/self/fd/{stream.fileno()}"):
            with pytest.raises(OutputError, match="never replaced"):
                write_text(Path(path), "x")
    for path in ("/dev/stdout", str(tmp_path / "link")):
        with pytest.raises(OutputError, match="never replaced"):
            check_target(Path(path))
    assert log.read_text() == "before\n"


def test_a_link_that_leads_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OutputError, match="leads to itself"):
        check_target(tmp_path / "a")


def test_a_folder_to_write_into_is_or_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "none")
    for good in (tmp_path, tmp_path / "new" / "er"):
        check_folder(good)
    for bad in (tmp_path / "file", tmp_path / "file" / "in", tmp_path / "nowhere"):
        with pytest.raises(OutputError, match="must be a folder or a new name"):
            check_folder(bad)
    assert names(tmp_path) == ["file", "nowhere"]
