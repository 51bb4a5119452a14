from typing import Any

import httpx

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
    for cursor in ("x", "p-", "-1", "pffffffffffffffffffffffff"):
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
