"""`vultus gallery audit`."""

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
Make = Callable[..., Path]


def test_entries_are_listed_for_people_and_actions(run: Run, make: Make) -> None:
    file = make()
    everything = run("gallery", "audit", "list", file, "--json").json["entries"]
    assert [e["action"] for e in everything] == ["create", *["enroll"] * 3, "note"]
    of_bob = run("gallery", "audit", "list", file, "--person", "Bob", "--json").json["entries"]
    assert [e["action"] for e in of_bob] == ["enroll", "note"]
    receipt = run("gallery", "erase", file, "Bob", "--json").json["receipts"][0]
    gone = ["gallery", "audit", "list", file, "--subject", receipt["subject"]]
    assert [e["action"] for e in run(*gone, "--json").json["entries"]] == [
        *("enroll", "note", "erase"),
    ]
    only = run("gallery", "audit", "list", file, "--action", "note", "--action", "erase", "--json")
    assert [e["action"] for e in only.json["entries"]] == ["note", "erase"]
    last = run("gallery", "audit", "list", file, "--last", "1", "--json").json["entries"]
    assert [e["position"] for e in last] == [6]
    assert len(run("gallery", "audit", "list", file, "--last", 0, "--json").json["entries"]) == 6
    table = run("gallery", "audit", "list", file)
    assert (table.code, "erase" in table.out, "Bob" in table.out) == (0, True, False)
    rows = list(csv.DictReader(io.StringIO(run("gallery", "audit", "list", file, "--csv").out)))
    assert rows[1]["counts"] == "left out: 0; photos: 1"
    assert rows[-1]["subject"] == receipt["subject"]
    both = run("gallery", "audit", "list", file, "--person", "A", "--subject", "b")
    assert (both.code, "not both" in both.err) == (2, True)
    nobody = run("gallery", "audit", "list", file, "--person", "An")
    assert (nobody.code, "did you mean 'Ann'" in nobody.err) == (2, True)


def test_a_changed_log_and_an_older_one_are_found(run: Run, make: Make, tmp_path: Path) -> None:
    file = make()
    old = file.read_bytes()
    assert run("gallery", "audit", "verify", file).out.startswith("5 entries, none of them changed")
    run("gallery", "erase", file, "Ann")
    head = run("gallery", "audit", "head", file).out.strip()
    assert run("gallery", "audit", "head", file, "--json").json == {"head": head}
    sound = run("gallery", "audit", "verify", file, "--expect", head, "--json")
    assert (sound.code, sound.json["sound"], sound.json["entries"]) == (0, True, 6)
    older = tmp_path / "older.db"
    older.write_bytes(old)
    cut = run("gallery", "audit", "verify", older, "--expect", head)
    assert (cut.code, "ends at entry 5, but there was entry 6" in cut.err) == (2, True)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE audit SET at = '2000' WHERE position = 3")
        connection.commit()
    changed = run("gallery", "audit", "verify", file, "--json")
    assert changed.code == 2
    assert changed.json["fault"] == "changed"
    assert "entry 3 was changed (2 entries before are sound)" in changed.err
    wrong = run("gallery", "audit", "verify", file, "--expect", "7")
    assert (wrong.code, "POSITION:DIGEST" in wrong.err) == (2, True)


def test_decisions_are_noted_where_that_is_asked_for(
    run: Run, make: Make, original: Path, tiny_model: Path, photos: Path
) -> None:
    file = make()
    options = ["--model", str(tiny_model), "--threshold", "0.9"]
    assert run("gallery", "identify", file, original, *options).code == 1
    assert run("gallery", "identify", file, original, *options, "--log").code == 1
    logged = run("identify", original, "--gallery", file, *options, "--log", "--actor", "gate")
    assert logged.code == 1
    entries = run("gallery", "audit", "list", file, "--action", "identify", "--json").json[
        "entries"
    ]
    assert [(e["decision"], e["threshold"]) for e in entries] == [("unknown", 0.9)] * 2
    assert entries[1]["actor"] == "gate"
    folder = run("identify", original, "--gallery", photos, *options, "--log")
    assert (folder.code, "--log needs a gallery file" in folder.err) == (2, True)


def test_the_log_is_written_to_a_file(run: Run, make: Make, tmp_path: Path) -> None:
    file, out = make(), tmp_path / "audit.jsonl"
    assert "5 entries" in run("gallery", "audit", "export", file, out).out
    lines = out.read_text().splitlines()
    assert [json.loads(line)["position"] for line in lines] == [1, 2, 3, 4, 5]
    assert run("gallery", "audit", "export", file, out).code == 2
    other = run("gallery", "audit", "export", file, tmp_path / "other.jsonl", "--json")
    assert other.json["entries"] == 5
