from pathlib import Path

import pytest

from vultus.core.csv_file import CsvTable, read_csv, read_csv_file
from vultus.core.errors import InputError

TABLE = CsvTable(("name", "groups"), (("José", "a;b"), ("Ada", "")), (2, 3))


@pytest.mark.parametrize(
    "text",
    [
        "name,groups\nJosé,a;b\nAda,\n",
        'name;groups\r\nJosé;"a;b"\r\nAda;\r\n',
        "name\tgroups\nJosé\ta;b\nAda\t",
        ' name , groups\n"José",  a;b \nAda,""\n',
    ],
)
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_spreadsheets_write_is_one_table(text: str, coding: str) -> None:
    assert read_csv(text.encode(coding), "t") == TABLE


def test_lines_are_those_of_the_file_and_empty_ones_are_none() -> None:
    table = read_csv(b'a,b\n\n"one\ntwo",3\n , \n;4,5\n,6\n', "t")
    assert table.rows == (("one\ntwo", "3"), (";4", "5"), ("", "6"))
    assert table.lines == (4, 6, 7)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_nothing_is_a_table_without_columns(content: bytes) -> None:
    assert read_csv(content, "t") == CsvTable((), (), ())
    assert read_csv(content, "t").shown_columns == "none"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a,b\nJos\xe9,1\n", "t must be text in UTF-8, line 2 is not"),
        (b"\xff\xfea", "t must be text in UTF-8"),
        (b"a,b\n1\n", "line 2: a line must have as many fields as the first, 2, got 1"),
        (b"a;b\n1;2\n1;2;3\n", "line 3: a line must have as many fields as the first, 2, got 3"),
        (b"a, a\n1,2\n", "each column once, 'a' is there twice"),
        (b'a,b\n"1,2\n', "cannot be read as CSV: unexpected end of data"),
        (b'"a,b\n', "cannot be read as CSV"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(content: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_csv(content, "t")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_csv_file(tmp_path / "no.csv")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_csv_file(tmp_path)
