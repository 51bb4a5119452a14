"""Requests that no schema makes up: forms and JSON that are broken, deep, endless, odd."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

GALLERY = "/v1/galleries/people"
PEOPLE = f"{GALLERY}/people"
_PART = b"--x\r\nContent-Disposition: form-data; "
FORMS = {
    "nothing": b"",
    "no end": b"--x\r\n",
    "no head": b"--x\r\n\r\nabc\r\n--x--",
    "no name": _PART.removesuffix(b"; ") + b"\r\n\r\nabc\r\n--x--\r\n",
    "no name of a file": _PART + b"name=photo; filename=\r\n\r\nabc\r\n--x--\r\n",
    "a text for a photo": _PART + b"name=photo\r\n\r\nabc\r\n--x--\r\n",
    "no UTF-8": _PART + b"name=name\r\n\r\n\xff\xfe\r\n--x--\r\n",
    "an odd charset": _PART
    + b"name=name\r\nContent-Type: text/plain; charset=utf-99\r\n\r\na\r\n--x--\r\n",
    "many fields": b"".join(_PART + b"name=a%d\r\n\r\nx\r\n" % i for i in range(2000))
    + b"--x--\r\n",
    "many files": (_PART + b"name=photos; filename=a\r\n\r\nx\r\n") * 1500 + b"--x--\r\n",
    "a long field": _PART + b"name=name\r\n\r\n" + b"a" * 2_000_000 + b"\r\n--x--\r\n",
}
TEXTS = (
    *(b'{"metadata": {"a": ' + b"[" * n + b"]" * n + b"}}" for n in (100, 900, 100_000)),
    *(b'{"metadata": {"a": ' + b"9" * n + b"}}" for n in (5000,)),
    *(b'{"metadata": {"a": 1e999}}', b'{"name": "a\\u0000b"}', b'{"name": "\xe9"}', b"{", b"[]"),
    *(b'{"name": "\\ud800"}', b'{"consent": {"purpose": "\\ud800"}}'),
    *(b'{"retain_until": "0001-01-01T00:00:00+23:59"}', b'{"name": "x", "name": "\\u2028"}'),
)
ADDRESSES = (
    *(f"{PEOPLE}?limit={'9' * 5000}", f"{PEOPLE}?external_id=%00", f"{PEOPLE}?cursor=%ff"),
    *("/v1/galleries/%00", "/v1/galleries/..%2f..%2fetc/people", f"{GALLERY}/audit?action=%0a"),
    *(f"{GALLERY}/review/groups?fmr=nan", f"{GALLERY}/review/groups?fmr=1e-300"),
)


def _check(answer: httpx.Response) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_odd_forms(admin: httpx.Client, form: bytes) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for path in ("/v1/detect", "/v1/detect/photos", "/v1/verify", PEOPLE):
        answer = admin.post(path, content=form, headers=kind)
        if "photos" in path and form == FORMS["many files"]:
            assert answer.json()["detail"].startswith("Too many files")
        _check(answer)
    for odd in ("multipart/form-data", "multipart/form-data; boundary=" + "x" * 5000):
        _check(admin.post("/v1/detect", content=form or b"x", headers={"Content-Type": odd}))


def test_odd_texts(
    admin: httpx.Client, enrol: Callable[..., dict[str, Any]], hopper_jpeg: bytes
) -> None:
    uid = enrol("Grace", hopper_jpeg)["id"]
    before = admin.get(f"{PEOPLE}/{uid}").json()
    headers = {"Content-Type": "application/json", "If-Match": "*"}
    for text in TEXTS:
        _check(admin.patch(f"{PEOPLE}/{uid}", content=text, headers=headers))
    assert admin.get(f"{PEOPLE}/{uid}").json() == before


def test_odd_addresses(admin: httpx.Client) -> None:
    for address in ADDRESSES:
        _check(admin.get(address))
    for scheme in (b"Bearer \xff\xfe", b"Bearer", b"\xff"):
        _check(admin.get("/v1/galleries", headers={b"Authorization": scheme}))
