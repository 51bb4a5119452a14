import numpy as np
import pytest
from tests.video.world import Script, Walk, painted

from vultus.video.looking import Looker, LookSettings
from vultus.video.tracking.byte_tracker import ByteTracker

STILL = (200.0, 200.0)


def looked(script: Script, n_frames: int, settings: LookSettings | None = None) -> list[str]:
    """What was done in each frame: searched, followed, nothing."""
    looker, tracker = Looker(script, settings, frame_s=0.04), ByteTracker()
    done = []
    for number in range(n_frames):
        for track in tracker.tracks:
            track.reckoned(0.04 * number)
        look = looker.look(painted(number), 0.04 * number, tracker.tracks)
        if look is None:
            done.append(".")
            continue
        done.append("S" if look.looked_for is None else "f")
        tracker.update(look.faces, 0.04 * number, looked_for=look.looked_for)
    return done


def test_it_searches_now_and_then_and_follows_in_between() -> None:
    script = Script([Walk(1, 0, 99, STILL, STILL)])
    assert "".join(looked(script, 22)) == "S.f.f.f.f.S.f.f.f.f.S."


def test_where_nobody_is_it_only_searches() -> None:
    assert "".join(looked(Script([]), 21)) == "S.........S.........S"


def test_zero_searches_every_frame() -> None:
    assert set(looked(Script([]), 10, LookSettings(search_s=0))) == {"S"}


def test_a_region_s_faces_are_in_the_frame_s_coordinates() -> None:
    script = Script([Walk(1, 0, 99, (300, 260), (340, 260))])
    looker, tracker = Looker(script, LookSettings(follow_s=0), frame_s=0.04), ByteTracker()
    for number in range(8):
        for track in tracker.tracks:
            track.reckoned(0.04 * number)
        look = looker.look(painted(number), 0.04 * number, tracker.tracks)
        assert look is not None
        (truth,) = script.detect(painted(number)).boxes
        np.testing.assert_allclose(look.faces.boxes[0], truth, atol=4)
        tracker.update(look.faces, 0.04 * number, looked_for=look.looked_for)
    assert looker.n_searches == 1
    assert looker.n_regions == 7
    assert len(tracker.tracks) == 1


def test_many_faces_cost_one_search_not_many_regions() -> None:
    walks = [Walk(n, 0, 99, (70 + 120 * n, 200), (70 + 120 * n, 200)) for n in range(5)]
    assert set(looked(Script(walks), 20)) == {"S", "."}


def test_faces_side_by_side_are_seen_once_each() -> None:
    walks = [Walk(n, 0, 99, (200 + 70 * n, 200), (200 + 70 * n, 200)) for n in range(2)]
    script = Script(walks)
    looker, tracker = Looker(script, LookSettings(follow_s=0), frame_s=0.04), ByteTracker()
    for number in range(9):
        for track in tracker.tracks:
            track.reckoned(0.04 * number)
        look = looker.look(painted(number), 0.04 * number, tracker.tracks)
        assert look is not None
        assert len(look.faces) == 2
        tracker.update(look.faces, 0.04 * number, looked_for=look.looked_for)


def test_a_face_at_the_edge_has_a_region_too() -> None:
    script = Script([Walk(1, 0, 99, (5, 5), (5, 5))])
    assert "f" in looked(script, 12)
    with pytest.raises(ValueError, match="region"):
        LookSettings(region=1)
