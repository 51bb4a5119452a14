"""`vultus gallery import`."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_a_folder_is_imported_with_a_report_and_a_page(
    run: Run, photos: Path, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    table, file = tmp_path / "staff.csv", tmp_path / "g.db"
    table.write_text(
        f"photo,name\n{original},Grace\n{photos / 'nobody.jpg'},Ann <b>\n", encoding="utf-8"
    )
    report, page = tmp_path / "left_out.json", tmp_path / "left_out.html"
    done = run(
        *("gallery", "import", file, table, "--model", tiny_model),
        *("--report", report, "--page", page),
    )
    assert done.code == 0
    assert "2 people: 1 photos enrolled, 0 enrolled before, 1 left out" in done.out
    assert "no photo was taken: 1 people" in done.out
    assert "nobody.jpg: no face found" in done.err
    told = json.loads(report.read_text(encoding="utf-8"))
    assert (told["added"], told["without_photo"]) == (1, ["Ann <b>"])
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = page.read_text(encoding="utf-8")
    assert "Ann &lt;b&gt;" in text
    assert "Ann <b>" not in text
    again = run("gallery", "import", file, table, "--model", tiny_model, "--json", "--strict")
    assert (again.code, again.json["enrolled_before"]) == (2, 1)
    wrong = run("gallery", "import", file, tmp_path / "none", "--model", tiny_model)
    assert (wrong.code, "a CSV file" in wrong.err) == (2, True)
    early = run("gallery", "import", file, table, "--model", tiny_model, "--report", tmp_path)
    assert early.code == 2
