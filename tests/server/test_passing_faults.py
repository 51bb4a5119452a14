"""A database that is away for a while: what is told, and that nothing is done twice."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from vultus.core.errors import (
    GalleryBusyError,
    GalleryError,
    GalleryUncertainError,
    GalleryUnreachableError,
)
from vultus.gallery.gallery import Gallery
from vultus.server.context import Context
from vultus.server.galleries import Galleries

PEOPLE = "/v1/galleries/people"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GalleryBusyError, "gallery-busy"),
        (GalleryUnreachableError, "gallery-unreachable"),
        (GalleryUncertainError, "gallery-uncertain"),
    ],
)
def test_what_passes_is_told_with_when_to_come_again(
    admin: httpx.Client, monkeypatch: pytest.MonkeyPatch, error: type[GalleryError], code: str
) -> None:
    def away(*_: object) -> Any:
        raise error("postgresql://db.secret/faces cannot be reached")

    monkeypatch.setattr(Gallery, "position", property(away))
    monkeypatch.setattr(Galleries, "is_there", away)  # nor can it be asked what is there
    told = admin.get(PEOPLE)
    assert (told.status_code, told.json()["code"]) == (503, code)
    assert told.headers["Retry-After"] == "1"
    assert "secret" not in told.text


@pytest.mark.parametrize("error", [GalleryBusyError, GalleryUnreachableError])
def test_an_enrolment_that_was_kept_and_could_not_be_told_is_done_once(
    admin: httpx.Client,
    context: Context,
    hopper_jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
    error: type[GalleryError],
) -> None:
    enroll = Gallery.enroll

    def kept(self: Gallery, *arguments: Any, **named: Any) -> Any:
        enroll(self, *arguments, **named)
        raise error("the connection was lost after the change was kept")

    def ask() -> httpx.Response:
        return admin.post(
            f"{PEOPLE}/people",
            data={"name": "Grace"},
            files=[("photos", hopper_jpeg)],
            headers={"Idempotency-Key": "once"},
        )

    monkeypatch.setattr(Gallery, "enroll", kept)
    assert ask().status_code == 503
    monkeypatch.undo()
    made = ask()
    assert made.status_code == 201, made.text
    known: Callable[[], Any] = context.galleries.get("people", actor="test").people
    assert [person.identity for person in known()] == ["Grace"]
