"""`vultus gallery show | rename | note | merge | merges | undo`, and what enrolment notes."""

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Make = Callable[..., Path]


def names(run: Run, file: Path) -> list[str]:
    return [p["identity"] for p in run("gallery", "list", file, "--json").json["people"]]


def test_what_is_noted_of_a_person_is_shown(run: Run, make: Make) -> None:
    file = make()
    noted = run(
        *("gallery", "note", file, "Ann", "--group", "staff", "--group", "board"),
        *("--external-id", "47", "--metadata", '{"desk": 4}'),
        *("--consent", "entry", "--consent-until", "2030-01-01"),
    )
    assert (noted.code, noted.out) == (0, "noted of Ann\n")
    shown = run("gallery", "show", file, "Ann")
    for text in ("groups: board, staff", "external id: 47", "metadata: desk 4", "purpose entry"):
        assert text in shown.out
    assert "expires at: 2030-01-01T00:00:00+00:00" in shown.out
    told = run("gallery", "show", file, "Ann", "--json").json
    assert (told["groups"], told["photos"][0]["forced"]) == (["board", "staff"], False)
    table = list(csv.DictReader(StringIO(run("gallery", "list", file, "--csv").out)))
    assert [row["groups"] for row in table] == ["board; staff", "", ""]
    assert "board, staff" in run("gallery", "list", file).out
    assert run("gallery", "note", file, "Ann", "--group", "staff", "--json").json["groups"] == [
        "staff"
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "nothing to note"),
        (("--metadata", "{desk"), "--metadata must be JSON"),
        (("--metadata", "[1]"), "must be a JSON object"),
        (("--consent-until", "2030-01-01"), "--consent-until needs --consent"),
        (("--retain-until", "soon"), "must be a time like"),
    ],
)
def test_what_cannot_be_noted_is_refused(
    run: Run, make: Make, arguments: tuple[str, ...], why: str
) -> None:
    refused = run("gallery", "note", make(), "Ann", *arguments)
    assert (refused.code, why in refused.err) == (2, True)


def test_names_change_and_names_that_are_taken_do_not(run: Run, make: Make) -> None:
    file = make()
    assert run("gallery", "rename", file, "Ann", "Anna [b]").out == "Ann is called Anna [b] now\n"
    assert names(run, file) == ["Anna [b]", "Bob", "Cleo"]
    taken = run("gallery", "rename", file, "Bob", "Cleo")
    assert (taken.code, "enrolled already" in taken.err) == (2, True)
    nobody = run("gallery", "show", file, "Clio")
    assert (nobody.code, "Cleo" in nobody.err) == (2, True)


def test_people_become_one_and_part_again(run: Run, make: Make) -> None:
    file = make()
    number = run("gallery", "merge", file, "Bob", "Ann", "--json").json["merge"]
    assert names(run, file) == ["Ann", "Cleo"]
    (made,) = run("gallery", "merges", file, "--json").json["merges"]
    assert (made["number"], made["identity"], made["into"]) == (number, "Bob", "Ann")
    assert "Bob" in run("gallery", "merges", file).out
    assert run("gallery", "undo", file, number).out == "Bob is back\n"
    assert sorted(names(run, file)) == ["Ann", "Bob", "Cleo"]
    again = run("gallery", "undo", file, number)
    assert (again.code, f"no merge item {number}" in again.err) == (2, True)


def test_a_search_among_a_group_leaves_others_out(
    run: Run, photos: Path, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "people.db"
    model = ("--model", tiny_model)
    stranger = photos / "Eileen Collins" / "0-original.jpg"
    for name, photo, group in (("Grace", original, "navy"), ("Eileen", stranger, "nasa")):
        enroll = ("gallery", "enroll", file, photo, "--name", name, "--group", group, *model)
        assert run(*enroll).code == 0
    found = run("gallery", "identify", file, original, *model, "--group", "navy", "--json")
    (face,) = found.json["faces"]
    assert (face["identity"], face["gallery_size"]) == ("Grace", 1)
    other = run("gallery", "identify", file, original, *model, "--group", "nasa", "--json")
    assert [c["identity"] for c in other.json["faces"][0]["candidates"]] == ["Eileen"]
    nobody = run("gallery", "identify", file, original, *model, "--group", "army")
    assert (nobody.code, "group 'army'" in nobody.err) == (2, True)
    folder = run("gallery", "enroll", file, photos, "--group", "navy", *model)
    assert (folder.code, "give --name" in folder.err) == (2, True)


def test_a_gallery_is_made_searched_and_asked_for_one_person(
    run: Run, photos: Path, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    file, model = tmp_path / "people.db", ("--model", tiny_model)
    made = run("gallery", "create", file, *model, "--json")
    assert (made.code, made.json["sealed"]) == (0, False)
    again = run("gallery", "create", file, *model)
    assert (again.code, "exists" in again.err) == (2, True)
    stranger = photos / "Eileen Collins" / "0-original.jpg"
    for name, photo in (("Grace", original), ("Eileen", stranger)):
        assert run("gallery", "enroll", file, photo, "--name", name, *model).code == 0
    found = run("gallery", "search", file, original, *model, "--rank", 2, "--json").json
    names = [candidate["identity"] for candidate in found["faces"][0]["candidates"]]
    assert names == ["Grace", "Eileen"]
    assert "1.0000" in run("gallery", "search", file, original, *model).out
    yes = run("gallery", "verify", file, "Grace", original, *model, "--threshold", 0.999)
    assert (yes.code, yes.out.splitlines()[0]) == (0, "it is Grace")
    no = run("gallery", "verify", file, "Grace", stranger, *model, "--threshold", 0.999, "--json")
    assert (no.code, no.json["same_person"]) == (1, False)
    nobody = run("gallery", "verify", file, "Ann", original, *model)
    assert (nobody.code, "nobody named 'Ann'" in nobody.err) == (2, True)


def test_several_photos_of_one_unknown_person_have_one_answer(
    run: Run, photos: Path, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "people.db"
    model = ("--model", tiny_model, "--no-gate")
    assert run("gallery", "enroll", file, original, "--name", "Grace", *model).code == 0
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(original.read_bytes())
    identify = ("gallery", "identify", file, original, copy, "--one-person", *model)
    found = run(*identify, "--threshold", 0.9, "--log", "--json")
    (answer,) = found.json["faces"]
    assert (answer["identity"], answer["n_photos"], answer["face"]) == ("Grace", 1, None)
    assert "is there twice" in answer["notes"][0]
    assert "Grace" in run(*identify, "--threshold", 0.9).out
    assert ",Grace," in run(*identify, "--threshold", 0.9, "--csv").out
    drawn = run(*identify, "--threshold", 0.9, "--draw", tmp_path / "drawn")
    assert (drawn.code, "leave out --draw" in drawn.err) == (2, True)
