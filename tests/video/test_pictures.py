from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.video.world import SPACE, Script, Walk, enrolled

from vultus.gallery.events.event import Event
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.image.io import read_image
from vultus.video.passages.judge import JudgeSettings
from vultus.video.watcher import Watcher, WatchSettings

SETTINGS = WatchSettings(judge=JudgeSettings(threshold=0.6), window_s=2.5)
HERE, THERE = (100.0, 200.0), (400.0, 300.0)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "people.db", space=SPACE, outlier_similarity=0.5) as opened:
        enrolled(opened, 1, 2)
        yield opened


def watched(gallery: Gallery, *walks: Walk, pictures: bool = True) -> list[Event]:
    script = Script(walks, 120)
    settings = replace(SETTINGS, pictures=pictures)
    Watcher(script.recogniser(), gallery, script, settings=settings).run()
    return EventLog(gallery).read(limit=1000)


def place(event: Event) -> tuple[float, float]:
    """Where the middle of a picture was in the frame, as its colours say."""
    assert event.picture is not None
    image = read_image(event.picture)
    middle = image[image.shape[0] // 2, image.shape[1] // 2].astype(float)
    return 4 * middle[1], 4 * middle[2]


def test_none_is_kept_unless_it_is_asked_for(gallery: Gallery) -> None:
    found = watched(gallery, Walk(1, 10, 60, HERE, HERE), pictures=False)
    assert [event.picture for event in found] == [None] * len(found)


def test_who_is_named_and_who_is_unknown_have_the_picture_of_their_own_face(
    gallery: Gallery,
) -> None:
    found = watched(gallery, Walk(1, 10, 60, HERE, HERE), Walk(9, 20, 70, THERE, THERE))
    pictures = {event.type: event for event in found if event.picture is not None}
    assert set(pictures) == {"recognised", "unknown"}
    assert place(pictures["recognised"]) == pytest.approx(HERE, abs=12)
    assert place(pictures["unknown"]) == pytest.approx(THERE, abs=12)
    image = read_image(pictures["recognised"].picture or b"")
    assert 80 <= max(image.shape) <= 192


def test_who_took_the_place_of_another_has_a_picture_of_their_own(gallery: Gallery) -> None:
    # They stand still and are exchanged half way; who comes second is seen at the end, too.
    found = watched(gallery, Walk(1, 5, 105, (100, 200), (500, 200), becomes=9))
    named, unknown = (
        next(event for event in found if event.type == kind) for kind in ("recognised", "unknown")
    )
    assert place(named)[0] < 300 < place(unknown)[0]


def test_who_cannot_be_judged_has_none(gallery: Gallery) -> None:
    found = watched(gallery, Walk(1, 10, 60, poor=True))
    assert "refused" in [event.type for event in found]
    assert not any(event.picture for event in found)


def test_it_goes_with_the_person(gallery: Gallery) -> None:
    watched(gallery, Walk(1, 10, 60, HERE, HERE))
    gallery.remove("person 1")
    assert not any(event.picture for event in EventLog(gallery).read(limit=1000))
