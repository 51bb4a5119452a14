"""Monitors and attendance on the page: made, started, looked at, stopped."""

import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import httpx
import pytest
from tests.server.browser.conftest import LogIn
from tests.server.browser.test_reading import DESK, PHONE, _findings
from tests.server.browser.test_screens import _enrol, _open
from tests.server.conftest import running
from tests.server.monitors.cameras import http_camera
from tests.server.monitors.conftest import portrait

from vultus.core.faces import Image
from vultus.embedding.embedder import Embedder
from vultus.matching.calibration import Calibration
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings
from vultus.video.enrolment import enroll_video
from vultus.video.sources.live import Patience
from vultus.video.sources.opening import open_source

pytestmark = pytest.mark.browser

MONITORS = "/v1/galleries/people/monitors"


@pytest.fixture
def context(
    tmp_path: Path, tiny_embedder: Embedder, tiny_calibration: Calibration
) -> Iterator[Context]:
    pytest.importorskip("av", reason="streams are read by PyAV (extra `video`)")
    recognizer = Recognizer(embedder=tiny_embedder, righting=(), gate=None)
    recognizer.use_calibration(tiny_calibration)
    made = open_context(
        ServerSettings(
            gallery=(tmp_path / "people.db",),
            requests_per_minute=6000,
            monitor_networks=(IPv4Network("127.0.0.0/8"),),
        ),
        recognizer,
    )
    monitors = made.background.monitors
    patience = Patience(first_s=0.1, longest_s=0.5, timeout_s=3)
    monitors.means = replace(monitors.means, patience=patience)
    yield made
    made.galleries.close()


def test_a_monitor_is_made_started_seen_lost_stopped_and_deleted(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path], hopper: Image
) -> None:
    _enrol(admin, "Grace Hopper", photos["hopper"])
    page = log_in(Role.admin)
    _open(page, "Live")
    page.sees("No monitor yet")
    page.click("New monitor")
    with http_camera(portrait(hopper)) as camera:
        page.fill("#monitor-name", "Front door")
        page.fill("#monitor-address", "http://10.0.0.1/door")
        page.fill("#monitor-fpir", "0.05")
        page.click("Make the monitor")
        page.sees("monitor_networks")  # which the operator must set
        address = f"http://u:s3cret@127.0.0.1:{camera.server_port}/p4th"
        page.fill("#monitor-address", address)
        page.click("Make the monitor")
        page.sees("The monitor Front door is made")
        page.wait("document.querySelector('.monitor')")
        page.sees("Not watched")
        page.click("Change", within=".monitor")
        page.wait("document.querySelector('.monitor input[id$=every]')")
        page.fill(".monitor input[id$=every]", "2")
        page.click("Keep a picture of each face", within=".monitor")
        page.click("Save the change", within=".monitor")
        page.sees("The monitor Front door is changed")
        page.wait("document.querySelector('.monitor')")
        monitor = admin.get(MONITORS).json()["monitors"][0]
        assert (monitor["every"], monitor["snapshots"], monitor["fpir"]) == (2, True, 0.05)
        # Somebody else changes it while the fields are open: nothing is overwritten.
        page.click("Change", within=".monitor")
        page.wait("document.querySelector('.monitor input[id$=every]')")
        admin.patch(f"{MONITORS}/{monitor['id']}", json={"every": 1, "fpir": 0.05})
        page.click("Save the change", within=".monitor")
        page.sees("it was changed since")
        page.click("Cancel", within=".monitor")
        assert admin.get(MONITORS).json()["monitors"][0]["every"] == 1
        page.click("Start", within=".monitor")
        page.wait("document.querySelector('.monitor .box.known')", seconds=60)
        page.wait("document.querySelector('.monitor img').naturalWidth === 208")
        here = "document.querySelector('.here').textContent"
        page.wait(f"{here}.includes('Grace Hopper') && {here}.includes('similarity')")
        page.sees("frames a second")
        page.sees("names 1 stranger of 20 at most")
        page.wait("document.querySelector('.snapshots .cut').naturalWidth > 50", seconds=60)
        page.wait("document.querySelector('.snapshots').textContent.includes('Grace Hopper')")
        assert "s3cret" not in page.text()
        assert "p4th" not in page.text()
        first = page.run("document.querySelector('.monitor img').src")
        page.wait(f"document.querySelector('.monitor img').src !== '{first}'")
        camera.broken = True
        page.wait("document.querySelector('.tag.reconnecting')", seconds=30)
        page.sees("the next try is at")
        why = "document.querySelector('.monitor .notice').textContent"
        page.wait(f"['It refuses to answer', 'The video broke off'].some((w) => {why}.includes(w))")
        camera.broken = False
        page.wait("document.querySelector('.tag.running')", seconds=30)
        _open(page, "Attendance")
        page.sees("Grace Hopper")
        page.sees("here now")
        _open(page, "Live")
        page.wait("document.querySelector('.tag.running')", seconds=30)
        page.click("Stop", within=".monitor")
        page.wait("document.querySelector('.tag.stopped')", seconds=30)
        page.wait("!document.querySelector('.monitor .box')")
    page.click("Delete", within=".monitor")
    page.click("Delete", within="dialog")
    page.sees("The monitor Front door is deleted")
    page.sees("No monitor yet")


def test_a_reader_sees_how_monitors_are_and_no_picture(
    log_in: LogIn, admin: httpx.Client, hopper: Image
) -> None:
    with http_camera(portrait(hopper)) as camera:
        wanted = {"name": "door", "address": f"http://127.0.0.1:{camera.server_port}/"}
        monitor = admin.post(MONITORS, json=wanted | {"fpir": 0.05}).json()["id"]
        admin.post(f"{MONITORS}/{monitor}/start")
        page = log_in(Role.reader)
        _open(page, "Live")
        page.wait("document.querySelector('.tag.running')", seconds=30)
        assert not page.run("document.querySelector('.monitor img, .monitor button')")
        page.go("/#/people/attendance")  # takes an operator
        page.wait("document.querySelector('h1').textContent === 'Overview'")


def test_live_and_attendance_can_be_read_by_everybody(
    log_in: LogIn, admin: httpx.Client, photos: dict[str, Path], hopper: Image, axe: str
) -> None:
    _enrol(admin, "Grace Hopper", photos["hopper"])
    page = log_in(Role.admin)
    with http_camera(portrait(hopper)) as camera:
        for name, port in (("Front door", camera.server_port), ("Yard", 9)):
            wanted = {"name": name, "address": f"http://127.0.0.1:{port}/", "fpir": 0.05}
            monitor = admin.post(MONITORS, json=wanted).json()["id"]
            admin.post(f"{MONITORS}/{monitor}/start")
        for size, dark in ((DESK, False), (DESK, True), (PHONE, False), (PHONE, True)):
            page.look(size=size, dark=dark)
            page.go("/#/people/live")
            page.wait("document.querySelector('.box.known')", seconds=60)
            page.wait("document.querySelector('.tag.reconnecting')", seconds=60)
            page.run("document.querySelector('details.more').open = true")
            page.click("Change", within=".monitor")
            page.wait("document.querySelector('.monitor .fields')")
            assert _findings(page, axe) == []
            assert page.run("document.documentElement.scrollWidth") <= size[0]
            page.go("/#/people/attendance")
            page.wait("document.querySelector('tbody tr')")
            assert _findings(page, axe) == []
            assert page.run("document.documentElement.scrollWidth") <= size[0]


def test_days_are_chosen_and_saved(log_in: LogIn) -> None:
    page = log_in(Role.operator)
    _open(page, "Attendance")
    page.sees("Nobody who is enrolled was recognised")
    page.fill("#from", "2026-03-09")
    page.fill("#to", "2026-03-01")
    page.sees("not after")
    page.fill("#to", "2026-03-09")
    page.sees("Nobody who is enrolled was recognised")
    link = "document.querySelector('a[download]')"
    assert "from=2026-03-09" in page.run(f"{link}.href")
    asked = f"fetch({link}.href).then(async (got) => (await got.text()).trim())"
    assert page.run(asked) == "day,person,first_seen,last_seen,visits,in_view"


@pytest.mark.models
@pytest.mark.timeout(300)
def test_real_people_in_a_real_clip(log_in: LogIn, tmp_path: Path) -> None:
    """As above, with the built-in model: one person of two clips, enrolled from one."""
    folder = os.environ.get("VULTUS_VIDEO_CLIPS", "")
    if not folder:
        pytest.skip("needs the sample clips: set VULTUS_VIDEO_CLIPS to their folder")
    clips = Path(folder)
    (tmp_path / "real").mkdir()
    settings = ServerSettings(gallery=(tmp_path / "real" / "people.db",), monitor_folder=clips)
    context = open_context(settings, Recognizer())
    gallery = context.galleries.get("people", actor="test")
    enroll_video(context.recognizer, gallery, "Person A", open_source(clips / "asl_again.mkv"))
    with running(context) as address:
        page = log_in(None)
        page.call("Page.navigate", url=address)
        page.wait("document.querySelector('#key')", seconds=30)
        page.fill("#key", context.keys.add(Role.admin)[1])
        page.click("Log in")
        page.sees("This gallery")
        _open(page, "Live")
        page.click("New monitor")
        page.fill("#monitor-name", "clip")
        page.fill("#monitor-address", "asl_brother.mkv")
        page.click("Make the monitor")
        page.wait("document.querySelector('.monitor')")
        page.click("Start", within=".monitor")
        page.wait("document.querySelector('.box.known')?.textContent.includes('A')", seconds=60)
        page.wait("document.querySelector('.tag.finished')", seconds=60)
        page.asked.clear()  # it was the address of another service than the fixture's
