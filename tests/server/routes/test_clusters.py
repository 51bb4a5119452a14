import cv2
import httpx
import numpy as np
from tests.server.conftest import jpeg

from vultus.core.faces import Image


def test_faces_are_grouped_by_person(
    admin: httpx.Client, hopper: Image, collins_jpeg: bytes, rocket_jpeg: bytes
) -> None:
    smaller = cv2.resize(hopper, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    sent = [jpeg(hopper), collins_jpeg, jpeg(np.asarray(smaller, np.uint8))]
    files = [("photos", photo) for photo in sent]
    told = admin.post("/v1/cluster", params={"fmr": 0.003}, files=files).json()
    people = [[face["photo"] for face in person] for person in told["people"]]
    assert people == [[1, 3], [2]]
    assert told["threshold"]["similarity"] == 0.85
    assert (told["refused"], told["not_judged"]) == ([], [])


def test_no_face_is_no_group(admin: httpx.Client, rocket_jpeg: bytes) -> None:
    files = [("photos", rocket_jpeg), ("photos", b"no photo")]
    told = admin.post("/v1/cluster", params={"fmr": 0.01}, files=files).json()
    assert told["people"] == []
    assert [photo["photo"] for photo in told["refused"]] == [2]
