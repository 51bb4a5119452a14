"""`vultus watch`, `gallery enroll-video` and `attendance report` on photos shown as a film."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.image.demo_photos import COLLINS, HOPPER, write_demo_photos
from vultus.image.io import read_image, write_image

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of frames of each of two people, who move a little, and one of nobody."""
    folder = tmp_path_factory.mktemp("films")
    people = write_demo_photos(folder / "photos")
    for name, who in (("hopper", HOPPER), ("collins", COLLINS)):
        photo = read_image(people[who][0])[:400]
        for number in range(12):
            frame = np.roll(photo, 2 * number, axis=1)
            (folder / name).mkdir(exist_ok=True)
            write_image(folder / name / f"{number}.jpg", frame)
    (folder / "nobody").mkdir()
    write_image(folder / "nobody" / "0.jpg", np.full((120, 160, 3), 90, np.uint8))
    return folder


@pytest.fixture
def gallery(films: Path, run: Run, tmp_path: Path) -> Path:
    path = tmp_path / "people.db"
    outcome = run("gallery", "enroll-video", path, "Grace", films / "hopper", "--json")
    assert outcome.code == 0
    assert 1 <= json.loads(outcome.out)["added"] <= 5
    return path


def watch(run: Run, films: Path, gallery: Path, name: str, *more: object) -> Any:
    base = (films / name, "--gallery", gallery, "--fps", "8", "--began-at", "2026-03-02T09:00:00")
    return run("watch", *base, "--calibration", "none", *more)


def test_who_is_enrolled_is_named_and_a_stranger_is_not(
    films: Path, run: Run, gallery: Path, tmp_path: Path
) -> None:
    lines = tmp_path / "events.jsonl"
    outcome = watch(run, films, gallery, "hopper", "--events", lines, "--json")
    assert outcome.code == 0, outcome.err
    told = [json.loads(line) for line in outcome.out.splitlines()]
    assert [(e["type"], e["person"]) for e in told] == [
        ("appeared", None),
        ("recognised", "Grace"),
        ("left", "Grace"),
    ]
    assert told[1]["similarity"] > told[1]["threshold"]
    assert "12 frames" in outcome.err
    stranger = watch(run, films, gallery, "collins", "--events", lines)
    assert "unknown" in stranger.out
    assert "Grace" not in stranger.out
    assert len(lines.read_text().splitlines()) == 6

    again = watch(run, films, gallery, "hopper", "--events", lines)
    assert "--again watches it anew" in again.err
    assert len(lines.read_text().splitlines()) == 6
    anew = watch(run, films, gallery, "hopper", "--events", lines, "--again", "--csv")
    assert anew.out.splitlines()[0].startswith("type,person,track,start_s")
    assert len(anew.out.splitlines()) == 4
    assert len(lines.read_text().splitlines()) == 9

    page = tmp_path / "page.html"
    report = run("attendance", "report", gallery, "--html", page, "--timezone", "UTC", "--json")
    (row,) = report.json["attendance"]
    assert (row["day"], row["person"]) == ("2026-03-02", "Grace")
    assert row["first"] == "2026-03-02T09:00:00+00:00"
    assert "Grace" in page.read_text()
    table = run("attendance", "report", gallery, "--timezone", "UTC", "--csv").out
    assert table.splitlines()[0] == "day,person,first_seen,last_seen,visits,in_view"


def test_what_is_drawn_and_kept_is_there(
    films: Path, run: Run, gallery: Path, tmp_path: Path
) -> None:
    pytest.importorskip("av")
    film, folder = tmp_path / "out.mp4", tmp_path / "snaps"
    outcome = watch(run, films, gallery, "hopper", "--draw", film, "--snapshots", folder)
    assert outcome.code == 0, outcome.err
    assert film.stat().st_size > 1000
    assert len(list(folder.iterdir())) == 1


def test_ctrl_c_in_the_middle_keeps_what_was_drawn(
    films: Path, run: Run, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    av = pytest.importorskip("av", reason="films are written by PyAV (extra `video`)")
    from vultus.video.watcher import Watcher

    step, seen = Watcher._step, []

    def stopped(watcher: Watcher, frame: Any) -> None:
        seen.append(frame)
        if len(seen) == 8:
            raise KeyboardInterrupt
        step(watcher, frame)

    monkeypatch.setattr(Watcher, "_step", stopped)
    lines, drawn = tmp_path / "events.jsonl", tmp_path / "drawn.mp4"
    more = ("--events", lines, "--draw", drawn)
    outcome = watch(run, films, gallery, "hopper", *more)
    assert outcome.code == 130
    assert "7 frames" in outcome.err
    assert "stopped; the same command goes on, nothing twice" in outcome.err
    with av.open(str(drawn)) as film:
        assert sum(1 for _ in film.decode(video=0)) == 7
    monkeypatch.undo()
    assert watch(run, films, gallery, "hopper", *more).code == 0
    told = [json.loads(line)["type"] for line in lines.read_text().splitlines()]
    assert told == ["appeared", "recognised", "left"]


@pytest.mark.parametrize(
    ("source", "more", "why"),
    [
        ("gone.mkv", (), "gone.mkv cannot be read: No such file"),
        ("hopper", ("--draw", "no/such/out.mp4"), "there is no folder no/such"),
        ("hopper", ("--cautious", "--threshold", "0.5"), "two ways to decide"),
        ("hopper", ("--csv", "--json"), "give one"),
        ("hopper", ("--fpir", "1e-9"), "FPIR"),
    ],
)
def test_what_cannot_be_watched_is_one_line(
    films: Path, run: Run, gallery: Path, source: str, more: tuple[str, ...], why: str
) -> None:
    outcome = watch(run, films, gallery, source, *more)
    assert outcome.code == 2
    assert why in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_nobody_is_enrolled_from_a_film_of_nobody(films: Path, run: Run, tmp_path: Path) -> None:
    outcome = run("gallery", "enroll-video", tmp_path / "people.db", "Ada", films / "nobody")
    assert outcome.code == 2
    assert "no face found in nobody" in outcome.err
