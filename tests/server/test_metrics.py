import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.server.conftest import Client, jpeg

from vultus.core.faces import Image
from vultus.core.results import Candidate, Identification
from vultus.core.thresholds import Threshold
from vultus.gallery.gallery import Gallery
from vultus.server.access import Role
from vultus.server.context import Context

PEOPLE = "/v1/galleries/people/people"
IDENTIFY = "/v1/galleries/people/identify"
GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "service_operation.md"


def _read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _value(
    found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **at: str
) -> float:
    return found[name, frozenset(at.items())]


def test_requests_photos_and_decisions_are_counted(
    admin: httpx.Client, hopper_jpeg: bytes, collins: Image, rocket_jpeg: bytes
) -> None:
    made = admin.post(PEOPLE, data={"name": "Grace"}, files={"photos": hopper_jpeg})
    assert made.is_success
    admin.post(IDENTIFY, files={"photo": hopper_jpeg})
    mirrored = jpeg(np.ascontiguousarray(collins[:, ::-1]))  # which is less like her
    (unknown,) = admin.post(IDENTIFY, files={"photo": mirrored}).json()["faces"]
    admin.post("/v1/verify?fmr=0.01", files={"a": hopper_jpeg, "b": hopper_jpeg})
    admin.post("/v1/verify?fmr=0.01", files={"a": hopper_jpeg, "b": rocket_jpeg})
    found = _read(admin.get("/metrics").text)
    operation = "/v1/galleries/{gallery}/identify"
    at = {"operation": operation, "method": "POST"}
    assert _value(found, "vultus_requests_total", **at, status="200") == 2
    assert _value(found, "vultus_request_seconds_count", **at) == 2
    assert _value(found, "vultus_problems_total", code="no-face") == 1
    assert _value(found, "vultus_requests_in_flight") == 1  # which asks
    assert _value(found, "vultus_photos_total") == 1 + 2 + 2 + 2
    assert _value(found, "vultus_photo_faces_bucket", le="0.0") == 1
    assert _value(found, "vultus_face_quality_count") == 6
    assert _value(found, "vultus_searches_total", gallery="all", answer="recognised") == 1
    assert _value(found, "vultus_searches_total", gallery="all", answer="unknown") == 1
    assert unknown["identity"] is None
    assert _value(found, "vultus_search_similarity_count", answer="unknown") == 1
    below = round(np.floor(unknown["candidates"][0]["similarity"] * 20) / 20, 2)
    bucket = "vultus_search_similarity_bucket"
    assert _value(found, bucket, answer="unknown", le=str(below)) == 0
    assert _value(found, bucket, answer="unknown", le=str(round(below + 0.05, 2))) == 1
    assert _value(found, "vultus_stated_false_positives_total") == pytest.approx(0.02)
    assert _value(found, "vultus_comparison_similarity_count", answer="same") == 1
    assert _value(found, "vultus_people", gallery="all") == 1
    assert _value(found, "vultus_drift_searches") == 1


def test_the_live_fpir_follows_the_calibration(context: Context, admin: httpx.Client) -> None:
    """Of the fixture's curves, FPIR 0.01 is at 0.5 among one person, 0.1 at about 0.39."""
    gallery = context.galleries.get("people", actor="test")
    site = context.recognizer.calibration
    assert site is not None
    assert site.fpir_curves is not None
    people = {1: 1}

    class Enrolled(Gallery):
        people_by_photos = people

    known = Enrolled(gallery.opened)
    rule = Threshold(0.5)
    # Twice as many as stated in the band from 0.01 to 0.1: 18 of 100.
    for count, similarity in ((18, 0.45), (82, 0.31)):
        position = site.fpir_curves.fpir(similarity, people_by_photos=people)
        assert (0.01 < position < 0.1) == (similarity == 0.45)
        answer = Identification((Candidate("Ada", similarity),), rule, 0.01, 1)
        context.metrics.identified(known, [answer] * count)
    found = _read(admin.get("/metrics").text)
    assert _value(found, "vultus_live_fpir_stated") == pytest.approx(0.01)
    assert _value(found, "vultus_live_fpir") > 0.015
    assert _value(found, "vultus_live_fpir_low") < _value(found, "vultus_live_fpir")
    assert _value(found, "vultus_drift_psi") > 0.25
    assert _value(found, "vultus_drift_ks") > 0.1


@pytest.mark.parametrize("by_gallery", [False, True])
def test_galleries_are_labels_where_that_is_allowed(
    admin: httpx.Client, context: Context, hopper_jpeg: bytes, by_gallery: bool
) -> None:
    context.metrics.by_gallery = by_gallery
    admin.post(IDENTIFY, files={"photo": hopper_jpeg})
    text = admin.get("/metrics").text
    assert ('gallery="people"' in text) == by_gallery


def test_labels_are_bounded(admin: httpx.Client) -> None:
    for number in range(3):
        admin.request(f"MADE{number}", f"/made-up/{number}")
        admin.get(f"/v1/galleries/made{number}/people/made{number}")
    text = admin.get("/metrics").text
    assert "made" not in text.lower()
    assert 'method="other"' in text


@pytest.mark.parametrize(
    ("metrics_for", "status"),
    [
        ("nobody", dict.fromkeys([None, *Role], 404)),
        ("anybody", dict.fromkeys([None, *Role], 200)),
        ("reader", {None: 401, Role.reader: 200, Role.operator: 200, Role.admin: 200}),
        ("operator", {None: 401, Role.reader: 403, Role.operator: 200, Role.admin: 200}),
        ("admin", {None: 401, Role.reader: 403, Role.operator: 403, Role.admin: 200}),
    ],
)
def test_who_may_read_them_is_set(
    client: Client, context: Context, metrics_for: str, status: dict[Role | None, int]
) -> None:
    object.__setattr__(context.settings, "metrics_for", metrics_for)
    for role, expected in status.items():
        assert client(role).get("/metrics").status_code == expected, role
    of_one = client(Role.admin, ["people"]).get("/metrics").status_code
    assert of_one == {"nobody": 404, "anybody": 200}.get(metrics_for, 403)


def test_the_guide_lists_every_metric(context: Context) -> None:
    for _ in range(100):
        context.metrics.unknown.add(stated=0.01, position=0.05)
    told = {
        family.name
        for family in text_string_to_metric_families(context.metrics.text().decode())
        if family.name.startswith("vultus_") and not family.name.endswith("_created")
    }
    table = re.findall(r"^\| `(vultus_\w+)`", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name.removesuffix("_total") for name in table} == told
