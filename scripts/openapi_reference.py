"""Write docs/reference/openapi.json and service.md from the service; tests check both."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vultus.core.text import json_text
from vultus.server.app import describe
from vultus.server.codes import CODES
from vultus.server.description import operations_of

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
HEAD = """# Operations of the service

Written by `python scripts/openapi_reference.py`; do not edit by hand. What each takes and gives,
with examples, is in [openapi.json](openapi.json), which the service tells as `/v1/openapi.json`;
how it is used, in [the guide](../guide/service.md).

| operation | role | what it does |
|---|---|---|
"""
ERRORS = """
## Errors

Every error is a problem of RFC 9457 (`application/problem+json`) with one of these as `code`.

| code | status | meaning |
|---|---|---|
"""


def reference() -> str:
    """The description as text."""
    return json_text(describe(), indent=1) + "\n"


def page() -> str:
    """The page as text."""
    operations = operations_of(describe()).items()
    rows = [
        f"| `{method} {path}` | {_role(operation)} | {operation['description'].splitlines()[0]} |"
        for (method, path), operation in operations
    ]
    codes = [f"| `{code}` | {status} | {what} |" for code, (status, what) in CODES.items()]
    return HEAD + "\n".join(rows) + "\n" + ERRORS + "\n".join(codes) + "\n"


def _role(operation: Mapping[str, Any]) -> str:
    return str(operation.get("x-role", "-"))


if __name__ == "__main__":
    (FOLDER / "openapi.json").write_text(reference(), encoding="utf-8")
    (FOLDER / "service.md").write_text(page(), encoding="utf-8")
