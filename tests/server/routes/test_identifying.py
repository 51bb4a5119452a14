from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from vultus.gallery.gallery import Gallery
from vultus.gallery.review.queue import ReviewQueue
from vultus.server.context import Context

GALLERY = "/v1/galleries/people"
Enrol = Callable[..., dict[str, Any]]


def test_several_photos_are_answered_as_each_alone(
    admin: httpx.Client, enrol: Enrol, hopper_jpeg: bytes, collins_jpeg: bytes
) -> None:
    enrol("Grace", hopper_jpeg)
    sent = [collins_jpeg, b"no photo", hopper_jpeg]
    files = [("photos", photo) for photo in sent]
    told = admin.post(f"{GALLERY}/identify/photos", files=files).json()["photos"]
    for place in (0, 2):
        alone = admin.post(f"{GALLERY}/identify", files={"photo": sent[place]}).json()
        assert told[place] == {"photo": place + 1, "problem": None, **alone}
    assert told[2]["faces"][0]["identity"] == "Grace"
    assert told[1]["problem"]["code"] == "unreadable-photo"


def test_one_person_by_several_photos(
    admin: httpx.Client, enrol: Enrol, hopper_jpeg: bytes, rocket_jpeg: bytes
) -> None:
    person = enrol("Grace", hopper_jpeg)
    files = [("photos", rocket_jpeg), ("photos", hopper_jpeg)]
    told = admin.post(f"{GALLERY}/identify/person", files=files).json()
    assert (told["identity"], told["person"], told["photos"]) == ("Grace", person["id"], 1)
    assert [photo["code"] for photo in told["refused"]] == ["no-face"]
    assert told["refused"][0]["photo"] == 1
    events = admin.get(f"{GALLERY}/events").json()["events"]
    assert events[-1]["type"] == "recognised"


def test_search_ranks_without_deciding(
    admin: httpx.Client, enrol: Enrol, hopper_jpeg: bytes, collins_jpeg: bytes, tmp_path: Path
) -> None:
    ids = [enrol("Grace", hopper_jpeg)["id"], enrol("Eileen", collins_jpeg, groups=["nasa"])["id"]]

    def searched(**query: Any) -> dict[str, Any]:
        answer = admin.post(f"{GALLERY}/search", files={"photo": hopper_jpeg}, params=query)
        assert answer.status_code == 200, answer.text
        (face,) = answer.json()["faces"]
        found: dict[str, Any] = face
        return found

    both = searched()
    assert [found["person"] for found in both["candidates"]] == ids
    assert both["candidates"][0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert both["more"] is False
    best = searched(top_k=1)
    assert best["candidates"] == both["candidates"][:1]
    assert best["more"] is True
    assert searched(min_similarity=0.99)["candidates"] == both["candidates"][:1]
    assert searched(group="nasa")["candidates"] == both["candidates"][1:]
    assert admin.get(f"{GALLERY}/events").json()["events"][-1]["type"] == "enrolled"
    with Gallery.open(tmp_path / "people.db") as gallery:
        last = list(gallery.audit.entries())[-1].entry
    assert (last.action, dict(last.counts)) == ("search", {"faces": 1})
    unknown = admin.post(f"{GALLERY}/search", files={"photo": hopper_jpeg}, params={"group": "x"})
    assert unknown.status_code == 422


def test_identify_among_a_group_has_the_size_of_the_group(
    admin: httpx.Client, enrol: Enrol, hopper_jpeg: bytes, collins_jpeg: bytes
) -> None:
    enrol("Grace", hopper_jpeg)
    enrol("Eileen", collins_jpeg, groups=["nasa"])
    path = f"{GALLERY}/identify"
    (face,) = admin.post(path, files={"photo": hopper_jpeg}, params={"group": "nasa"}).json()[
        "faces"
    ]
    assert [found["identity"] for found in face["candidates"]] == ["Eileen"]
    assert face["gallery_size"] == 1
    (face,) = admin.post(path, files={"photo": hopper_jpeg}).json()["faces"]
    assert (face["identity"], face["gallery_size"]) == ("Grace", 2)


def test_unknown_faces_wait_where_the_gallery_allows_it(
    admin: httpx.Client, context: Context, hopper_jpeg: bytes
) -> None:
    path = f"{GALLERY}/identify"
    (face,) = admin.post(path, files={"photo": hopper_jpeg}).json()["faces"]
    assert face["review"] is None
    queue = ReviewQueue(context.galleries.get("people", actor="test"))
    queue.allow()
    (face,) = admin.post(path, files={"photo": hopper_jpeg}).json()["faces"]
    assert [waiting.number for waiting in queue.faces()] == [face["review"]]
    last = admin.get(f"{GALLERY}/events").json()["events"][-1]
    assert last["data"]["review"] == face["review"]
