import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.video.world import SPACE, enrolled

from vultus.core.errors import InputError, OutputError
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.video.event_lines import EventLines


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "people.db", space=SPACE, outlier_similarity=0.5) as opened:
        enrolled(opened, 1)
        yield opened


def add(gallery: Gallery, *names: str, source: str = "door") -> None:
    uid = gallery.person("person 1").uid
    data = {"track": 1, "start_s": 0.5, "end_s": 1.0, "similarity": 0.7, "threshold": 0.4}
    for name in names:
        event = NewEvent(type="recognised", id=name, source=source, person=uid, data=data)
        EventLog(gallery).append(event)


def follow(path: Path, gallery: Gallery) -> None:
    with EventLines(path, EventLog(gallery), source="door") as lines:
        lines.catch_up()


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_a_line_has_what_the_guide_says(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    add(gallery, "a")
    follow(path, gallery)
    (line,) = path.read_text().splitlines()
    told = json.loads(line)
    expected = ["type", "person", "track", "start_s", "end_s", "similarity", "threshold", "id"]
    assert list(told)[:8] == expected
    assert told["person"] == "person 1"
    assert path.stat().st_mode & 0o077 == 0


def test_each_event_comes_once_however_the_file_was_left(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    add(gallery, "a", "b")
    follow(path, gallery)
    add(gallery, "x", source="other")
    add(gallery, "c")
    half = path.read_text().splitlines()[1][:20]
    for torn in (half, "", "{"):
        with open(path, "a") as file:
            file.write(torn)
        follow(path, gallery)
        assert ids(path) == ["a", "b", "c"]


def test_a_lost_line_is_written_anew(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    add(gallery, "a", "b")
    follow(path, gallery)
    path.write_text(path.read_text()[:-5])
    follow(path, gallery)
    assert ids(path) == ["a", "b"]


def test_what_is_no_file_of_events_is_left_as_it_is(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\nhalf a line")
    with pytest.raises(InputError, match="holds something else"):
        EventLines(path, EventLog(gallery))
    assert path.read_text() == "dear diary\nhalf a line"
    with pytest.raises(OutputError, match="cannot be written"):
        EventLines(tmp_path / "no" / "events.jsonl", EventLog(gallery))


def test_a_full_disk_is_told_by_the_file_s_name(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    add(gallery, "one")
    with EventLines(tmp_path / "e.jsonl", EventLog(gallery)) as lines:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match=r"e\.jsonl cannot be written: No space left"):
            lines.catch_up()
