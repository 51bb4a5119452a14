"""`vultus doctor`: what is installed, what runs, what is missing."""

from dataclasses import asdict

from vultus.cli.options import ModelOption
from vultus.cli.output import ExitCode, JsonOption, print_json, print_table
from vultus.core.choices import DEFAULT_EMBEDDER

_COLOURS = {"ok": "green", "missing": "yellow", "failed": "bold red"}


def doctor(model: ModelOption = DEFAULT_EMBEDDER, json: JsonOption = False) -> int:
    """Report versions, providers, models, threads, and run a self test.

    Exit code 0 all is well, 3 something needed is missing or fails.
    """
    from vultus.pipeline.health import check_installation

    checks = check_installation(model)
    if json:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        rows = [(check.what, check.status, check.detail) for check in checks]
        print_table(("check", "status", "detail"), rows, style=lambda cell: _COLOURS.get(cell, ""))
    return ExitCode.OK if all(check.passed for check in checks) else ExitCode.UNAVAILABLE
