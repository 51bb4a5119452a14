"""What an administrator sets on the page: how long what is kept, which galleries there are."""

import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from tests.server.browser.chromium import Chromium
from tests.server.browser.conftest import LogIn
from tests.server.browser.test_screens import _enrol, _open
from tests.server.conftest import running

from vultus.embedding.embedder import Embedder
from vultus.matching.calibration import Calibration
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

pytestmark = pytest.mark.browser


@pytest.fixture
def context(
    tmp_path: Path, tiny_embedder: Embedder, tiny_calibration: Calibration
) -> Iterator[Context]:
    """A service that makes galleries, too."""
    recognizer = Recognizer(embedder=tiny_embedder, righting=())
    recognizer.use_calibration(tiny_calibration)
    (tmp_path / "more").mkdir()
    settings = ServerSettings(
        gallery=(tmp_path / "people.db",),
        data=tmp_path / "more",
        webhook_networks=(ip_network("127.0.0.0/8"),),
    )
    made = open_context(settings, recognizer)
    yield made
    made.galleries.close()


def _becomes(look: Callable[[], object], wanted: object) -> None:
    """Wait until the service tells it."""
    until = time.monotonic() + 20
    while (told := look()) != wanted:
        assert time.monotonic() < until, told
        time.sleep(0.1)


def test_how_long_what_is_kept_is_set(log_in: LogIn, admin: httpx.Client) -> None:
    page = log_in(Role.admin)
    _open(page, "Settings")
    page.fill("#retention-every_h", "0")
    save = "document.querySelector('#retention-every_h').closest('section').querySelector('button')"
    page.run(f"{save}.click()")
    page.sees("Every so many hours: a number of 0.02 or more")
    page.fill("#retention-every_h", "6")
    page.fill("#retention-jobs_days", "7.5")
    page.run(f"{save}.click()")
    page.sees("As the service was started")
    told = admin.get("/v1/retention").json()
    assert (told["every_h"], told["jobs_days"], told["was_set"]) == (6, 7.5, True)
    page.click("As the service was started")
    page.wait("document.querySelector('#retention-every_h').value === '1'")
    assert not admin.get("/v1/retention").json()["was_set"]

    gallery = "/v1/galleries/people/retention"
    beside = "document.querySelector('#events-days').closest('.tools').querySelector('button')"
    page.fill("#events-days", "14")
    page.run(f"{beside}.click()")
    page.sees("Events of more than 14 days ago are deleted")
    page.click("Save", within="dialog")
    _becomes(lambda: admin.get(gallery).json()["events_days"], 14)  # "Saved" may be of before
    page.wait("!document.querySelector('dialog')")
    page.go("/#/people/overview")
    _open(page, "Settings")
    page.wait("document.querySelector('#events-days')?.value === '14'")
    page.fill("#events-days", "")
    page.run(f"{beside}.click()")
    page.wait("document.querySelector('#events-days').value === ''")
    _becomes(lambda: admin.get(gallery).json()["events_days"], None)


def test_galleries_are_made_and_deleted(log_in: LogIn, admin: httpx.Client) -> None:
    page = log_in(Role.admin)
    _open(page, "Settings")
    page.fill("#gallery-id", "not this")
    page.click("Make it")
    page.sees("This does not fit")
    page.fill("#gallery-id", "visitors")
    page.click("Make it")
    page.sees("Gallery visitors is made")
    page.wait("document.querySelector('#gallery').value === 'visitors'")  # one goes there
    row = "[...document.querySelectorAll('tr')].find((tr) => tr.textContent.includes('{}'))"
    page.wait(row.format("visitors"))

    page.run(f"{row.format('people')}.querySelector('button').click()")
    page.fill("#typed", "people")
    page.click("Delete for good")
    page.sees("The service was started with this gallery")
    page.press("Escape")
    page.wait("!document.querySelector('dialog')")

    page.run(f"{row.format('visitors')}.querySelector('button').click()")
    page.fill("#typed", "visitor")
    page.click("Delete for good")
    page.sees("Type visitors exactly as it is written")
    assert len(admin.get("/v1/galleries").json()["galleries"]) == 2
    page.fill("#typed", "visitors")
    page.click("Delete for good")
    page.sees("Gallery visitors is deleted")
    page.wait("location.hash.startsWith('#/people/')")
    assert [one["id"] for one in admin.get("/v1/galleries").json()["galleries"]] == ["people"]
    page.go("/")
    page.wait("document.querySelector('nav a[aria-current]')")
    assert not page.run("document.querySelector('#gallery')")  # there is nothing to choose


def test_what_was_sent_to_a_webhook_is_told(
    log_in: LogIn, admin: httpx.Client, context: Context, photos: dict[str, Path]
) -> None:
    page = log_in(Role.admin)
    _open(page, "Settings")
    page.fill("#url", "http://127.0.0.1:9/nobody")
    page.run("document.querySelector('#hook-types option[value=enrolled]').selected = true")
    page.run("document.querySelector('#hook-names').click()")
    page.click("Add a webhook")
    page.sees("Signatures are checked by this secret")
    (hook,) = admin.get("/v1/galleries/people/webhooks").json()["webhooks"]
    assert (hook["types"], hook["names"]) == (["enrolled"], True)
    page.click("Log")
    page.sees("Nothing was sent yet")
    page.click("Test")
    page.sees("The address did not take it")
    _enrol(admin, "Grace", photos["hopper"])
    page.go("/#/people/overview")
    page.wait("!document.querySelector('.busy')")
    told = f"/v1/galleries/people/webhooks/{hook['id']}/deliveries"
    _becomes(lambda: bool(admin.get(told).json()["deliveries"]), wanted=True)
    _open(page, "Settings")
    page.click("Log")
    page.wait("[...document.querySelectorAll('td')].some((td) => td.innerText === 'enrolled')")
    page.go("/#/people/overview")
    page.sees("1 webhook does not work")


def test_a_service_without_a_gallery_gets_one(
    chromium: Chromium, tmp_path: Path, tiny_embedder: Embedder
) -> None:
    recognizer = Recognizer(embedder=tiny_embedder, righting=())
    context = open_context(ServerSettings(data=tmp_path), recognizer)
    with running(context) as address:
        page = chromium.open(address)
        page.fill("#key", context.keys.add(Role.admin)[1])
        page.click("Log in")
        page.sees("it has none yet")
        page.fill("#gallery-id", "staff")
        page.click("Make it")
        page.sees("Enrol somebody")
        assert page.complaints == []
        page.close()
    context.galleries.close()
