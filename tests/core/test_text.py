import importlib.metadata
import re
import shlex
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vultus.core.text import argument, did_you_mean, install_hint, option_words, rounded_up


def test_nothing_near_means_no_suggestion() -> None:
    assert did_you_mean("xyzzy", ["mean", "std"]) == ""


def test_an_argument_in_the_words_of_who_called() -> None:
    assert argument("fmr", 1e-4) == "fmr=0.0001"
    with option_words():
        assert argument("photos_per_person", 3) == "--photos-per-person 3"
    assert argument("photos_per_person") == "photos_per_person=..."


@given(st.floats(1e-12, 1e6), st.integers(1, 6))
def test_a_number_rounded_up_is_no_smaller_and_near(value: float, digits: int) -> None:
    short = Decimal(rounded_up(value, digits=digits))
    assert 0 <= short - Decimal(repr(value)) <= Decimal(value) * Decimal(10) ** (1 - digits)
    assert float(short) >= value


ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("extra", ["demo", "heif", "openvino", "plot", "search", "train"])
def test_what_to_install_is_what_the_extra_has(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    lines = [
        f'{wanted}; extra == "{name}"'
        for name, all_wanted in EXTRAS.items()
        for wanted in all_wanted
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["numpy>=2.0", *lines])
    run, *words = shlex.split(install_hint(extra))
    assert (run, *words[:2]) == ("run:", "pip", "install")
    assert words[2:] == EXTRAS[extra]


def test_without_metadata_the_checkout_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "requires", nothing)
    assert install_hint("plot").endswith(": pip install '.[plot]'")


def test_nothing_tells_to_install_vultus_from_an_index_that_lacks_it() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py")]
    wrong = re.compile(r"install [^\n]*vultus\[")
    assert [path for path in pages if wrong.search(path.read_text(encoding="utf-8"))] == []
