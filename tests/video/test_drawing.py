from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from vultus.core.errors import OutputError
from vultus.core.results import Candidate, Identification
from vultus.core.thresholds import Threshold
from vultus.gallery.events.event import Event
from vultus.image.io import read_image
from vultus.video.drawing import DrawnFilm, Snapshots, drawn
from vultus.video.frame import Frame
from vultus.video.shown import Shown


def shown(identity: str | None = "Ada") -> Shown:
    answer = Identification((Candidate("Ada", 0.8),), Threshold(0.5), 0.01, 1)
    box = np.array([20, 20, 60, 70], np.float32)
    return Shown(7, box, np.full((5, 2), 40, np.float32), identity, answer, 0.0, ())


def grey(value: int = 100) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((91, 121, 3), value, np.uint8)


def test_a_box_is_drawn_and_the_frame_stays_as_it_was() -> None:
    image = grey()
    copy = drawn(image, [shown()])
    assert (image == 100).all()
    assert (copy[20:70, 20:60] != 100).any()
    np.testing.assert_array_equal(drawn(image, []), image)


def test_the_film_has_each_frame_at_its_time(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "out.mp4"
    with DrawnFilm(path, frame_s=0.04) as film:
        for number, time_s in enumerate([0.0, 0.04, 0.04, 0.5]):
            film.add(Frame(number, time_s, grey(50 + 30 * number)), [shown()])
    with av.open(str(path)) as file:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
    np.testing.assert_allclose([time for time, _ in frames], [0, 0.04, 0.041, 0.5], atol=1e-3)
    assert frames[0][1].shape == (90, 120, 3)
    np.testing.assert_allclose(
        [im[80:, 100:].mean() for _, im in frames], [50, 80, 110, 140], atol=6
    )
    assert path.stat().st_mode & 0o077 == 0


def test_a_film_that_fails_does_not_appear(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "out.mp4"

    def fail() -> None:
        with DrawnFilm(path, frame_s=0.04) as film:
            film.add(Frame(0, 0.0, grey()), [])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match=r"must end in \.mp4"):
        DrawnFilm(tmp_path / "out.txt", frame_s=0.04)


def test_snapshots_are_of_who_was_named_and_are_called_by_no_name(tmp_path: Path) -> None:
    folder = tmp_path / "snaps"
    snapshots = Snapshots(folder)

    def event(kind: str, track: int) -> Event:
        at = datetime(2026, 3, 1, tzinfo=UTC).isoformat()
        told = {"track": track}
        return Event(position=1, id=f"door/1/{track}/{kind}", type=kind, at=at, written_at=at,
                     source="door", person=None, identity="Ada", data=told)  # fmt: skip

    events = [event("appeared", 7), event("recognised", 7), event("unknown", 8)]
    (path,) = snapshots.keep(Frame(0, 0.0, grey()), [shown()], events)
    assert path.name == "door_1_7_recognised.jpg"
    assert read_image(path).shape == (91, 81, 3)
    assert path.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0
