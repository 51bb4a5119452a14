"""Films that are uploaded: watched to their end, and gone then."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.conftest import Client
from tests.server.monitors.conftest import films, portrait, write_film
from tests.server.routes.test_jobs import JOBS, ended

from vultus.core.faces import Image
from vultus.image.io import read_image
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.idempotency import HEADER

__all__ = ["films"]  # the fixture

MP4 = {"Content-Type": "video/x-matroska"}
EVENTS = "/v1/galleries/people/events"
WANTED: dict[str, str | float] = {
    "fpir": 0.05,
    "window_s": 0.5,
    "name": "yard",
    "began_at": "2026-03-01T08:00:00",
}


def told(client: httpx.Client) -> list[dict[str, Any]]:
    events = client.get(f"{EVENTS}?limit=1000").json()["events"]
    return [one for one in events if one["source"] == "yard"]


def left_behind(context: Context) -> list[Path]:
    file = context.settings.service_file
    return [path for path in file.parent.rglob("*") if "uploads" in str(path) and path.is_file()]


def test_a_film_is_watched_and_then_gone(
    client: Client,
    context: Context,
    films: Path,
    enrol: Callable[..., Any],
    hopper_jpeg: bytes,
) -> None:
    person = enrol("Grace", hopper_jpeg)
    operator, film = client(Role.operator), (films / "door.mkv").read_bytes()
    made = operator.post(
        f"{JOBS}/film", params={**WANTED, "snapshots": "true"}, content=film, headers=MP4
    )
    assert made.status_code == 202, made.text
    job = ended(operator, made.json())
    assert (job["state"], job["kind"]) == ("done", "film"), job
    assert job["result"] == {
        "source": "yard",
        "frames": 40,
        "seconds": 3.9,
        "passages": 1,
        "events": {"appeared": 1, "recognised": 1, "left": 1},
        "watched_before": False,
        "broken_off": None,
    }
    assert job["total"] == 4
    assert left_behind(context) == []
    events = told(operator)
    assert [one["type"] for one in events] == ["appeared", "recognised", "left"]
    assert events[1]["person"] == person["id"]
    assert events[1]["at"].startswith("2026-03-01T08:00:0")
    # Asked for, so that it is there: with the event, for operators, until the person is erased.
    assert [one["picture"] for one in events] == [False, True, False]
    path = f"{EVENTS}/{events[1]['position']}/picture"
    assert max(read_image(operator.get(path).content).shape) <= 192
    assert client(Role.reader).get(path).status_code == 403
    none = operator.get(f"{EVENTS}/{events[0]['position']}/picture")
    assert (none.status_code, none.json()["code"]) == (404, "picture-not-found")
    # The same film again tells nothing, unless it is to be watched anew.
    again = ended(
        operator,
        operator.post(f"{JOBS}/film", params=WANTED, content=film, headers=MP4).json(),
    )
    assert again["result"]["watched_before"]
    assert len(told(operator)) == 3
    more: dict[str, str | float] = {**WANTED, "again": "true"}
    anew = operator.post(f"{JOBS}/film", params=more, files={"film": ("a.mkv", film)})
    assert ended(operator, anew.json())["result"]["events"]["recognised"] == 1
    assert [one["picture"] for one in told(operator)[3:]] == [False] * 3
    client(Role.admin).delete(f"/v1/galleries/people/people/{person['id']}")
    assert operator.get(path).status_code == 404


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"no film at all", "video/mp4", "unreadable-film"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "video/mp4", "unreadable-film"),
        (b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n", "video/mp4", "unreadable-film"),
        (b"", "video/mp4", "invalid-input"),
        (b"text", "text/plain", "unsupported-media-type"),
    ],
)
def test_what_is_no_film_is_refused_at_once(
    client: Client, context: Context, content: bytes, kind: str, code: str
) -> None:
    pytest.importorskip("av", reason="films are read by PyAV (extra `video`)")
    operator = client(Role.operator)
    refused = operator.post(
        f"{JOBS}/film", params=WANTED, content=content, headers={"Content-Type": kind}
    )
    assert refused.json()["code"] == code, refused.text
    assert "passwd" not in refused.text
    assert operator.get(JOBS).json()["jobs"] == []
    assert left_behind(context) == []


def test_settings_are_judged_before_the_film_comes(client: Client) -> None:
    operator = client(Role.operator)
    cases: tuple[tuple[dict[str, str | float], str], ...] = (
        ({"fpir": 1e-9}, "no-threshold"),
        ({"threshold": 2}, "invalid-input"),
        ({"threshold": 0.5, "cautious": True}, "invalid-input"),
        ({"began_at": "noon"}, "invalid-input"),
        ({"nonsense": 1}, "invalid-input"),
    )
    for params, code in cases:
        refused = operator.post(f"{JOBS}/film", params=params, content=b"x", headers=MP4)
        assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text


def test_a_film_that_breaks_off_is_watched_as_far_as_it_goes_and_a_cancelled_one_is_gone(
    client: Client, context: Context, tmp_path: Path, hopper: Image, rocket: Image
) -> None:
    seen = [portrait(hopper, number) for number in range(60)]
    film = write_film(tmp_path / "long.mkv", seen).read_bytes()
    operator = client(Role.operator)
    cut = operator.post(f"{JOBS}/film", params=WANTED, content=film[: len(film) // 2], headers=MP4)
    job = ended(operator, cut.json())
    assert job["state"] == "done", job
    assert 10 < job["result"]["frames"] < 60
    once = {**MP4, HEADER: os.urandom(8).hex()}
    more: dict[str, str | float] = {**WANTED, "name": "other", "search_s": 0}
    first, second = (
        operator.post(f"{JOBS}/film", params=more, content=film, headers=once) for _ in range(2)
    )
    assert first.json()["id"] == second.json()["id"]
    operator.post(f"{JOBS}/{first.json()['id']}/cancel")
    assert ended(operator, first.json())["state"] == "cancelled"
    assert left_behind(context) == []
