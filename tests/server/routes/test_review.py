from collections.abc import Callable
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from tests.server.conftest import jpeg

from vultus.core.faces import Image

GALLERY = "/v1/galleries/people"
REVIEW = f"{GALLERY}/review"
Enrol = Callable[..., dict[str, Any]]


def _wait(admin: httpx.Client, photo: bytes) -> int:
    """Lets a face wait, as if it had been called unknown; its number."""
    (face,) = admin.post(f"{GALLERY}/identify", files={"photo": photo}).json()["faces"]
    number: int = face["review"]
    return number


@pytest.fixture
def waiting(admin: httpx.Client, hopper: Image, collins: Image) -> list[int]:
    """Three faces that wait: two of Hopper, one of Collins."""
    assert admin.put(REVIEW, json={"days": 7}).status_code == 200
    smaller = cv2.resize(hopper, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    photos = [jpeg(hopper), jpeg(collins), jpeg(np.asarray(smaller, np.uint8))]
    return [_wait(admin, photo) for photo in photos]


def test_nothing_waits_until_the_gallery_allows_it(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    assert admin.get(REVIEW).json() == {"rules": None, "faces": [], "next": None}
    rules = {"days": 7.0, "doubtful_within": 0.25}
    assert admin.put(REVIEW, json=rules).json() == rules
    assert isinstance(_wait(admin, hopper_jpeg), int)
    assert admin.get(REVIEW).json()["rules"] == rules
    assert admin.delete(REVIEW).json() == {"deleted": 1}
    assert admin.get(REVIEW).json() == {"rules": None, "faces": [], "next": None}
    assert admin.put(REVIEW, json={"days": 0}).status_code == 422


def test_faces_are_assigned_to_a_new_person_and_to_one_enrolled(
    admin: httpx.Client, waiting: list[int]
) -> None:
    groups = admin.get(f"{REVIEW}/groups", params={"fmr": 0.003}).json()
    assert groups["groups"] == [[waiting[0], waiting[2]], [waiting[1]]]
    assert groups["threshold"]["similarity"] == 0.85
    done = admin.post(f"{REVIEW}/assign", json={"faces": waiting[:1], "name": "Grace"})
    assert done.status_code == 200, done.text
    person = done.json()["person"]
    assert (person["name"], done.json()["added"], done.json()["left"]) == ("Grace", 1, [])
    again = admin.post(f"{REVIEW}/assign", json={"faces": waiting[1:2], "name": "Grace"})
    assert (again.status_code, again.json()["code"]) == (409, "person-exists")
    (first, second) = admin.get(REVIEW).json()["faces"]
    assert [first["number"], second["number"]] == waiting[1:]
    assert second["suggestions"][0]["person"] == person["id"]
    added = {"faces": waiting[2:], "person": person["id"]}
    assert admin.post(f"{REVIEW}/assign", json=added).json()["person"]["photos"] == 2
    gone = admin.post(f"{REVIEW}/assign", json=added)
    assert (gone.status_code, gone.json()["code"]) == (404, "face-not-found")
    for wrong in ({"faces": waiting}, {"faces": [], "name": "x"}, {**added, "name": "x"}):
        assert admin.post(f"{REVIEW}/assign", json=wrong).status_code == 422, wrong


def test_faces_are_denied_and_dismissed(
    admin: httpx.Client, waiting: list[int], enrol: Enrol, hopper_jpeg: bytes
) -> None:
    uid = enrol("Grace", hopper_jpeg)["id"]
    assert admin.get(REVIEW).json()["faces"][2]["suggestions"][0]["person"] == uid
    denied = {"face": waiting[2], "person": uid}
    assert admin.post(f"{REVIEW}/deny", json=denied).status_code == 204
    assert admin.get(REVIEW).json()["faces"][2]["suggestions"] == []
    nobody = admin.post(f"{REVIEW}/deny", json={**denied, "person": "0" * 32})
    assert nobody.json()["code"] == "person-not-found"
    assert admin.post(f"{REVIEW}/deny", json={**denied, "face": 999}).status_code == 404
    one_gone = admin.post(f"{REVIEW}/dismiss", json={"faces": [waiting[1], 999]})
    assert one_gone.status_code == 404
    assert len(admin.get(REVIEW).json()["faces"]) == 3
    assert admin.post(f"{REVIEW}/dismiss", json={"faces": waiting}).json() == {"deleted": 3}


def test_faces_page_by_page(admin: httpx.Client, waiting: list[int]) -> None:
    seen, cursor = [], ""
    while cursor is not None:
        page = admin.get(REVIEW, params={"limit": 1, "cursor": cursor}).json()
        seen += [face["number"] for face in page["faces"]]
        cursor = page["next"]
    assert seen == waiting


def test_two_people_are_made_one_and_two_again(
    admin: httpx.Client, enrol: Enrol, hopper: Image, hopper_jpeg: bytes, collins_jpeg: bytes
) -> None:
    photo = jpeg(np.ascontiguousarray(hopper[:, ::-1]))
    merges, people = f"{GALLERY}/merges", f"{GALLERY}/people"
    grace, other = enrol("Grace", hopper_jpeg), enrol("Grace H.", collins_jpeg)
    same = {"person": other["id"], "into": other["id"]}
    assert admin.post(merges, json=same).status_code == 422
    assert admin.post(merges, json={**same, "into": "0" * 32}).status_code == 404
    done = admin.post(merges, json={"person": other["id"], "into": grace["id"]})
    assert done.status_code == 201
    assert done.json()["person"]["photos"] == 2
    assert admin.get(f"{people}/{other['id']}").status_code == 404
    (listed,) = admin.get(merges).json()["merges"]
    assert (listed["identity"], listed["into"], listed["photos"]) == ("Grace H.", "Grace", 1)
    undo = f"{merges}/{listed['number']}/undo"
    assert admin.post(undo, json={"name": "Grace"}).json()["code"] == "person-exists"
    back = admin.post(undo, json={})
    assert back.status_code == 200, back.text
    assert (back.json()["name"], back.json()["photos"]) == ("Grace H.", 1)
    assert admin.post(undo, json={}).json()["code"] == "merge-not-found"
    assert admin.get(merges).json() == {"merges": [], "next": None}
    for one, into in ((back.json()["id"], grace["id"]), (grace["id"], enrol("Eve", photo)["id"])):
        assert admin.post(merges, json={"person": one, "into": into}).status_code == 201
    every = admin.get(merges).json()["merges"]
    first = admin.get(merges, params={"limit": 1}).json()
    rest = admin.get(merges, params={"limit": 1, "cursor": first["next"]}).json()
    assert first["merges"] + rest["merges"] == every
    assert (len(every), rest["next"]) == (2, None)


def test_the_aligned_face_of_one_that_waits_is_shown_where_crops_are_kept(
    admin: httpx.Client, waiting: list[int], hopper: Image
) -> None:
    first = waiting[0]
    assert admin.get(REVIEW).json()["faces"][0]["crop"] is False
    none = admin.get(f"{REVIEW}/{first}/crop")
    assert (none.status_code, none.json()["code"]) == (404, "crop-not-found")
    assert admin.put(f"{GALLERY}/crops").status_code == 200
    number = _wait(admin, jpeg(np.ascontiguousarray(hopper[:, ::-1])))
    (told,) = (face for face in admin.get(REVIEW).json()["faces"] if face["number"] == number)
    assert told["crop"] is True
    shown = admin.get(f"{REVIEW}/{number}/crop")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
    pixels = cv2.imdecode(np.frombuffer(shown.content, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape == (112, 112, 3)
    assert admin.post(f"{REVIEW}/dismiss", json={"faces": [number]}).status_code == 200
    assert admin.get(f"{REVIEW}/{number}/crop").status_code == 404
