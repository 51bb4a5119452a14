"""Monitors as they are made and changed; that they watch is tested elsewhere."""

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from vultus.server.context import Context
from vultus.server.monitors.addresses import Allowed

MONITORS = "/v1/galleries/people/monitors"


@pytest.fixture
def make(context: Context, admin: httpx.Client) -> Callable[..., httpx.Response]:
    """Makes a monitor of this machine's first camera, which is not opened."""
    monitors = context.background.monitors
    monitors.means = replace(monitors.means, allowed=Allowed(cameras=(0,)))

    def made(**more: object) -> httpx.Response:
        return admin.post(MONITORS, json={"name": "door", "address": "camera:0", **more})

    return made


def test_a_threshold_is_taken_and_told(
    admin: httpx.Client, make: Callable[..., httpx.Response]
) -> None:
    told = make(threshold=0.61).json()
    assert (told["threshold"], told["fpir"]) == (0.61, 0.01)
    path = f"{MONITORS}/{told['id']}"
    assert admin.patch(path, json={"every": 2}).json()["threshold"] == 0.61
    assert admin.patch(path, json={"threshold": None}).json()["threshold"] is None


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"threshold": 1.5}, "invalid-input"),
        ({"threshold": 0.5, "cautious": True}, "invalid-input"),
        ({"fpir": 0}, "invalid-input"),
        ({"fpir": 1e-9}, "no-threshold"),
    ],
)
def test_what_could_not_be_kept_is_refused_before_it_is_started(
    make: Callable[..., httpx.Response], admin: httpx.Client, wanted: dict[str, object], code: str
) -> None:
    refused = make(**wanted)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert admin.get(MONITORS).json() == {"monitors": []}
    path = f"{MONITORS}/{make().json()['id']}"
    before = admin.get(path).json()
    assert admin.patch(path, json=wanted).json()["code"] == code
    assert admin.get(path).json() == before


def test_nobody_overwrites_changes_that_they_did_not_see(
    admin: httpx.Client, make: Callable[..., httpx.Response]
) -> None:
    path = f"{MONITORS}/{make().json()['id']}"
    seen = admin.get(path).headers["etag"]
    changed = admin.patch(path, json={"every": 2}, headers={"If-Match": seen})
    assert changed.status_code == 200
    late = admin.patch(path, json={"every": 3}, headers={"If-Match": seen})
    assert (late.status_code, late.json()["code"]) == (412, "precondition-failed")
    assert admin.get(path).json()["every"] == 2
    assert admin.get(path).headers["etag"] == changed.headers["etag"] != seen
    again = {"If-Match": changed.headers["etag"]}
    assert admin.patch(path, json={"every": 4}, headers=again).json()["every"] == 4
    assert admin.patch(path, json={"every": 5}).json()["every"] == 5  # without, as ever
