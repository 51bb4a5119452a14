import httpx
from tests.server.conftest import Client

from vultus.server.access import Role


def test_a_key_is_made_used_and_taken_back(admin: httpx.Client, client: Client) -> None:
    made = admin.post("/v1/keys", json={"role": "reader", "galleries": ["people"]})
    assert made.status_code == 201
    reader = client(None)
    reader.headers["Authorization"] = f"Bearer {made.json()['key']}"
    assert reader.get("/v1/galleries/people").status_code == 200
    listed = admin.get("/v1/keys").json()["keys"]
    assert made.json()["id"] in [key["id"] for key in listed]
    assert all("key" not in key for key in listed)
    assert admin.delete(f"/v1/keys/{made.json()['id']}").status_code == 204
    assert reader.get("/v1/galleries/people").status_code == 401
    assert admin.delete(f"/v1/keys/{made.json()['id']}").status_code == 404


def test_an_unknown_role_is_told(admin: httpx.Client) -> None:
    answer = admin.post("/v1/keys", json={"role": "king"})
    assert answer.status_code == 422
    assert "'reader', 'operator' or 'admin'" in answer.json()["detail"]


def test_who_administers_some_galleries_makes_no_keys(client: Client) -> None:
    some = client(Role.admin, ["people"])
    assert some.post("/v1/keys", json={"role": "admin"}).status_code == 403
    assert some.get("/v1/keys").status_code == 403
