import numpy as np
from tests.video.world import Script, Walk

from vultus.video.following import Follower, follow
from vultus.video.frame import Frame
from vultus.video.looking import LookSettings


def test_each_face_has_its_number_box_and_landmarks() -> None:
    script = Script([Walk(1, 0, 50), Walk(2, 10, 40, (400, 300), (500, 300))], 90)
    numbers: dict[int, set[int]] = {}
    ended: list[int] = []
    for followed in follow(
        script.frames(), script, look=LookSettings(search_s=0), frame_s=script.frame_s
    ):
        ended += [track.number for track in followed.ended]
        for track in followed.seen:
            walks = {w.person: w.centre(followed.frame.number) for w in script.walks}
            centre = (track.box[:2] + track.box[2:]) / 2
            nearest = min(walks, key=lambda person: float(abs(walks[person] - centre).sum()))
            numbers.setdefault(track.number, set()).add(nearest)
            np.testing.assert_allclose(track.landmarks[2] - centre, [0, 2], atol=1e-3)
            assert track.seen_s == followed.frame.time_s
    assert numbers == {1: {1}, 2: {2}}
    assert ended == [2, 1]


def test_it_is_quiet_where_nobody_is_and_goes_on_from_there() -> None:
    script = Script([Walk(1, 0, 20), Walk(2, 80, 99)], 100)
    follower = Follower(script, frame_s=script.frame_s)
    quiet: list[tuple[int, dict[str, object]]] = []
    for frame in script.frames():
        follower.take(frame)
        if follower.is_quiet and not quiet:
            quiet.append((frame.number, follower.to_dict()))
    (number, stand), *_ = quiet
    assert 45 <= number <= 50
    again = Follower(script, frame_s=script.frame_s)
    again.restore(stand)
    rest = list(script.frames(after=number - 1))
    again.pass_over(rest[0])
    last = [again.take(frame) for frame in rest[1:]][-1]
    assert [track.number for track in last.tracks] == [2]


def test_a_cut_ends_all() -> None:
    script = Script([Walk(1, 0, 20)], 20)
    follower = Follower(script, frame_s=script.frame_s)
    for frame in script.frames():
        follower.take(frame)
    noise = np.random.default_rng(0).integers(0, 255, (12, 16, 3)).repeat(40, 0).repeat(40, 1)
    image = noise.astype(np.uint8)
    image[0, 0] = (200, 0, 0)  # a frame in which nobody walks
    followed = follower.take(Frame(20, 0.8, image))
    assert followed.was_cut
    assert [track.number for track in followed.ended] == [1]
    assert followed.tracks == ()
