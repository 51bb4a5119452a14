import base64
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.server.conftest import Client

from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.routes import people
from vultus.server.tags import check_match

PEOPLE = "/v1/galleries/people/people"
IDENTIFY = "/v1/galleries/people/identify"


def _enrol(client: httpx.Client, name: str, *photos: bytes, **form: Any) -> httpx.Response:
    files = [("photos", (f"{place}.jpg", photo)) for place, photo in enumerate(photos)]
    return client.post(PEOPLE, data={"name": name, **form}, files=files)


def test_enrolled_identified_and_erased(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    (before,) = admin.post(IDENTIFY, files={"photo": hopper_jpeg}).json()["faces"]
    assert before["identity"] is None
    assert before["gallery_size"] == 0
    made = _enrol(
        admin,
        "Grace",
        hopper_jpeg,
        external_id="e1",
        groups=["navy", "staff"],
        metadata='{"desk": 7}',
        consent_purpose="door",
    )
    assert made.status_code == 201
    person = made.json()["person"]
    assert person["name"] == "Grace"
    assert person["groups"] == ["navy", "staff"]
    assert person["metadata"] == {"desk": 7}
    assert person["consent"]["purpose"] == "door"
    assert admin.get(f"{PEOPLE}/{person['id']}").json() == person

    (face,) = admin.post(IDENTIFY, files={"photo": hopper_jpeg}).json()["faces"]
    assert face["identity"] == "Grace"
    assert face["person"] == person["id"]
    assert face["gallery_size"] == 1
    assert face["candidates"][0]["similarity"] >= face["threshold"]["similarity"]
    assert face["fpir"] == 0.01

    receipt = admin.delete(f"{PEOPLE}/{person['id']}").json()["receipt"]
    assert receipt["rows"]["faces"] == 1
    assert admin.get(f"{PEOPLE}/{person['id']}").status_code == 404
    assert admin.delete(f"{PEOPLE}/{person['id']}").status_code == 404
    events = admin.get("/v1/galleries/people/events").json()["events"]
    assert [event["type"] for event in events] == ["unknown", "erased"]  # theirs went with them


def test_a_name_is_enrolled_once(
    admin: httpx.Client, hopper_jpeg: bytes, collins_jpeg: bytes
) -> None:
    assert _enrol(admin, "Grace", hopper_jpeg).status_code == 201
    again = _enrol(admin, " Grace ", collins_jpeg)
    assert again.status_code == 409
    assert again.json()["code"] == "person-exists"


def test_photos_that_cannot_be_used_are_told(
    admin: httpx.Client, hopper_jpeg: bytes, rocket_jpeg: bytes
) -> None:
    made = _enrol(admin, "Grace", b"no photo", rocket_jpeg, hopper_jpeg)
    assert made.status_code == 201
    told = made.json()
    assert told["added"] == 1
    assert [(photo["photo"], photo["code"]) for photo in told["refused"]] == [
        (1, "unreadable-photo"),
        (2, "no-face"),
    ]
    assert all(f"photo {photo['photo']}" in photo["detail"] for photo in told["refused"])
    none = _enrol(admin, "Eileen", rocket_jpeg)
    assert none.status_code == 422
    assert none.json()["code"] == "no-photo-taken"
    assert none.json()["errors"][0]["code"] == "no-face"
    assert len(admin.get(PEOPLE).json()["people"]) == 1
    assert _enrol(admin, "Eileen", *[hopper_jpeg] * 4).status_code == 413


def test_more_photos_of_somebody(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    person = _enrol(admin, "Grace", hopper_jpeg).json()["person"]
    again = admin.post(f"{PEOPLE}/{person['id']}/photos", files={"photos": hopper_jpeg})
    assert again.status_code == 422
    assert again.json()["errors"][0]["code"] == "repeated-photo"
    nobody = admin.post(f"{PEOPLE}/{'0' * 32}/photos", files={"photos": hopper_jpeg})
    assert nobody.status_code == 404


def test_people_page_by_page(admin: httpx.Client, hopper_jpeg: bytes, collins_jpeg: bytes) -> None:
    for name, photo in (("Grace", hopper_jpeg), ("Eileen", collins_jpeg)):
        assert _enrol(admin, name, photo).status_code == 201
    first = admin.get(PEOPLE, params={"limit": 1}).json()
    second = admin.get(PEOPLE, params={"limit": 1, "cursor": first["next"]}).json()
    assert [page["people"][0]["name"] for page in (first, second)] == ["Grace", "Eileen"]
    assert second["next"] is None
    other_list = base64.urlsafe_b64encode(b"f1").decode().rstrip("=")
    for cursor in ("x", "p-", "-1", "p1", "====", f"{first['next']}=", other_list):
        assert admin.get(PEOPLE, params={"cursor": cursor}).status_code == 422, cursor


def test_what_does_not_fit_a_person_is_told(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    unfit: list[dict[str, Any]] = [
        {"metadata": "{"},
        {"metadata": "[1]"},
        {"consent_until": "2030-01-01"},
        {"consent_purpose": "door", "consent_until": "soon"},
        {"retain_until": "soon"},
        {"external_id": " "},
        {"groups": ["x" * 101]},
    ]
    for form in unfit:
        answer = _enrol(admin, "Grace", hopper_jpeg, **form)
        assert answer.status_code == 422, form
    assert _enrol(admin, "  ", hopper_jpeg).status_code == 422
    assert admin.get(PEOPLE).json()["people"] == []


Enrol = Callable[..., dict[str, Any]]


def _changed(client: httpx.Client, person: str, change: object, tag: str | None) -> httpx.Response:
    headers = {} if tag is None else {"If-Match": tag}
    return client.patch(f"{PEOPLE}/{person}", json=change, headers=headers)


def test_whose_time_is_over_is_compared_with_nobody(
    admin: httpx.Client, enrol: Enrol, hopper_jpeg: bytes
) -> None:
    uid = enrol("Grace", hopper_jpeg)["id"]
    assert _changed(admin, uid, {"retain_until": "2020-01-01"}, "*").status_code == 200
    verified = admin.post(f"{PEOPLE}/{uid}/verify", files={"photo": hopper_jpeg})
    assert (verified.status_code, verified.json()["code"]) == (422, "person-expired")
    assert "ended on 2020-01-01" in verified.json()["detail"]
    (face,) = admin.post(IDENTIFY, files={"photo": hopper_jpeg}).json()["faces"]
    assert face["identity"] is None


def test_a_person_is_changed_by_who_saw_the_state(
    admin: httpx.Client, enrol: Enrol, hopper_jpeg: bytes
) -> None:
    uid = enrol("Grace", hopper_jpeg, external_id="e1", retain_until="2099-01-01")["id"]
    tag = admin.get(f"{PEOPLE}/{uid}").headers["etag"]
    change = {
        "name": "Grace Hopper",
        "groups": ["navy"],
        "metadata": {"rank": "admiral"},
        "consent": {"purpose": "door", "until": "2098-01-01"},
        "retain_until": None,
    }
    done = _changed(admin, uid, change, tag)
    assert done.status_code == 200, done.text
    told = done.json()
    assert (told["name"], told["external_id"], told["groups"]) == ("Grace Hopper", "e1", ["navy"])
    assert told["metadata"] == {"rank": "admiral"}
    assert told["retain_until"] is None
    assert told["expires_at"] == "2098-01-01T00:00:00+00:00"
    read = admin.get(f"{PEOPLE}/{uid}")
    assert read.json() == told
    assert read.headers["etag"] == done.headers["etag"] != tag
    stale = _changed(admin, uid, {"name": "X"}, tag)
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition-failed")
    assert _changed(admin, uid, {"name": "X"}, f"W/{read.headers['etag']}").status_code == 412
    without = _changed(admin, uid, {"name": "X"}, None)
    assert (without.status_code, without.json()["code"]) == (428, "precondition-required")
    assert _changed(admin, uid, {"name": "X"}, "no tag").status_code == 422
    gone = {"external_id": None, "consent": None, "groups": None, "metadata": None}
    told = _changed(admin, uid, gone, f'"a", {read.headers["etag"]}').json()
    assert (told["external_id"], told["consent"], told["groups"]) == (None, None, [])
    assert told["metadata"] == {}
    assert _changed(admin, uid, {}, "*").json() == told
    stale = admin.delete(f"{PEOPLE}/{uid}", headers={"If-Match": tag})
    assert stale.status_code == 412
    assert admin.delete(f"{PEOPLE}/{uid}", headers={"If-Match": "*"}).status_code == 200


def test_a_change_that_does_not_fit_changes_nothing(
    admin: httpx.Client, enrol: Enrol, hopper_jpeg: bytes, collins_jpeg: bytes
) -> None:
    enrol("Eileen", collins_jpeg, external_id="e2")
    uid = enrol("Grace", hopper_jpeg)["id"]
    before = admin.get(f"{PEOPLE}/{uid}").json()
    unfit: list[tuple[object, int, str]] = [
        ({"name": "Eileen", "groups": ["x"]}, 409, "person-exists"),
        ({"name": "Ada", "external_id": "e2"}, 409, "external-id-taken"),
        ({"name": None}, 422, "invalid-input"),
        ({"name": " "}, 422, "invalid-input"),
        ({"groups": ["x" * 101]}, 422, "invalid-input"),
        ({"metadata": {"a": "x" * 70_000}}, 422, "invalid-input"),
        ({"consent": {"purpose": " "}}, 422, "invalid-input"),
        ({"retain_until": "soon"}, 422, "invalid-input"),
        ({"nom": "Ada"}, 422, "invalid-input"),
        ({"retain_until": "9999-12-31T23:59:59-23:59"}, 422, "invalid-input"),
        ([], 422, "invalid-input"),
    ]
    for change, status, code in unfit:
        answer = _changed(admin, uid, change, "*")
        assert (answer.status_code, answer.json()["code"]) == (status, code), change
    for text in (
        rb'{"name": "\ud800"}',
        rb'{"metadata": {"a": "\ud800"}}',
        rb'{"metadata": {"a": NaN}}',
    ):
        headers = {"If-Match": "*", "Content-Type": "application/json"}
        answer = admin.patch(f"{PEOPLE}/{uid}", content=text, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input"), text
    assert admin.get(f"{PEOPLE}/{uid}").json() == before


def test_people_are_found_by_id_elsewhere_and_by_a_part(
    admin: httpx.Client,
    enrol: Enrol,
    hopper_jpeg: bytes,
    collins_jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrol("Grace Hopper", hopper_jpeg, external_id="E-1")
    enrol("Eileen Collins", collins_jpeg, external_id="e-2", groups=["nasa"])

    def names(**query: Any) -> list[str]:
        return [person["name"] for person in admin.get(PEOPLE, params=query).json()["people"]]

    assert names(external_id="E-1") == ["Grace Hopper"]
    assert names(external_id="E-") == []
    assert names(query="HOPP") == ["Grace Hopper"]
    assert names(group="nasa") == ["Eileen Collins"]
    assert names(group="nasa", query="hopp") == names(group="nas") == []
    assert names(query="e-") == ["Grace Hopper", "Eileen Collins"]
    first = admin.get(PEOPLE, params={"query": "e-", "limit": 1}).json()
    assert [person["name"] for person in first["people"]] == ["Grace Hopper"]
    assert names(query="e-", limit=1, cursor=first["next"]) == ["Eileen Collins"]
    monkeypatch.setattr("vultus.server.routes.people._LOOKED_AT", 1)
    first = admin.get(PEOPLE, params={"query": "collins", "limit": 1}).json()
    assert first["people"] == []
    assert names(query="collins", limit=1, cursor=first["next"]) == ["Eileen Collins"]


def test_a_photo_against_a_person(
    admin: httpx.Client, enrol: Enrol, hopper_jpeg: bytes, collins_jpeg: bytes, context: Context
) -> None:
    uid = enrol("Grace", hopper_jpeg)["id"]
    path = f"{PEOPLE}/{uid}/verify"
    same = admin.post(path, files={"photo": hopper_jpeg}, params={"fmr": 0.003})
    assert same.json()["same_person"] is True
    assert same.json()["similarity"] == pytest.approx(1, abs=1e-5)
    other = admin.post(path, files={"photo": collins_jpeg}, params={"fmr": 0.003}).json()
    assert other["same_person"] is False
    gallery = context.galleries.get("people", actor="test")
    entries = [
        logged.entry for logged in gallery.audit.entries() if logged.entry.action == "verify"
    ]
    assert [entry.decision for entry in entries] == ["accepted", "rejected"]
    assert {entry.subject for entry in entries} == {gallery.opened.subject(gallery.person("Grace"))}
    nobody = admin.post(f"{PEOPLE}/{'0' * 32}/verify", files={"photo": hopper_jpeg})
    assert nobody.status_code == 404


def test_nobody_is_enrolled_into_somebody_who_came_meanwhile(
    admin: httpx.Client,
    context: Context,
    hopper_jpeg: bytes,
    collins_jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = context.galleries.get("people", actor="another process")
    analyse = context.recognizer.analyse

    def slow(*args: Any, **kwargs: Any) -> Any:
        found = list(analyse(*args, **kwargs))
        monkeypatch.setattr(context.recognizer, "analyse", analyse)
        context.recognizer.enroll(other, "Grace", [collins_jpeg])
        return iter(found)

    monkeypatch.setattr(context.recognizer, "analyse", slow)
    answer = _enrol(admin, "Grace", hopper_jpeg)
    assert (answer.status_code, answer.json()["code"]) == (409, "person-exists")
    assert other.person("Grace").n_photos == 1


def test_a_reader_sees_no_photos(client: Client, enrol: Enrol, hopper_jpeg: bytes) -> None:
    uid = enrol("Grace", hopper_jpeg)["id"]
    assert client(Role.reader).get(f"{PEOPLE}/{uid}/photos").status_code == 403


def test_what_is_known_is_not_sent_again(
    admin: httpx.Client, enrol: Callable[..., dict[str, Any]], hopper_jpeg: bytes
) -> None:
    path = f"{PEOPLE}/{enrol('Grace', hopper_jpeg)['id']}"
    tag = admin.get(path).headers["etag"]
    for known in (tag, "*", f"W/{tag}", f'"other", {tag}'):
        answer = admin.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b""), known
        assert answer.headers["etag"] == tag
        assert "content-type" not in answer.headers
    assert admin.get(path, headers={"If-None-Match": '"other"'}).json()["name"] == "Grace"
    assert admin.get(path, headers={"If-None-Match": "other"}).status_code == 422
    admin.patch(path, json={"name": "Ada"}, headers={"If-Match": tag}).raise_for_status()
    assert admin.get(path, headers={"If-None-Match": tag}).json()["name"] == "Ada"
    nobody = admin.get(f"{PEOPLE}/{'0' * 32}", headers={"If-None-Match": "*"})
    assert nobody.status_code == 404


@pytest.mark.parametrize("tag", ["seen", "*"])
def test_nobody_changes_a_person_between_the_look_and_the_erasure(
    client: Client,
    enrol: Callable[..., dict[str, Any]],
    hopper_jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
    tag: str,
) -> None:
    path = f"{PEOPLE}/{enrol('Grace', hopper_jpeg)['id']}"
    first, second = client(Role.admin), client(Role.admin)
    seen = first.get(path).headers["etag"]
    statuses: list[int] = []

    def rename() -> None:
        answer = second.patch(path, json={"name": "Ada"}, headers={"If-Match": "*"})
        statuses.append(answer.status_code)

    thread = threading.Thread(target=rename)
    check = check_match

    def slow(if_match: str | None, told: Any, *, needed: bool) -> None:
        check(if_match, told, needed=needed)
        if not needed:  # of the erasure: now somebody else comes
            thread.start()
            thread.join(0.5)

    monkeypatch.setattr(people, "check_match", slow)
    done = first.delete(path, headers={"If-Match": seen if tag == "seen" else "*"})
    thread.join()
    assert done.status_code == 200
    assert done.json()["receipt"]["identity"] == "Grace"
    assert done.json()["receipt"]["scrubbed"] is True
    assert statuses == [404]
