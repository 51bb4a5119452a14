import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vultus.core.errors import InputError
from vultus.evaluation.protocols import PROTOCOLS
from vultus.models.digest import sha256_file

PEOPLE = ("Ann_Arbor", "Bob_Brown", "Cid_Campeador", "Dee_Dee")


def _make(root: Path, write_person: Any, *, ending: str = "png") -> Path:
    """Two folds of two genuine and two impostor pairs, exactly in LFW's layout."""
    for number, name in enumerate(PEOPLE):
        write_person(root, name, number, 3, ending=ending)
    lines = ["2\t2"]
    for a, b in ((0, 1), (2, 3)):
        lines += [f"{PEOPLE[a]}\t1\t2", f"{PEOPLE[b]}\t1\t3"]
        lines += [f"{PEOPLE[a]}\t1\t{PEOPLE[b]}\t2", f"{PEOPLE[a]}\t3\t{PEOPLE[b]}\t1"]
    pairs = root / "pairs.txt"
    pairs.write_text("\n".join(lines) + "\n")
    return pairs


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_folder_with_its_list(tmp_path: Path, embed: Any, write_person: Any, ending: str) -> None:
    pairs = _make(tmp_path, write_person, ending=ending)
    result = PROTOCOLS.create("lfw", root=tmp_path).run(embed)
    report = result.to_dict()
    assert report["accuracy"] == 1.0
    assert (report["n_genuine"], report["n_impostor"], report["failures"]) == (4, 4, 0)
    assert report["files_sha256"] == {"pairs.txt": sha256_file(pairs)}
    # All pairs: 4 people x 3 photos.
    assert report["all_pairs"]["n_genuine"] == 12
    assert report["all_pairs"]["n_impostor"] == 54
    assert result.n_photos == len(embed.seen) == 12
    assert embed.aligned == [False]


def test_only_the_named_photos_without_all_pairs(
    tmp_path: Path, embed: Any, write_person: Any
) -> None:
    _make(tmp_path, write_person)
    write_person(tmp_path, "Eve_Extra", 9, 1)
    result = PROTOCOLS.create("lfw", root=tmp_path, all_pairs=False).run(embed)
    assert result.all_pairs is None
    assert result.n_photos == 12


def test_zip_gives_the_same_figures_as_the_folder(
    tmp_path: Path, embed: Any, write_person: Any
) -> None:
    folder = tmp_path / "lfw"
    pairs = _make(folder, write_person)
    archive = tmp_path / "lfw.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in folder.rglob("*.png"):
            packed.write(path, path.relative_to(folder))
        packed.writestr("__MACOSX/Ann_Arbor/._Ann_Arbor_0001.png", b"")
    from_zip = PROTOCOLS.create("lfw", root=archive, pairs=pairs).run(embed).to_dict()
    assert all(isinstance(photo, bytes) for photo in embed.seen)
    from_folder = PROTOCOLS.create("lfw", root=folder).run(embed).to_dict()
    assert set(from_zip.pop("files_sha256")) == {"pairs.txt", "lfw.zip"}
    from_folder.pop("files_sha256")
    assert from_zip == from_folder


def test_a_photo_without_a_face_makes_its_pairs_wrong(
    tmp_path: Path, embed: Any, write_person: Any, blank: Callable[[Path], None]
) -> None:
    _make(tmp_path, write_person)
    # In fold 0: one genuine pair and one impostor pair.
    blank(tmp_path / PEOPLE[0] / f"{PEOPLE[0]}_0001.png")
    result = PROTOCOLS.create("lfw", root=tmp_path).run(embed)
    assert result.failures == 1
    assert result.accuracy is not None
    assert result.accuracy.accuracies == (0.5, 1.0)
    assert result.accuracy.n_failures == 2
    report = result.to_dict()
    assert (report["n_genuine"], report["n_impostor"]) == (4, 3)
    assert report["tar_at_far"] == 0.75
    assert report["all_pairs"]["n_genuine"] == 12


def test_wrong_labels_lower_the_accuracy(tmp_path: Path, embed: Any, write_person: Any) -> None:
    pairs = _make(tmp_path, write_person)
    text = pairs.read_text().replace(f"{PEOPLE[0]}\t1\t2\n", f"{PEOPLE[0]}\t1\t1\n")
    swapped = text.replace(f"{PEOPLE[1]}\t1\t3", f"{PEOPLE[1]}\t1\t3")
    pairs.write_text(swapped)
    write_person(tmp_path, PEOPLE[1], 0, 1)  # photo 1 of Bob now shows Ann
    result = PROTOCOLS.create("lfw", root=tmp_path).run(embed)
    assert result.accuracy is not None
    assert result.accuracy.mean < 1


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda text: text.replace("2\t2\n", "2\t3\n", 1), "2 x 2 x 3 pairs"),
        (lambda text: text.replace("2\t2\n", "hello\n", 1), "begin with the number of folds"),
        (lambda text: text.replace("Ann_Arbor\t1\t2\n", "Ann_Arbor\t1\n"), "pairs.txt:2 must be"),
        (lambda text: text.replace("Ann_Arbor\t1\t2\n", "Ann_Arbor\t1\t9\n"), "no such photo"),
        (lambda text: "", "an empty file"),
    ],
)
def test_a_damaged_list_is_refused_with_its_line(
    tmp_path: Path, embed: Any, write_person: Any, damage: Callable[[str], str], match: str
) -> None:
    pairs = _make(tmp_path, write_person)
    pairs.write_text(damage(pairs.read_text()))
    with pytest.raises(InputError, match=match):
        PROTOCOLS.create("lfw", root=tmp_path).run(embed)


def test_missing_things_are_named(tmp_path: Path, write_person: Any) -> None:
    with pytest.raises(InputError, match="list of pairs must be"):
        PROTOCOLS.create("lfw", root=tmp_path)
    pairs = _make(tmp_path / "lfw", write_person)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="found none"):
        PROTOCOLS.create("lfw", root=empty, pairs=pairs)
    with pytest.raises(InputError, match="folder or a zip"):
        PROTOCOLS.create("lfw", root=pairs, pairs=pairs)


def test_two_copies_of_a_photo_are_refused(tmp_path: Path, embed: Any, write_person: Any) -> None:
    _make(tmp_path / "one", write_person)
    pairs = _make(tmp_path / "two", write_person)
    with pytest.raises(InputError, match="several"):
        PROTOCOLS.create("lfw", root=tmp_path, pairs=pairs).run(embed)


@pytest.mark.parametrize("whole", [True, False], ids=["file", "folder"])
def test_the_packed_pairs(tmp_path: Path, embed: Any, write_bin: Any, whole: bool) -> None:
    path = tmp_path / "lfw.bin"
    write_bin(path, people=4)
    result = PROTOCOLS.create("lfw", root=path if whole else tmp_path).run(embed)
    assert (result.protocol, result.to_dict()["accuracy"]) == ("lfw", 1.0)
    assert result.all_pairs is None
    assert set(result.files_sha256) == {"lfw.bin"}
    assert embed.aligned == [True]
