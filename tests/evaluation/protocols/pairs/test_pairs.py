from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vultus.core.errors import InputError, RegistryError
from vultus.evaluation.protocols import PROTOCOLS


def _people(root: Path, write_person: Any, people: int = 4, photos: int = 3) -> None:
    for number in range(people):
        write_person(root, f"p{number}", number, photos)


def test_own_list_with_folds(tmp_path: Path, embed: Any, write_person: Any) -> None:
    _people(tmp_path, write_person)
    rows = [
        ("p0/p0_0001.png", "p0/p0_0002.png", "1", "0"),
        ("p0/p0_0001.png", "p1/p1_0001.png", "0", "0"),
        ("p2/p2_0001.png", "p2/p2_0002.png", "same", "1"),
        ("p2/p2_0003.png", "p3/p3_0001.png", "different", "1"),
    ]
    (tmp_path / "pairs.tsv").write_text("\n".join("\t".join(row) for row in rows))
    result = PROTOCOLS.create("pairs", root=tmp_path).run(embed)
    report = result.to_dict()
    assert report["accuracy"] == 1.0
    assert report["folds"]["accuracies"] == [1.0, 1.0]
    # Photos that no pair names are not embedded, and none twice.
    assert result.n_photos == len(embed.seen) == 7


def test_own_list_without_folds_is_cut_into_them(
    tmp_path: Path, embed: Any, write_person: Any
) -> None:
    _people(tmp_path, write_person, people=6, photos=2)
    lines = [f"p{k}/p{k}_0001.png p{k}/p{k}_0002.png 1" for k in range(6)]
    lines += [f"p{k}/p{k}_0001.png p{(k + 1) % 6}/p{(k + 1) % 6}_0002.png 0" for k in range(6)]
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(lines))
    result = PROTOCOLS.create("pairs", root=tmp_path, pairs=listed).run(embed)
    assert result.accuracy is not None
    assert len(result.accuracy.accuracies) == 6
    assert result.accuracy.mean == 1.0


def test_a_list_too_short_for_folds_gives_rates_only(
    tmp_path: Path, embed: Any, write_person: Any
) -> None:
    _people(tmp_path, write_person, people=2, photos=2)
    (tmp_path / "pairs.txt").write_text(
        "p0/p0_0001.png p0/p0_0002.png 1\np0/p0_0001.png p1/p1_0001.png 0\n"
    )
    report = PROTOCOLS.create("pairs", root=tmp_path).run(embed).to_dict()
    assert report["accuracy"] is None
    assert report["area_under_curve"] == 1.0
    assert report["tar_at_far"] is None
    assert report["far"] is None


@pytest.mark.parametrize("name", ["cfp-fp", "agedb-30", "calfw", "cplfw", "pairs"])
def test_published_sets_show_their_person_in_the_middle(
    tmp_path: Path, write_bin: Any, name: str
) -> None:
    path = tmp_path / f"{name.replace('-', '_')}.bin"
    write_bin(path, people=4)
    protocol = PROTOCOLS.create(name, root=path)
    assert getattr(protocol, "select", None) == ("only" if name == "pairs" else "central")
    for other in ("lfw", "blufr", "ytf", "megaface"):
        assert getattr(PROTOCOLS.get(other), "select", None) == "central"


@pytest.mark.parametrize("name", ["cfp-fp", "agedb-30", "calfw", "cplfw", "pairs"])
def test_bin_sets(tmp_path: Path, embed: Any, write_bin: Any, name: str) -> None:
    path = tmp_path / f"{name.replace('-', '_')}.bin"
    write_bin(path, people=4)
    root = path if name == "pairs" else tmp_path
    result = PROTOCOLS.create(name, root=root).run(embed)
    assert result.protocol == name
    assert result.to_dict()["accuracy"] == 1.0
    assert set(result.files_sha256) == {path.name}
    assert embed.aligned == [True]


@pytest.mark.parametrize(
    ("name", "listed"), [("calfw", "pairs_CALFW.txt"), ("cplfw", "pairs_CPLFW.txt")]
)
def test_two_line_lists_beside_the_photos(
    tmp_path: Path, embed: Any, write_person: Any, name: str, listed: str
) -> None:
    images = tmp_path / "images"
    _people(tmp_path / "by_person", write_person)
    images.mkdir()
    for photo in (tmp_path / "by_person").rglob("*.png"):
        photo.rename(images / photo.name)
    pairs = [("p0_0001", "p0_0002", 1), ("p1_0001", "p1_0002", 3)]
    pairs += [("p0_0001", "p1_0001", 0), ("p2_0001", "p3_0002", 0)]
    lines = [line for a, b, label in pairs for line in (f"{a}.jpg {label}", f"{b}.jpg {label}")]
    (tmp_path / listed).write_text("\n".join(lines))
    report = PROTOCOLS.create(name, root=images).run(embed).to_dict()
    assert (report["n_genuine"], report["n_impostor"]) == (2, 2)
    assert report["accuracy"] == 1.0


def test_cfp_in_its_own_layout(tmp_path: Path, embed: Any, write_person: Any) -> None:
    protocol = tmp_path / "Protocol"
    numbers: dict[str, list[str]] = {"F": [], "P": []}
    for person in range(1, 5):
        for view, folder in (("F", "frontal"), ("P", "profile")):
            place = tmp_path / "Data" / "Images" / f"{person:03d}" / folder
            write_person(tmp_path / "made", f"{person}{view}", person, 1)
            place.mkdir(parents=True)
            made = tmp_path / "made" / f"{person}{view}" / f"{person}{view}_0001.png"
            made.rename(place / "01.png")
            number = len(numbers[view]) + 1
            numbers[view].append(f"{number} ../Data/Images/{person:03d}/{folder}/01.jpg")
    for fold, (a, b) in enumerate(((1, 2), (3, 4)), start=1):
        split = protocol / "Split" / "FP" / f"{fold:02d}"
        split.mkdir(parents=True)
        (split / "same.txt").write_text(f"{a},{a}\n{b},{b}\n")
        (split / "diff.txt").write_text(f"{a},{b}\n{b},{a}\n")
    for view, lines in numbers.items():
        (protocol / f"Pair_list_{view}.txt").write_text("\n".join(lines))
    result = PROTOCOLS.create("cfp-fp", root=tmp_path).run(embed)
    assert result.accuracy is not None
    assert result.accuracy.accuracies == (1.0, 1.0)
    assert result.n_photos == 8
    assert len(result.files_sha256) == 6
    (protocol / "Split" / "FP" / "01" / "same.txt").write_text("1,99\n")
    with pytest.raises(InputError, match=r"same\.txt:1 must be two known photo numbers"):
        PROTOCOLS.create("cfp-fp", root=tmp_path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a b maybe", "label must be"),
        ("a b 1\na b", r":2 must be 'photo photo label \[fold\]'"),
        ("a b 1 0\na b 1", "for all pairs or for none"),
        ("a 1\nb 0", "both"),
        ("a 1\nb 1\nc 1", "two lines a pair"),
        ("", "empty file"),
    ],
)
def test_damaged_lists_are_refused(
    tmp_path: Path, write_person: Any, text: str, match: str
) -> None:
    _people(tmp_path, write_person, people=1, photos=1)
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(InputError, match=match):
        PROTOCOLS.create("pairs", root=tmp_path)


def test_impostors_that_all_failed_are_an_error(
    tmp_path: Path, embed: Any, write_person: Any, blank: Callable[[Path], None]
) -> None:
    _people(tmp_path, write_person, people=2, photos=2)
    (tmp_path / "pairs.txt").write_text(
        "p0/p0_0001.png p0/p0_0002.png 1\np0/p0_0001.png p1/p1_0001.png 0\n"
    )
    blank(tmp_path / "p1" / "p1_0001.png")
    with pytest.raises(InputError, match="whose faces were found"):
        PROTOCOLS.create("pairs", root=tmp_path).run(embed)


def test_unknown_names_and_settings_are_explained(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="did you mean 'agedb-30'"):
        PROTOCOLS.create("agedb30", root=tmp_path)
    with pytest.raises(InputError, match="list"):
        PROTOCOLS.create("calfw", root=tmp_path, list=tmp_path)
    with pytest.raises(InputError, match=r"must hold cplfw\.bin or pairs_CPLFW\.txt"):
        PROTOCOLS.create("cplfw", root=tmp_path)
