"""Tars of samples, against what `tarfile` wrote into them."""

import io
import json
import pickle
import tarfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.mapped_file import MappedFile
from vultus.data import open_dataset
from vultus.data.formats.convert import convert
from vultus.data.formats.tar_file import tar_members
from vultus.data.formats.webdataset import WebDataset, expand_braces

MakeFolder = Callable[..., Path]
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def write_tar(path: Path, files: Mapping[str, bytes], *, kind: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=kind) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def images(make_folder: MakeFolder) -> list[bytes]:
    root = make_folder({"a": 6})
    return [path.read_bytes() for path in sorted(root.rglob("*.png"))]


def shards(folder: Path, images: list[bytes]) -> Path:
    folder.mkdir()
    labels = ["7", "3", "7", "-1", "10", ""]
    for shard in range(2):
        files: dict[str, bytes] = {}
        for number in range(3 * shard, 3 * shard + 3):
            files[f"{number:04}.png"] = images[number]
            if labels[number]:
                files[f"{number:04}.cls"] = labels[number].encode()
            files[f"{number:04}.json"] = json.dumps({"who": f"p{number % 2}"}).encode()
        write_tar(folder / f"train-{shard:02}.tar", files)
    return folder


def test_folders_patterns_and_single_tars(tmp_path: Path, images: list[bytes]) -> None:
    root = shards(tmp_path / "web", images)
    for source in (root, root / "train-{00..01}.tar"):
        dataset = open_dataset(source)
        assert isinstance(dataset, WebDataset)
        assert dataset.identities == ("3", "7", "10")
        assert dataset.labels.tolist() == [1, 0, 1, -1, 2, -1]
        again = pickle.loads(pickle.dumps(dataset))
        assert [again.encoded(i) for i in (5, 0, 3, 1, 4, 2)] == [
            images[i] for i in (5, 0, 3, 1, 4, 2)
        ]
        assert dataset.source(4) == str(root / "train-01.tar/0004.png")
    assert open_dataset(root / "train-01.tar").labels.tolist() == [-1, 0, -1]
    named = WebDataset(root, label="json.who")
    assert named.labels.tolist() == [0, 1, 0, 1, 0, 1]
    target = tmp_path / "copy.zip"
    assert convert(named, target, kind="zip").images == 6
    assert open_dataset(target).identities == ("p0", "p1")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_kind_of_tar_is_read(tmp_path: Path, images: list[bytes], kind: int) -> None:
    names = ["a/b.png", "d" * 90 + "/" + "x" * 80 + ".png", "caf\u00e9/1.png"]
    if kind != tarfile.USTAR_FORMAT:
        names.append("/".join(["long" * 20] * 5) + ".png")
    path = write_tar(tmp_path / "x.tar", dict(zip(names, images, strict=False)), kind=kind)
    with tarfile.open(path, "a", format=kind) as archive:
        for link in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo("link.png")
            info.type, info.linkname = link, "/etc/passwd"
            archive.addfile(info)
    members = list(tar_members(MappedFile(path)))
    assert [member.name for member in members] == names
    dataset = WebDataset(path)
    assert [dataset.encoded(i) for i in range(len(names))] == images[: len(names)]


def test_what_is_no_sound_tar_is_refused(tmp_path: Path, images: list[bytes]) -> None:
    path = write_tar(tmp_path / "x.tar", {"1.png": images[0], "1.cls": b"1"})
    whole = path.read_bytes()
    packed = tmp_path / "p.tar"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(path, "x")
    for data, match in (
        (packed.read_bytes(), "compressed"),
        (whole[:600], "cut short"),
        (b"text" * 200, "no tar"),
        (whole[:300], "must be a tar"),
        (whole[:150] + b"9" + whole[151:], "no tar"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=match):
            WebDataset(path)


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"../x.png": b"a"}, "leads out"),
        ({"/x.png": b"a"}, "leads out"),
        ({"1.cls": b"1"}, "must hold images"),
        ({"1.png": b"a", "1.jpg": b"b"}, "one image"),
        ({"1.png": b"a", "2.png": b"b", "1.cls": b"1"}, "not together"),
        ({"1.png": b"a", "1.cls": b"\xff"}, "must say cls"),
        ({"1.png": b"a", "1.cls": b" "}, "number or a name"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, files: dict[str, bytes], match: str) -> None:
    with pytest.raises(InputError, match=match):
        WebDataset(write_tar(tmp_path / "x.tar", files))


def test_changed_bytes_give_a_data_set_or_an_input_error(
    tmp_path: Path, images: list[bytes]
) -> None:
    files = {"d" * 120 + "/1.png": images[0], "d" * 120 + "/1.cls": b"1"}
    whole = write_tar(tmp_path / "x.tar", files).read_bytes()
    generator = np.random.default_rng(0)
    path = tmp_path / "y.tar"
    for _ in range(300):
        changed = bytearray(whole)
        for at in generator.integers(0, len(whole), 6):
            changed[at] = generator.integers(0, 256)
        path.write_bytes(changed)
        with suppress(InputError):
            WebDataset(path).encoded(0)


def test_headers_that_claim_much_cost_nothing(tmp_path: Path) -> None:
    info = tarfile.TarInfo("1.png")
    info.size = 1 << 50
    huge = info.tobuf(tarfile.GNU_FORMAT)
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = b"L", 1 << 32
    for header in (huge, long.tobuf(tarfile.GNU_FORMAT)):
        (tmp_path / "x.tar").write_bytes(header + bytes(1024))
        begin = time.process_time()
        with pytest.raises(InputError, match="cut short"):
            WebDataset(tmp_path / "x.tar")
        assert time.process_time() - begin < 1


def test_patterns(tmp_path: Path) -> None:
    assert list(expand_braces("a{1..2}-{08..09}.tar")) == [
        *("a1-08.tar", "a1-09.tar", "a2-08.tar", "a2-09.tar")
    ]
    for pattern in ("{0..999999999}.tar", "{0..9999}{0..9999}.tar"):
        with pytest.raises(InputError, match="more than"):
            list(expand_braces(pattern))
    with pytest.raises(InputError, match=r"no file .*a-0\.tar, one of 3"):
        open_dataset(tmp_path / "a-{0..2}.tar")
    with pytest.raises(InputError, match="found none"):
        WebDataset(tmp_path)
