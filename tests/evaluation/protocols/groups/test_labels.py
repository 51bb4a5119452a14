from pathlib import Path

import pytest

from vultus.core.errors import InputError
from vultus.evaluation.protocols.groups.labels import Grouping, LabelTable, read_labels


@pytest.fixture
def table() -> LabelTable:
    return LabelTable(
        "labels.csv",
        {
            "file": ("a", "b", "c", "d", "e", "f"),
            "age": ("17", "18", "29", "30", "", "64.5"),
            "sex": ("male", "female", "female", "male", "male", ""),
        },
    )


def test_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('\ufefffile, sex\n"a, b.jpg",female \n\nc.jpg,\n', encoding="utf-8")
    table = read_labels(path)
    assert table.column("file") == ("a, b.jpg", "c.jpg")
    assert table.column("sex") == ("female", "")
    with pytest.raises(InputError, match="no column 'sx'; did you mean 'sex'"):
        table.column("sx")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,sex\n", "a line a photo"),
        ("file,file\na,b\n", "each column once"),
        (
            "file,sex\na,female\nb\n",
            "line 3: a line must have as many fields as the first, 2, got 1",
        ),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_labels(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"file\n\xff\xfe\n")
    with pytest.raises(InputError, match="text in UTF-8, line 2 is not"):
        read_labels(path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_labels(tmp_path / "nowhere.csv")


def test_bands_begin_where_they_say(table: LabelTable) -> None:
    cells = Grouping(by=("age",), bands={"age": (18, 30, 50)}).cells(table)
    assert cells.names == ("below 18", "18 to 29", "30 to 49", "50 and over")
    assert cells.places.tolist() == [0, 1, 1, 2, -1, 3]
    assert (cells.filtered, cells.unlabelled) == (0, 1)
    assert cells.axes == (("below 18", "18 to 29", "30 to 49", "50 and over"),)


def test_columns_are_crossed_and_empty_cells_left_out(table: LabelTable) -> None:
    cells = Grouping(by=("sex", "age"), bands={"age": (18,)}).cells(table)
    assert cells.names == ("female, 18 and over", "male, below 18", "male, 18 and over")
    assert cells.places.tolist() == [1, 0, 0, 2, -1, -1]
    assert cells.axes == (("female", "male"), ("below 18", "18 and over"))
    assert cells.unlabelled == 2


@pytest.mark.parametrize(
    ("only", "places"),
    [
        ({"age": ("18..30",)}, [-1, 0, 0, 1, -1, -1]),
        ({"age": ("..18",)}, [1, 0, -1, -1, -1, -1]),
        ({"age": ("18..",), "sex": ("male",)}, [-1, -1, -1, 0, -1, -1]),
        ({"sex": ("female", "male")}, [1, 0, 0, 1, 1, -1]),
    ],
)
def test_a_filter_keeps_what_it_names(
    table: LabelTable, only: dict[str, tuple[str, ...]], places: list[int]
) -> None:
    cells = Grouping(by=("sex",), only=only).cells(table)
    assert cells.places.tolist() == places
    assert cells.filtered + cells.unlabelled == places.count(-1)


def test_names_of_bands() -> None:
    ages = LabelTable("t", {"age": ("0", "1", "2.5", "9")})
    cells = Grouping(by=("age",), bands={"age": (1, 2, 3.5)}).cells(ages)
    assert cells.names == ("below 1", "1 to under 2", "2 to under 3.5", "3.5 and over")
    cells = Grouping(by=("age",), bands={"age": (1, 2, 4)}).cells(ages)
    assert cells.names == ("below 1", "1", "2 to 3", "4 and over")


def test_what_cannot_be_grouped_is_refused(table: LabelTable) -> None:
    with pytest.raises(InputError, match="one column or more, each once"):
        Grouping(by=())
    with pytest.raises(InputError, match="one column or more, each once"):
        Grouping(by=("sex", "sex"))
    with pytest.raises(InputError, match="need it among the columns"):
        Grouping(by=("sex",), bands={"age": (18,)})
    with pytest.raises(InputError, match="numbers that rise"):
        Grouping(by=("age",), bands={"age": (30, 18)})
    with pytest.raises(InputError, match="must hold numbers, got 'male' in entry 2"):
        Grouping(by=("sex",), bands={"sex": (1,)}).cells(table)
    with pytest.raises(InputError, match="no value 'femal'; did you mean 'female'"):
        Grouping(by=("sex",), only={"sex": ("femal",)}).cells(table)
    with pytest.raises(InputError, match=r"LOW\.\.HIGH"):
        Grouping(by=("sex",), only={"age": ("old..",)}).cells(table)
    with pytest.raises(InputError, match="no photo"):
        Grouping(by=("sex",), only={"age": ("100..",)}).cells(table)
    many = LabelTable("t", {"age": tuple(map(str, range(30)))})
    with pytest.raises(InputError, match=r"has 30 values, at most 24 .* cut it into bands"):
        Grouping(by=("age",)).cells(many)
    wide = LabelTable(
        "t", {c: tuple(str(k // d % 12) for k in range(144)) for c, d in (("a", 1), ("b", 12))}
    )
    with pytest.raises(InputError, match="gives 144 groups, at most 100"):
        Grouping(by=("a", "b")).cells(wide)
