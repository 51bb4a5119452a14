"""Write docs/reference/openapi.json from the service itself; a test checks that it is current."""

from pathlib import Path

from vultus.core.text import json_text
from vultus.server.app import describe

FILE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "openapi.json"


def reference() -> str:
    """The description as text."""
    return json_text(describe(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
