"""Text becomes plain values, or one error that says what it is not."""

from pathlib import Path
from typing import Any

import pytest

from vultus.core.errors import ConfigError, InputError
from vultus.core.plain_values import (
    parse_assignment,
    parse_json,
    parse_json_lines,
    parse_toml,
    read_text,
)


def test_texts_that_are_no_toml_or_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^a\.toml must be TOML: "):
        parse_toml(f"a = {'1' * 5000}", source="a.toml")
    with pytest.raises(ConfigError, match=r"^a\.toml must be TOML: .*line 2"):
        parse_toml("a = 1\nb = x", source="a.toml")
    for text in ("{", "[NaN]", "[" * 100_000):
        with pytest.raises(InputError, match=r"^a\.json must be JSON: "):
            parse_json(text, source="a.json", error=InputError)
    lines = '[1]\n\n# no\n{"a": 2}\r\n'
    assert parse_json_lines(lines, source="") == [(1, [1]), (4, {"a": 2})]
    with pytest.raises(ConfigError, match=r"^a\.jsonl:2 must be JSON"):
        parse_json_lines("1\n{", source="a.jsonl")
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        read_text(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xe4")
    with pytest.raises(ConfigError, match=r"latin\.toml must be text in UTF-8"):
        read_text(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=1e-3", 0.001),
        ("a=true", True),
        ("a='x y'", "x y"),
        ("a=x y", "x y"),
        ("a=/data/faces=2", "/data/faces=2"),
        ("a=[1, 'b']", [1, "b"]),
        ("a={b = 1}", {"b": 1}),
        ("a=", ""),
        ("a=none", None),
        ("a=1\nb=2", "1\nb=2"),
    ],
)
def test_an_assignment_is_toml_or_else_text(text: str, value: Any) -> None:
    assert parse_assignment(text) == ("a", value)


@pytest.mark.parametrize("text", ["lr", "=3", " = 3"])
def test_what_assigns_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="must be written key=value"):
        parse_assignment(text)
