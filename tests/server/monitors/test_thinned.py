from tests.video.world import Script

from vultus.server.monitors.thinned import ThinnedSource


def test_each_third_frame_goes_on_where_it_was() -> None:
    script = Script([], n_frames=20)
    source = ThinnedSource(script, 3)
    assert [frame.number for frame in source.frames()] == [0, 3, 6, 9, 12, 15, 18]
    # A watcher goes on with the frame that it looked at last: it is among them again.
    assert [frame.number for frame in source.frames(after=8)] == [9, 12, 15, 18]
    assert source.frame_s == 3 * script.frame_s
    assert source.fingerprint != script.fingerprint
    source.close()
    assert list(source.frames()) == []
