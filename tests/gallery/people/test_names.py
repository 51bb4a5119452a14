import pytest

from vultus.core.errors import InputError
from vultus.gallery.people.names import normalise_identity


def test_one_name_has_one_spelling() -> None:
    composed, decomposed = "Jos\u00e9", "Jose\u0301"
    assert normalise_identity(f"  {decomposed}\u00a0") == normalise_identity(composed) == composed
    assert normalise_identity("Ann  Lee") == "Ann  Lee"


@pytest.mark.parametrize("name", ["a", "x" * 200, "\u0645\u06cc\u200c\u0646\u0627", "\U0001f600"])
def test_names_of_all_kinds_are_taken(name: str) -> None:
    assert normalise_identity(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "got 0"),
        (" \t ", "got 0"),
        ("x" * 201, "1 to 200"),
        ("a\nb", "control"),
        ("a\x00b", "control"),
        ("a\u2028b", "control"),
        ("a\udc80b", "control"),
        (7, "got int"),
    ],
)
def test_what_is_no_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        normalise_identity(name)
