import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image as PilImage
from tests.server.conftest import jpeg, running

from vultus.core.faces import Image
from vultus.gallery.moving.crops import KeptCrops
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

PEOPLE = "/v1/galleries/people/people"


@pytest.fixture
def two(hopper: Image) -> list[bytes]:
    smaller = cv2.resize(hopper, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    return [jpeg(hopper), jpeg(np.asarray(smaller, np.uint8))]


def test_photos_are_listed_and_one_is_taken_out(
    admin: httpx.Client, enrol: Callable[..., dict[str, Any]], two: list[bytes]
) -> None:
    uid = enrol("Grace", *two)["id"]
    photos = f"{PEOPLE}/{uid}/photos"
    listed = admin.get(photos).json()["photos"]
    assert [photo["number"] for photo in listed] == [0, 1]
    assert not any({"vector", "norm"} & set(photo) for photo in listed)
    assert [photo["crop"] for photo in listed] == [False, False]
    tag = admin.get(f"{PEOPLE}/{uid}").headers["etag"]
    assert admin.delete(f"{photos}/7").json()["code"] == "photo-not-found"
    gone = admin.delete(f"{photos}/0")
    assert gone.json()["photos"] == 1
    assert gone.headers["etag"] == admin.get(f"{PEOPLE}/{uid}").headers["etag"] != tag
    assert [photo["number"] for photo in admin.get(photos).json()["photos"]] == [1]
    last = admin.delete(f"{photos}/1")
    assert (last.status_code, last.json()["code"]) == (409, "last-photo")
    assert admin.get(f"{photos}/1/crop").json()["code"] == "crop-not-found"
    for path in (photos, f"{photos}/0/crop"):
        assert admin.get(path.replace(uid, "0" * 32)).json()["code"] == "person-not-found"


def test_the_crop_of_a_photo_is_told_where_it_is_kept(
    admin: httpx.Client,
    enrol: Callable[..., dict[str, Any]],
    context: Context,
    two: list[bytes],
) -> None:
    KeptCrops(context.galleries.get("people", actor="test")).allow()
    uid = enrol("Grace", *two)["id"]
    (first, _) = admin.get(f"{PEOPLE}/{uid}/photos").json()["photos"]
    assert first["crop"] is True
    answer = admin.get(f"{PEOPLE}/{uid}/photos/0/crop")
    assert answer.headers["content-type"] == "image/png"
    pixels = np.asarray(PilImage.open(io.BytesIO(answer.content)))
    seen = next(context.recognizer.analyse([two[0]]))
    assert np.array_equal(pixels, seen.crops.pixels[0])


def test_of_two_services_on_one_file_one_enrols_a_new_name(
    context: Context, address: str, two: list[bytes], tmp_path: Path
) -> None:
    settings = ServerSettings(gallery=(tmp_path / "people.db",))
    other = open_context(settings, context.recognizer)
    keys = [one.keys.add(Role.operator)[1] for one in (context, other)]

    def enrolled(place: int) -> int:
        key, at = (keys[place % 2], (address, other_address)[place % 2])
        with httpx.Client(base_url=at, headers={"Authorization": f"Bearer {key}"}) as one:
            photo = {"photos": two[place % 2]}
            return one.post(PEOPLE, data={"name": "Grace"}, files=photo, timeout=60).status_code

    with running(other) as other_address, ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(enrolled, range(6)))
    assert statuses == [201, 409, 409, 409, 409, 409]
    assert context.galleries.get("people", actor="test").person("Grace").n_photos == 1
