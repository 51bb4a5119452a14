from pathlib import Path
from typing import Literal

import pytest

from vultus.core.errors import InputError
from vultus.evaluation.protocols import PROTOCOLS
from vultus.pipeline.measuring.settings import parse_settings


class Made:
    def __init__(
        self,
        *,
        root: Path,
        way: Literal["mean", "norm"] = "mean",
        most: int | None = None,
        sizes: tuple[int, ...] | None = (1,),
        share: float = 0.5,
        listed: Path | None = None,
        everything: bool = True,
        name: str = "",
    ) -> None:
        self.root = root


def make(*, root: Path, most: int = 3) -> Made:
    return Made(root=root, most=most)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("way=norm", {"way": "norm"}),
        ("most=12", {"most": 12}),
        ("most=1e6", {"most": 1_000_000}),
        ("most=none", {"most": None}),
        ("sizes=10,100, 1e3", {"sizes": (10, 100, 1000)}),
        ("share=1e-3", {"share": 0.001}),
        ("listed=a=b.txt", {"listed": Path("a=b.txt")}),
        ("everything=False", {"everything": False}),
        ("name=x", {"name": "x"}),
    ],
)
def test_values_take_the_type_of_their_setting(word: str, expected: dict[str, object]) -> None:
    assert parse_settings(Made, [word]) == expected


def test_functions_and_several_words() -> None:
    assert parse_settings(make, ["most=4"]) == {"most": 4}
    assert parse_settings(Made, ["most=4", "name=y"]) == {"most": 4, "name": "y"}
    assert parse_settings(make, []) == {}


@pytest.mark.parametrize(
    ("word", "match"),
    [
        ("most", "must be NAME=VALUE, got 'most'"),
        ("root=x", "no setting 'root'"),
        ("least=1", r"no setting 'least'.* \(there are: way, most"),
        ("mots=1", r"no setting 'mots'; did you mean 'most'"),
        ("way=median", "one of mean, norm, got 'median'"),
        ("most=1.5", r"--set most must be an integer, got 1\.5"),
        ("share=much", "a number, got 'much'"),
        ("everything=yes", "true or false"),
        ("everything=1", "true or false"),
        ("sizes=1,x", r"--set sizes: 1 must be an integer, got 'x'"),
    ],
)
def test_mistakes_are_named(word: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        parse_settings(Made, [word])


def test_settings_of_every_protocol_can_be_read() -> None:
    for name in PROTOCOLS:
        with pytest.raises(InputError, match="no setting 'nothing'"):
            parse_settings(PROTOCOLS.get(name), ["nothing=1"])
