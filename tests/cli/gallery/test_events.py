"""`vultus gallery events` and `keep-events`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery

Run = Callable[..., Any]
Make = Callable[..., Path]


@pytest.fixture
def file(make: Make) -> Path:
    path = make()
    with Gallery.open(path) as gallery:
        ann = gallery.person("Ann").uid
        EventLog(gallery).extend(
            [
                NewEvent(
                    type="recognised",
                    id=f"door/{hour}",
                    at=f"2026-11-30T{hour:02}:00",
                    source="door",
                    person=ann if hour % 2 else None,
                    data={"similarity": 0.123456, "track": hour},
                )
                for hour in range(1, 6)
            ]
            + [NewEvent(type="left", id="6", at="2026-11-30T06:00")]
        )
    return path


def test_events_are_listed(run: Run, file: Path) -> None:
    told = run("gallery", "events", file, "--json").json
    assert [event["position"] for event in told["events"]] == [1, 2, 3, 4, 5, 6]
    assert told["events"][0]["identity"] == "Ann"
    assert told["events"][0]["data"] == {"similarity": 0.123456, "track": 1}
    assert (told["after"], told["more"]) == (6, False)
    assert told["counts"] == {"left": 1, "recognised": 5}

    def positions(*options: object) -> list[int]:
        found = run("gallery", "events", file, *options, "--json").json["events"]
        return [event["position"] for event in found]

    assert positions("--after", 4) == [5, 6]
    assert positions("--type", "left") == [6]
    assert positions("--type", "left", "--type", "recognised", "--after", 4) == [5, 6]
    assert positions("--person", "Ann") == [1, 3, 5]
    assert positions("--since", "2026-11-30T02:00", "--until", "2026-11-30T04:00") == [2, 3]
    page = run("gallery", "events", file, "--limit", 2, "--json").json
    assert (len(page["events"]), page["after"], page["more"]) == (2, 2, True)
    table = run("gallery", "events", file, "--limit", 2)
    assert table.code == 0
    assert "similarity 0.1235" in table.out
    assert "there may be more: --after 2" in table.err


def test_events_are_followed(run: Run, file: Path) -> None:
    done = run("gallery", "events", file, "--follow", "--timeout-s", 0, "--after", 3, "--json")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code, [line["position"] for line in lines]) == (0, [4, 5, 6])
    done = run("gallery", "events", file, "--follow", "--timeout-s", 0, "--after", 5)
    assert done.out.split() == ["6", "2026-11-30T06:00:00.000+00:00", "left", "-", "-"]
    assert run("gallery", "events", file, "--follow", "--timeout-s", 0).out == ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--type", "recogniced"], "did you mean 'recognised'"),
        (["--person", "An"], "did you mean 'Ann'"),
        (["--timeout-s", 1], "goes with --follow"),
        (["--follow", "--since", "2026-11-30"], "give --after"),
        (["--since", "soon"], "since must be a time"),
    ],
)
def test_what_cannot_be_asked_is_said(
    run: Run, file: Path, options: list[object], says: str
) -> None:
    done = run("gallery", "events", file, *options)
    assert (done.code, says in done.err) == (2, True), done.err


def test_old_events_are_deleted_as_the_gallery_says(run: Run, file: Path) -> None:
    assert run("gallery", "keep-events", file, "--json").json == {"days": 90}
    assert "for 5 days" in run("gallery", "keep-events", file, "--days", 5).out
    expired = run("gallery", "expire", file, "--when", "2100-01-01", "--dry-run", "--json").json
    assert expired["events"] == 6
    assert "events" not in run("gallery", "expire", file).out
    assert "for ever" in run("gallery", "keep-events", file, "--forever").out
    expired = run("gallery", "expire", file, "--when", "2100-01-01", "--dry-run", "--json").json
    assert expired["events"] == 0
    both = run("gallery", "keep-events", file, "--days", 5, "--forever")
    assert (both.code, "give one" in both.err) == (2, True)
    assert run("gallery", "keep-events", file, "--days", 0).code == 2
