"""Which changes an answer has seen, told and asked for by `Vultus-Position`."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from vultus.gallery.gallery import Gallery
from vultus.server import positions
from vultus.server.access import Role
from vultus.server.context import Context

Enrol = Callable[..., dict[str, Any]]
PEOPLE = "/v1/galleries/people"


def position_of(answer: httpx.Response) -> int:
    assert answer.status_code < 400, answer.text
    return int(answer.headers["Vultus-Position"])


@pytest.fixture
def known(context: Context) -> Gallery:
    return context.galleries.get("people", actor="test")


def identify(client: httpx.Client, photo: bytes, **headers: str) -> httpx.Response:
    return client.post(f"{PEOPLE}/identify", files={"photo": photo}, headers=headers)


def test_a_write_tells_its_own_position_and_a_search_what_it_saw(
    admin: httpx.Client, hopper_jpeg: bytes, known: Gallery
) -> None:
    assert position_of(admin.get(PEOPLE)) == 0
    files = [("photos", hopper_jpeg)]
    made = admin.post(f"{PEOPLE}/people", data={"name": "Grace"}, files=files)
    assert position_of(made) == known.position > 0
    found = identify(admin, hopper_jpeg, **{"Vultus-Position": made.headers["Vultus-Position"]})
    assert position_of(found) == position_of(made) <= known.searched_position
    url = f"{PEOPLE}/people/{made.json()['person']['id']}"
    verified = admin.post(f"{url}/verify", files={"photo": hopper_jpeg})
    searched = admin.post(f"{PEOPLE}/search", files={"photo": hopper_jpeg})
    assert position_of(verified) == position_of(searched) == position_of(made)
    assert position_of(admin.delete(url)) == known.position > position_of(made)
    assert "Vultus-Position" not in admin.get("/v1/galleries").headers


def test_a_search_never_claims_what_came_while_it_searched(
    admin: httpx.Client, hopper_jpeg: bytes, enrol: Enrol, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol("Grace", hopper_jpeg)
    before = position_of(admin.get(PEOPLE))
    search = Gallery.search

    def late(self: Gallery, *arguments: Any, **named: Any) -> Any:
        found = search(self, *arguments, **named)
        self.rename("Grace", "Amazing Grace")  # somebody else changes the gallery meanwhile
        return found

    monkeypatch.setattr(Gallery, "search", late)
    assert position_of(admin.post(f"{PEOPLE}/search", files={"photo": hopper_jpeg})) == before


def test_a_request_waits_for_the_position_that_it_names(
    admin: httpx.Client, client: Callable[..., httpx.Client], hopper_jpeg: bytes, known: Gallery
) -> None:
    wanted = {"Vultus-Position": "2"}
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(identify, client(Role.reader), hopper_jpeg, **wanted)
        time.sleep(0.2)
        assert not waiting.done()
        admin.post(f"{PEOPLE}/people", data={"name": "Grace"}, files=[("photos", hopper_jpeg)])
        told = waiting.result().json()
    assert told["faces"][0]["identity"] == "Grace"


def test_who_would_wait_too_long_is_told_and_nothing_is_done(
    admin: httpx.Client, hopper_jpeg: bytes, known: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "_PATIENCE_S", 0.1)
    ahead = {"Vultus-Position": str(known.position + 1)}
    files = [("photos", hopper_jpeg)]
    late = admin.post(f"{PEOPLE}/people", data={"name": "Grace"}, files=files, headers=ahead)
    assert (late.status_code, late.json()["code"]) == (503, "position-not-reached")
    assert late.headers["Retry-After"] == "1"
    assert len(known) == 0


@pytest.mark.parametrize("wrong", ["-1", "x", "1.5", "9" * 19, "²"])
def test_what_is_no_position_is_refused(admin: httpx.Client, wrong: str) -> None:
    told = admin.get(PEOPLE, headers={b"Vultus-Position": wrong.encode()})
    assert (told.status_code, told.json()["code"]) == (422, "invalid-input")
    assert told.json()["errors"][0]["where"] == "header.Vultus-Position"


def test_of_a_gallery_that_is_not_there_no_position_is_awaited(admin: httpx.Client) -> None:
    told = admin.get("/v1/galleries/nobody", headers={"Vultus-Position": "7"})
    assert (told.status_code, told.json()["code"]) == (404, "gallery-not-found")
