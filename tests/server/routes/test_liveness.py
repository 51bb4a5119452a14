"""A passive look over HTTP, asked for by itself and with decisions."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import ValidationError
from tests.liveness.fakes import by_brightness, write_network
from tests.server.conftest import jpeg, running

from vultus.core.faces import Image
from vultus.core.liveness_threshold import LivenessThreshold, SpeciesRate
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

PEOPLE = "/v1/galleries/people"
LIVE = {"require_live": True}
RULE = LivenessThreshold(
    score=0.5,
    apcer=0.1,
    apcer_high=0.4,
    species="print",
    n_attacks=10,
    by_species=(SpeciesRate(name="print", n_passed=1, n=10, low=0.02, high=0.4),),
)


@pytest.fixture(scope="session")
def dim_jpeg(hopper: Image) -> bytes:
    """What a look by brightness takes for an attack."""
    return jpeg(np.asarray(hopper * 0.15, np.uint8))


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network(tmp_path / "door.onnx", threshold=RULE)


Serve = Callable[..., httpx.Client]


@pytest.fixture
def serve(tmp_path: Path, network: Path, recognizer: Callable[[], Recognizer]) -> Iterator[Serve]:
    """Serves with a network that looks; gives a client of an administrator."""
    undo: list[Callable[[], Any]] = []

    def made(**more: Any) -> httpx.Client:
        settings = ServerSettings(
            gallery=(tmp_path / "people.db",), liveness=(str(network),), **more
        )
        context = open_context(settings, copy.copy(recognizer()))
        process = running(context)
        address = process.__enter__()
        key = context.keys.add(Role.admin)[1]
        client = httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=60
        )
        undo[:0] = [
            client.close,
            lambda: process.__exit__(None, None, None),
            context.background.close,
            context.galleries.close,
        ]
        return client

    yield made
    for step in undo:
        step()


def photo(data: bytes) -> dict[str, Any]:
    return {"photo": ("p.jpg", data, "image/jpeg")}


def test_a_photo_is_looked_at(serve: Serve, hopper_jpeg: bytes, dim_jpeg: bytes) -> None:
    admin = serve()
    (clean,) = admin.post("/v1/liveness", files=photo(hopper_jpeg)).json()["faces"]
    assert clean["liveness"]["verdict"] == "no attack seen"
    assert clean["liveness"]["threshold"]["by_species"][0]["n"] == 10
    assert (clean["liveness"]["threshold"]["apcer"], len(clean["box_xyxy"])) == (0.1, 4)
    (dark,) = admin.post("/v1/liveness", content=dim_jpeg, headers={"Content-Type": "image/jpeg"}
                         ).json()["faces"]  # fmt: skip
    assert dark["liveness"]["verdict"] == "attack suspected"
    assert dark["liveness"]["score"] < clean["liveness"]["score"]
    version = admin.get("/v1/version").json()
    assert (version["liveness"], version["require_live"]) == (["door"], False)


def test_a_photo_without_a_face_is_told(serve: Serve, rocket_jpeg: bytes) -> None:
    refused = serve().post("/v1/liveness", files=photo(rocket_jpeg))
    assert (refused.status_code, refused.json()["code"]) == (422, "no-face")


def test_who_may_be_a_print_is_not_verified(
    serve: Serve, hopper_jpeg: bytes, dim_jpeg: bytes
) -> None:
    admin = serve()
    pair = {"a": ("a.jpg", hopper_jpeg, "image/jpeg"), "b": ("b.jpg", dim_jpeg, "image/jpeg")}
    assert admin.post("/v1/verify", files=pair).json()["liveness"] == []
    refused = admin.post("/v1/verify", files=pair, params=LIVE)
    assert (refused.status_code, refused.json()["code"]) == (422, "liveness-refused")
    assert "a presentation attack is suspected (liveness score" in refused.json()["detail"]
    both = {**pair, "b": pair["a"]}
    told = admin.post("/v1/verify", files=both, params=LIVE).json()
    assert told["same_person"]
    assert [one["verdict"] for one in told["liveness"]] == ["no attack seen"] * 2


def test_who_may_be_a_print_is_neither_enrolled_nor_named(
    serve: Serve, hopper_jpeg: bytes, dim_jpeg: bytes
) -> None:
    admin = serve()
    files = [("photos", ("1.jpg", hopper_jpeg, "image/jpeg")),
             ("photos", ("2.jpg", dim_jpeg, "image/jpeg"))]  # fmt: skip
    form = {"name": "Grace", "require_live": "true"}
    none = admin.post(f"{PEOPLE}/people", files=files[1:], data=form)
    assert (none.status_code, none.json()["errors"][0]["code"]) == (422, "liveness-refused")
    enrolled = admin.post(f"{PEOPLE}/people", files=files, data=form).json()
    assert (enrolled["added"], enrolled["refused"][0]["code"]) == (1, "liveness-refused")
    person = enrolled["person"]["id"]
    more = admin.post(f"{PEOPLE}/people/{person}/photos", files=files[1:], data=LIVE)
    assert more.json()["errors"][0]["code"] == "liveness-refused"

    plain = admin.post(f"{PEOPLE}/identify", files=photo(dim_jpeg)).json()["faces"][0]
    assert (plain["liveness"], plain["refusal"]) == (None, [])
    face = admin.post(f"{PEOPLE}/identify", files=photo(dim_jpeg), params=LIVE).json()["faces"][0]
    assert face["identity"] is None
    assert "a presentation attack is suspected" in face["refusal"][0]
    assert face["liveness"]["verdict"] == "attack suspected"
    several = admin.post(f"{PEOPLE}/identify/photos", files=files, params=LIVE).json()["photos"]
    assert [one["faces"][0]["liveness"]["verdict"] for one in several] == [
        "no attack seen",
        "attack suspected",
    ]
    one = admin.post(f"{PEOPLE}/identify/person", files=files[1:], params=LIVE)
    assert one.json()["code"] == "liveness-refused"
    alone = admin.post(f"{PEOPLE}/people/{person}/verify", files=photo(dim_jpeg), params=LIVE)
    assert alone.json()["code"] == "liveness-refused"


def test_an_operator_has_everybody_looked_at(
    serve: Serve, hopper_jpeg: bytes, dim_jpeg: bytes
) -> None:
    admin = serve(require_live=True)
    pair = {"a": ("a.jpg", hopper_jpeg, "image/jpeg"), "b": ("b.jpg", dim_jpeg, "image/jpeg")}
    for asked in ({}, {"require_live": False}):
        assert admin.post("/v1/verify", files=pair, params=asked).json()["code"] == (
            "liveness-refused"
        )
    assert admin.get("/v1/version").json()["require_live"]


def test_a_service_without_networks_says_so(admin: httpx.Client, hopper_jpeg: bytes) -> None:
    pair = {name: (name, hopper_jpeg, "image/jpeg") for name in ("a", "b")}
    for answer in (
        admin.post("/v1/liveness", files=photo(hopper_jpeg)),
        admin.post("/v1/verify", files=pair, params=LIVE),
        admin.post(f"{PEOPLE}/identify", files=photo(hopper_jpeg), params=LIVE),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "no-liveness")
    assert admin.get("/v1/version").json()["liveness"] == []


def test_to_require_it_takes_networks(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="give liveness, too"):
        ServerSettings(gallery=(tmp_path / "people.db",), require_live=True)


def test_a_copy_of_a_recogniser_has_its_models(served: Recognizer) -> None:
    other = copy.copy(served)
    assert other.detector is served.detector
    assert other.embedder is served.embedder
    other.liveness = by_brightness()
    assert served.liveness is None
