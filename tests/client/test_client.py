import asyncio
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from vultus.client import (
    AsyncClient,
    BusyError,
    Client,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    Retries,
    UnauthorisedError,
    UnchangedError,
    UnreachableError,
)
from vultus.client.operations import events as event_log
from vultus.client.operations import galleries, identify, keys, people, photos, records
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.server.access import Role
from vultus.server.context import Context

ONCE = Retries(most=0)


@pytest.fixture
def key(context: Context) -> str:
    return context.keys.add(Role.admin)[1]


@pytest.fixture
def client(address: str, key: str) -> Iterator[Client]:
    with Client(address, key, retries=ONCE) as made:
        yield made


def test_one_road(client: Client, hopper_jpeg: bytes, collins_jpeg: bytes) -> None:
    made = client.enroll(
        "people", "Grace", [hopper_jpeg], groups=["navy"], metadata={"desk": 7}, external_id="e1"
    )
    assert made.added == 1
    assert made.person.groups == ("navy",)
    assert made.person.metadata == {"desk": 7}
    assert client.send(people.person_told("people", made.person.id)) == made.person
    (face,) = client.identify("people", hopper_jpeg, fpir=0.01).faces
    assert face.identity == "Grace"
    assert face.candidates[0].similarity == pytest.approx(1, abs=1e-5)
    assert [event.type for event in client.events("people")] == ["enrolled", "recognised"]
    assert client.verify(hopper_jpeg, collins_jpeg, fmr=0.01).same_person is False
    assert client.erase("people", made.person.id).receipt
    assert list(client.people("people")) == []


def test_the_same_among_tasks(address: str, key: str, hopper_jpeg: bytes) -> None:
    async def road() -> None:
        async with AsyncClient(address, key, retries=ONCE) as client:
            made = await client.enroll("people", "Grace", [hopper_jpeg])
            named = await asyncio.gather(
                *(client.identify("people", hopper_jpeg) for _ in range(4))
            )
            assert {answer.faces[0].identity for answer in named} == {"Grace"}
            assert [person.name async for person in client.people("people", page=1)] == ["Grace"]
            assert len([event async for event in client.events("people", page=2)]) == 5
            assert len((await client.detect(hopper_jpeg)).faces) == 1
            same = await client.verify(hopper_jpeg, hopper_jpeg, fmr=0.01)
            assert same.same_person
            await client.erase("people", made.person.id)
            with pytest.raises(NotFoundError):
                await client.erase("people", made.person.id)

    asyncio.run(road())


def test_answers_are_those_of_the_service(
    client: Client, address: str, key: str, hopper_jpeg: bytes
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    raw = httpx.post(f"{address}/v1/detect", files={"photo": hopper_jpeg}, headers=headers).json()
    (told,), (face,) = raw["faces"], client.detect(hopper_jpeg).faces
    assert face.box_xyxy == tuple(told["box_xyxy"])
    assert face.score == told["score"]


def test_a_photo_may_be_given_in_every_way(
    client: Client, hopper: Image, hopper_jpeg: bytes, tmp_path: Path, context: Context
) -> None:
    path = tmp_path / "hopper.jpg"
    path.write_bytes(hopper_jpeg)
    found = [
        client.detect(photo) for photo in (path, str(path), hopper_jpeg, io.BytesIO(hopper_jpeg))
    ]
    assert all(one == found[0] for one in found)
    (of_array,) = client.detect(hopper).faces
    expected = context.recognizer.detect(hopper).boxes[0].tolist()
    assert of_array.box_xyxy == pytest.approx(expected)
    turned = client.detect(hopper[:, ::-1])  # not contiguous
    assert turned.faces[0].box_xyxy != of_array.box_xyxy
    for wrong in (np.zeros((4, 4)), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(InputError, match="uint8 of shape"):
            client.detect(wrong)
    with pytest.raises(InputError, match="path, bytes"):
        client.detect(3)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        client.detect(tmp_path / "none.jpg")


def test_people_page_by_page(client: Client, hopper_jpeg: bytes, collins_jpeg: bytes) -> None:
    for name, photo in (("Grace", hopper_jpeg), ("Eileen", collins_jpeg)):
        client.enroll("people", name, [photo], force=True)
    assert [person.name for person in client.people("people", page=1)] == ["Grace", "Eileen"]
    assert client.send(galleries.gallery_told("people")).people == 2
    pages = list(client.pages(event_log.read_events("people", limit=1)))
    assert [event.type for page in pages for event in page.events] == ["enrolled", "enrolled"]
    kept = [
        entry
        for page in client.pages(records.read_audit("people", limit=1))
        for entry in page.entries
    ]
    assert [entry.position for entry in kept] == list(range(1, len(kept) + 1))
    assert len(kept) >= 3
    with pytest.raises(InputError, match="is none"):
        list(client.pages(galleries.gallery_told("people")))


def test_what_is_known_is_not_sent_again(client: Client) -> None:
    seen = client.ask(galleries.gallery_told("people"))
    with pytest.raises(UnchangedError):
        client.send(galleries.gallery_told("people", if_none_match=seen.etag or ""))
    assert client.send(galleries.gallery_told("people", if_none_match='"x"')) == seen.value


def test_problems_are_errors_of_their_kind(
    client: Client, address: str, context: Context, hopper_jpeg: bytes, rocket_jpeg: bytes
) -> None:
    client.enroll("people", "Grace", [hopper_jpeg])
    with pytest.raises(ConflictError) as taken:
        client.enroll("people", "Grace", [hopper_jpeg])
    assert taken.value.code == "person-exists"
    assert taken.value.status == 409
    assert taken.value.request_id is not None
    assert taken.value.request_id in str(taken.value)
    with pytest.raises(RefusedError) as refused:
        client.enroll("people", "Eileen", [rocket_jpeg])
    assert refused.value.errors[0]["code"] == "no-face"
    with pytest.raises(NotFoundError, match="no gallery"):
        client.identify("none", hopper_jpeg)
    with Client(address, "not a key") as stranger, pytest.raises(UnauthorisedError):
        stranger.detect(hopper_jpeg)
    reader = context.keys.add(Role.reader)[1]
    with Client(address, reader) as low, pytest.raises(ForbiddenError):
        low.erase("people", "0" * 32)
    assert isinstance(taken.value, RuntimeError)


def test_ids_never_become_another_address(client: Client) -> None:
    with pytest.raises((NotFoundError, RefusedError)):
        client.send(galleries.gallery_told("people?x#%2f"))
    for wrong in ("..", "", ".", "people/people"):
        with pytest.raises(InputError, match="must be an id"):
            galleries.gallery_told(wrong)


def test_what_was_seen_is_what_is_changed(client: Client, hopper_jpeg: bytes) -> None:
    made = client.enroll("people", "Grace", [hopper_jpeg])
    seen = client.ask(people.person_told("people", made.person.id))
    assert seen.etag is not None
    change = people.change(
        "people", made.person.id, groups=["navy"], external_id=None, if_match=seen.etag
    )
    assert client.send(change).groups == ("navy",)
    with pytest.raises(ConflictError) as passed:
        client.send(change)
    assert passed.value.status == 412


def test_one_photo_and_several(client: Client, hopper_jpeg: bytes, collins_jpeg: bytes) -> None:
    both = client.send(photos.detect_photos(photos=[hopper_jpeg, collins_jpeg]))
    assert [len(photo.faces) for photo in both.photos] == [1, 1]
    client.enroll("people", "Grace", [hopper_jpeg])
    one = client.send(identify.identify_one("people", photos=[hopper_jpeg], fpir=0.01))
    assert one.identity == "Grace"


def test_a_key_is_made_and_in_no_text(client: Client, key: str) -> None:
    made = client.send(keys.make_key(role="reader", galleries=["people"]))
    assert made.galleries == ("people",)
    assert client.send(keys.take_back(made.id)) is None
    assert key not in repr(client)


def test_nobody_at_an_address_is_told() -> None:
    client = Client("http://127.0.0.1:9", "k", retries=ONCE)
    with client, pytest.raises(UnreachableError, match="does not answer"):
        client.detect(b"x")
    with pytest.raises(InputError, match="http"):
        Client("127.0.0.1:8000")


def test_it_loads_neither_numpy_nor_a_model() -> None:
    code = (
        "import sys, vultus.client, vultus.client.operations.people; "
        "heavy = {'numpy', 'cv2', 'PIL', 'onnxruntime', 'pydantic', 'fastapi', 'vultus.server'}; "
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def told_positions(*positions: str | None) -> tuple[httpx.MockTransport, list[str | None]]:
    """Answers with these positions, one after the other; what was asked for with each."""
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Vultus-Position"))
        if (told := positions[len(asked) - 1]) is None:
            code = {"code": "position-not-reached", "detail": "not yet"}
            return httpx.Response(503, json=code, headers={"Retry-After": "0"})
        return httpx.Response(200, json={"faces": []}, headers={"Vultus-Position": told})

    return httpx.MockTransport(answer), asked


def test_the_position_of_an_answer_goes_with_what_is_asked_next(hopper_jpeg: bytes) -> None:
    transport, asked = told_positions("7", "5", "9", "3")
    with Client("http://s", transport=transport) as client:
        assert client.ask(identify.identify("people", photo=hopper_jpeg)).position == 7
        client.identify("people", hopper_jpeg)  # another service, that names less
        client.identify("people", hopper_jpeg)
        client.identify("others", hopper_jpeg)
        assert (client.position("people"), client.position("others")) == (9, 3)
        client.see("others", 8)
        client.see("others", 2)
        assert client.position("others") == 8
    assert asked == [None, "7", "7", None]


def test_a_position_that_is_never_reached_is_told_once(hopper_jpeg: bytes) -> None:
    transport, asked = told_positions("7", None, "8", None, None, "2")
    with Client("http://s", transport=transport, retries=Retries(most=1)) as client:
        client.identify("people", hopper_jpeg)
        client.identify("people", hopper_jpeg)  # asked again, it is there
        with pytest.raises(BusyError) as told:
            client.identify("people", hopper_jpeg)
        assert told.value.code == "position-not-reached"
        client.identify("people", hopper_jpeg)
        assert client.position("people") == 2
    assert asked == [None, "7", "7", "8", "8", None]


def test_among_tasks_it_goes_along_too(hopper_jpeg: bytes) -> None:
    async def work() -> None:
        async with AsyncClient("http://s", transport=transport) as client:
            await client.identify("people", hopper_jpeg)
            await client.identify("people", hopper_jpeg)

    transport, asked = told_positions("7", "8")
    asyncio.run(work())
    assert asked == [None, "7"]
