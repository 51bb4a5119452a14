"""List files: what a line may look like, and what is wrong with one."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from vultus.core.errors import ImageError, InputError
from vultus.data import open_dataset
from vultus.data.formats.list_file import ListDataset

MakeFolder = Callable[..., Path]


@pytest.fixture
def root(make_folder: MakeFolder) -> Path:
    return make_folder({"anna": 2, "bo b": 2})


def write_list(folder: Path, text: str, *, name: str = "faces.tsv") -> Path:
    (folder / name).write_bytes(text.encode())
    return folder / name


def test_names_numbers_and_blanks(root: Path) -> None:
    text = "\ufeff# path, who\r\nbo b/01.png\tbo\r\n\r\nanna/00.png\tanna\r\nbo b/00.png\r\n"
    dataset = open_dataset(write_list(root, text))
    assert isinstance(dataset, ListDataset)
    assert dataset.identities == ("anna", "bo")
    assert dataset.labels.tolist() == [1, 0, -1]
    copy = pickle.loads(pickle.dumps(dataset))
    for index, name in enumerate(["bo b/01.png", "anna/00.png", "bo b/00.png"]):
        assert copy.encoded(index) == (root / name).read_bytes()
        assert copy.source(index) == str(root / name)


@pytest.mark.parametrize("blank", ["\t", " ", "  "])
def test_numbers_are_ordered_as_numbers(root: Path, blank: str) -> None:
    rows = [("anna/00.png", 10), ("anna/01.png", 9), ("bo b/00.png", -1), ("bo b/01.png", 10)]
    dataset = ListDataset(write_list(root, "".join(f"{p}{blank}{n}\n" for p, n in rows)))
    assert dataset.identities == ("9", "10")
    assert dataset.labels.tolist() == [1, 0, -1, 1]


def test_the_folder_can_be_another(root: Path, tmp_path: Path) -> None:
    listed = write_list(tmp_path, "anna/00.png\tanna\nanna/gone.png\tanna\n")
    with pytest.raises(InputError, match="set the folder"):
        ListDataset(listed)
    dataset = open_dataset(listed, "list", folder=root)
    assert dataset.encoded(0) == (root / "anna/00.png").read_bytes()
    with pytest.raises(ImageError, match=r"anna/gone\.png cannot be read"):
        dataset.image(1)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "got none"),
        ("# only\n", "got none"),
        ("anna/00.png\tanna\t1\n", r"faces\.tsv:1 must be 'path<tab>identity'"),
        ("anna/00.png\tanna\n\tbo\n", r"faces\.tsv:2 must be"),
        ("anna/00.png\t\n", "must be"),
        ("anna/\0.png\tanna\n", "must be"),
        ("anna/00.png\tanna\nanna/00.png\tbo\n", r"faces\.tsv:2 names anna/00\.png for the sec"),
    ],
)
def test_other_lines_are_refused(root: Path, text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        ListDataset(write_list(root, text))


def test_other_files_are_refused(root: Path) -> None:
    with pytest.raises(InputError, match="UTF-8"):
        ListDataset(root / "anna/00.png")
    with pytest.raises(InputError, match="cannot be read"):
        ListDataset(root / "none.tsv")


@pytest.mark.parametrize(
    "lines",
    [
        [
            "4\t17.000000\ta/00.png",
            "0\t17\ta/01.png",
            "2\t3.0\t0.5\t9\tb/00.png",
            "3\t-1\tb/01.png",
        ],
        ["1\ta/00.png\t17", "0\ta/01.png\t17\t1\t2\t3\t4", "1\tb/00.png\t3", "1\tb/01.png\t-1"],
    ],
    ids=["im2rec", "insightface"],
)
def test_lists_of_other_programs(make_folder: MakeFolder, tmp_path: Path, lines: list[str]) -> None:
    root = make_folder({"a": 2, "b": 2})
    path = tmp_path / "train.lst"
    path.write_text("\n".join(lines) + "\n")
    dataset = open_dataset(path, folder=root)
    assert dataset.identities == ("3", "17")
    assert dataset.labels.tolist() == [1, 1, 0, -1]
    assert list(dataset.names) == ["a/00.png", "a/01.png", "b/00.png", "b/01.png"]
    for line in ("1\ta/00.png", "x\t1\ta/00.png", "1\t0.5\ta/00.png", "2\ta/00.png\t3"):
        path.write_text(line + "\n")
        with pytest.raises(InputError, match="aligned"):
            open_dataset(path, folder=root)
