"""What every registered protocol keeps to."""

import inspect
from pathlib import Path
from typing import get_type_hints

import pytest

from vultus.core.errors import InputError
from vultus.evaluation.protocols import PROTOCOLS

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "evaluation.md"
OPTIONS = {"root", "pairs", "aligned"}
"""Settings that have an option of `vultus evaluate` of their own."""


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_settings_are_keywords_with_types(name: str) -> None:
    factory = PROTOCOLS.get(name)
    parameters = inspect.signature(factory).parameters
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values())
    assert {"root", "aligned"} <= parameters.keys()
    made_by = factory.__init__ if inspect.isclass(factory) else factory
    types = get_type_hints(made_by)
    assert parameters.keys() <= types.keys()
    assert types["root"] is Path
    assert types["aligned"] is bool
    required = [p.name for p in parameters.values() if p.default is p.empty]
    assert required == ["root"]


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_the_guide_names_it_and_its_settings(name: str) -> None:
    page = GUIDE.read_text(encoding="utf-8")
    assert f"`{name}`" in page
    settings = inspect.signature(PROTOCOLS.get(name)).parameters.keys() - OPTIONS
    assert [setting for setting in sorted(settings) if f"`{setting}=" not in page] == []


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_an_empty_folder_is_refused_in_words(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        PROTOCOLS.create(name, root=tmp_path)
