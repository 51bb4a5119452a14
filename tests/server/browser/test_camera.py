"""A real person in a real clip before the browser's camera, named as the camera sees them."""

import os
from pathlib import Path

import pytest
from tests.server.browser.chromium import running_chromium
from tests.server.browser.test_screens import _open
from tests.server.conftest import jpeg, running

from vultus.gallery.events.log import EventLog
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings
from vultus.video.enrolment import enroll_video
from vultus.video.sources.opening import open_source

pytestmark = pytest.mark.browser


@pytest.mark.models
@pytest.mark.timeout(300)
def test_a_real_person_is_named_by_the_camera(tmp_path: Path) -> None:
    """Enrolled from one clip, before the camera in another; a stranger's clip names nobody."""
    folder = os.environ.get("VULTUS_VIDEO_CLIPS", "")
    if not folder:
        pytest.skip("needs the sample clips: set VULTUS_VIDEO_CLIPS to their folder")
    clips = Path(folder)
    context = open_context(ServerSettings(gallery=(tmp_path / "people.db",)), Recognizer())
    gallery = context.galleries.get("people", actor="test")
    enroll_video(context.recognizer, gallery, "Person A", open_source(clips / "asl_again.mkv"))
    with running(context) as address:
        for clip, label in (("asl_brother.mkv", "Person A"), ("asl_book.mkv", "Unknown")):
            film, profile = tmp_path / f"{clip}.mjpeg", tmp_path / clip
            frames = (jpeg(frame.image) for frame in open_source(clips / clip).frames())
            film.write_bytes(b"".join(frames))
            profile.mkdir()
            with running_chromium(profile, camera=film) as browser:
                page = browser.open(address)
                page.fill("#key", context.keys.add(Role.reader)[1])
                page.click("Log in")
                page.sees("This gallery")
                _open(page, "Identify")
                page.click("Live from the camera")
                box = "document.querySelector('.camera .box')?.textContent"
                page.wait(f"{box} === {label!r}", seconds=90)
                page.click("Stop the camera")
                page.wait("!document.querySelector('video')")
                assert page.complaints == []
        events = [event.type for event in EventLog(gallery).read(limit=1000)]
        assert events.count("recognised") == 1
        assert "unknown" in events
