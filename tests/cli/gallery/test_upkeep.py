"""`vultus gallery backup | restore | check | export | erase | expire`."""

import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
Make = Callable[..., Path]


def names(run: Run, file: Path) -> list[str]:
    return [p["identity"] for p in run("gallery", "list", file, "--json").json["people"]]


def test_a_backup_comes_back_without_who_was_erased(run: Run, make: Make, tmp_path: Path) -> None:
    file, copy = make(), tmp_path / "copy.db"
    done = run("gallery", "backup", file, copy)
    assert (done.code, "up to audit entry 6:" in done.out) == (0, True)
    assert run("gallery", "erase", file, "Ann").code == 0
    here = run("gallery", "restore", copy, file)
    assert (here.code, "exists" in here.err) == (2, True)
    file.unlink()
    back = run("gallery", "restore", copy, file)
    assert "2 people restored" in back.out
    assert "1 erased again" in back.out
    assert names(run, file) == ["Bob", "Cleo"]
    log, place = Path(f"{file}-erased"), tmp_path / "place.db"
    told = run("gallery", "restore", copy, place, "--erased", log, "--json")
    assert (told.json["people"], told.json["erased_again"]) == (2, 1)


def test_erasing_gives_receipts(run: Run, make: Make) -> None:
    file = make()
    done = run("gallery", "erase", file, "Ann", "Bob")
    assert (done.code, done.out.count("pseudonym there:")) == (0, 2)
    assert "Ann: erased " in done.out
    head = run("gallery", "audit", "head", file).out.strip()
    assert f"audit log: {head}" in done.out
    receipt = run("gallery", "erase", file, "Cleo", "--json").json["receipts"][0]
    assert receipt["rows"]["keys"] == 1
    assert receipt["scrubbed"] is True
    assert names(run, file) == []


def test_whose_time_is_over_goes(run: Run, make: Make) -> None:
    file = make()
    looked = run("gallery", "expire", file, "--dry-run")
    assert (looked.out, names(run, file)) == (
        "to be erased: 1 people, 0 other items\n  Bob\n",
        ["Ann", "Bob", "Cleo"],
    )
    early = run("gallery", "expire", file, "--when", "2999-01-01")
    assert (early.code, "must not be to come" in early.err) == (2, True)
    done = run("gallery", "expire", file, "--json").json
    assert (done["people"], done["receipts"][0]["identity"]) == (["Bob"], "Bob")
    assert names(run, file) == ["Ann", "Cleo"]


def test_everything_about_somebody(run: Run, make: Make, tmp_path: Path) -> None:
    file, out = make(), tmp_path / "ann.zip"
    assert "everything about Ann, 6 files" in run("gallery", "export", file, "Ann", out).out
    with zipfile.ZipFile(out) as archive:
        assert "person.json" in archive.namelist()
    again = run("gallery", "export", file, "Ann", out)
    assert (again.code, "exists" in again.err) == (2, True)


def test_damage_is_listed(run: Run, make: Make) -> None:
    file = make()
    sound = run("gallery", "check", file, "--json")
    assert (sound.code, sound.json) == (0, {"people": 3, "problems": []})
    assert "nothing is wrong, 3 people" in run("gallery", "check", file).out
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE faces SET body = zeroblob(length(body)) WHERE id = 2")
        connection.commit()
    broken = run("gallery", "check", file, "--json")
    assert broken.code == 2
    assert len(broken.json["problems"]) == 1
    assert "a sealed face was changed" in broken.err
