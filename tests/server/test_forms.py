"""No photo that is sent lies on the disk in clear, however large."""

import tempfile
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from tests.server.conftest import jpeg
from tests.server.routes.test_jobs import zipped

from vultus.core.faces import Image

LARGE = 1_300_000
GALLERY = "/v1/galleries/people"


@pytest.fixture
def large(hopper_jpeg: bytes) -> bytes:
    """A photo above the size from which Starlette writes to the disk."""
    return hopper_jpeg + bytes(LARGE - len(hopper_jpeg))  # what is behind its end is not read


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every temporary file that is made on the disk."""
    made: list[str] = []
    real = tempfile.TemporaryFile

    def noted(*arguments: Any, **options: Any) -> Any:
        made.append("file")
        return real(*arguments, **options)

    monkeypatch.setattr(tempfile, "TemporaryFile", noted)
    return made


def test_large_photos_stay_in_memory(
    admin: httpx.Client,
    enrol: Callable[..., dict[str, Any]],
    collins: Image,
    large: bytes,
    on_disk: list[str],
) -> None:
    uid = enrol("Grace", large)["id"]
    other = jpeg(np.ascontiguousarray(collins)) + bytes(LARGE)
    many = [("photos", large), ("photos", other)]
    headers = {"Idempotency-Key": "k1"}
    answers = [
        admin.post(f"{GALLERY}/identify", files={"photo": large}),
        admin.post(f"{GALLERY}/identify/photos", files=many),
        admin.post("/v1/verify", files={"a": large, "b": large}),
        admin.post(f"{GALLERY}/people/{uid}/verify", files={"photo": large}),
        admin.post(
            f"{GALLERY}/people", data={"name": "Eileen"}, files={"photos": other}, headers=headers
        ),
        admin.post(f"{GALLERY}/jobs/enrolment", files={"photos": zipped({"Ada/1.jpg": large})}),
    ]
    assert all(answer.is_success for answer in answers), [answer.text for answer in answers]
    assert on_disk == []


def test_a_form_that_is_none_is_told(admin: httpx.Client) -> None:
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        headers = {"Content-Type": kind}
        for path in ("/v1/verify", f"{GALLERY}/people"):
            answer = admin.post(path, content=b"--y\r\nno form", headers=headers)
            assert answer.status_code in (400, 422), answer.text
            assert answer.headers["content-type"] == "application/problem+json"
