import ast
from pathlib import Path

import vultus.server
from vultus.server import problems
from vultus.server.codes import CODES

SOURCE = Path(vultus.server.__path__[0])


def _raised() -> set[tuple[object, object]]:
    """Code and status of every problem that is written out in the source."""
    found: set[tuple[object, object]] = set()
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ProblemError":
                status, code = node.args[:2]
                if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                    found.add((code.value, status.value))
    return found


def test_every_code_is_in_the_table_with_its_status_and_no_other() -> None:
    library = {(code, status) for status, code in problems._CODES.values()}
    http = {(code, status) for status, code in problems._STATUS_CODES.items()}
    told = {(code, status) for code, (status, _) in CODES.items()}
    assert _raised() | library | http == told
