import httpx
import pytest

from vultus.server.context import Context

THRESHOLDS = "/v1/galleries/people/thresholds"


def test_each_rate_has_the_threshold_that_decides_by_it(
    admin: httpx.Client, context: Context, hopper_jpeg: bytes
) -> None:
    form = {"data": {"name": "Grace"}, "files": {"photos": hopper_jpeg}}
    assert admin.post("/v1/galleries/people/people", **form).status_code == 201  # type: ignore[arg-type]
    told = admin.get(THRESHOLDS).json()
    assert told["people"] == 1
    assert told["calibration"]["people"] == 800
    (asked,) = [rule for rule in told["searches"] if rule["asked"] == 0.01]
    gallery = context.galleries.get("people", actor="test")
    rule = context.recognizer.gallery_threshold(gallery, fpir=0.01)
    assert asked["threshold"] == rule.to_dict()
    (pairs,) = [rule for rule in told["comparisons"] if rule["asked"] == 0.01]
    assert pairs["threshold"] == context.recognizer.threshold(0.01).to_dict()


def test_what_nobody_can_promise_says_why(admin: httpx.Client) -> None:
    told = admin.get(THRESHOLDS).json()
    strict = told["comparisons"][-1]
    assert strict["threshold"] is None
    assert "FMR" in strict["refusal"]
    assert told["comparisons"][0]["refusal"] is None or "FMR" in told["comparisons"][0]["refusal"]


def test_the_more_people_the_higher_the_threshold(admin: httpx.Client) -> None:
    sizes = admin.get(THRESHOLDS).json()["sizes"]
    found = [
        rule["threshold"]["similarity"]
        for size in sizes
        for rule in size["searches"]
        if rule["asked"] == 0.01 and rule["threshold"] is not None
    ]
    assert found[0] == pytest.approx(0.6)  # of the tests' calibration: 0.5 + 0.1 log10(10)
    assert found == sorted(found)
