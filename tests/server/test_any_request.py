"""Requests made up of the description: nothing fails inside, nothing undocumented is answered.

`VULTUS_CASES` says how many requests an operation gets in the slow test.
"""

import os
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks
from tests.server.conftest import running

from vultus.gallery.moving.crops import KeptCrops
from vultus.matching.calibration import Calibration
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.app import describe
from vultus.server.context import Context
from vultus.server.description import operations_of
from vultus.server.positions import HEADER as POSITION
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings

CASES = int(os.environ.get("VULTUS_CASES", "110"))
OPERATIONS = operations_of(describe())
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


_G = "/v1/galleries/people"
_NOWHERE = "http://127.0.0.1:9/"
_MADE: dict[str, tuple[str, dict[str, str] | None]] = {
    "monitor": (f"{_G}/monitors", {"name": "door {}", "address": _NOWHERE}),
    "webhook": (f"{_G}/webhooks", {"url": _NOWHERE}),
    "job": (f"{_G}/jobs/review-clustering", None),
    "session": ("/v1/liveness/sessions", None),
}
"""What makes the thing that a part of an address is the id of."""


class Service:
    """A service that runs, with somebody in it, and what describes it."""

    def __init__(self, context: Context, address: str, photo: bytes) -> None:
        self.context, self.address, self.photo = context, address, photo
        self.asked = 0
        key = context.keys.add(Role.admin)[1]
        self.headers = {"Authorization": f"Bearer {key}"}
        self.schema = schemathesis.openapi.from_dict(describe())

    def somebody(self) -> str:
        """The id of somebody enrolled."""
        people = f"{self.address}/v1/galleries/people/people"
        with httpx.Client(headers=self.headers, timeout=60) as client:
            if found := client.get(people).json()["people"]:
                return str(found[0]["id"])
            made = client.post(people, data={"name": "Ada"}, files={"photos": self.photo})
            return str(made.json()["person"]["id"])

    def there(self, path: str) -> dict[str, Any]:
        """What stands for each part of an address that is there; made where there is none."""
        found: dict[str, Any] = {"gallery": "people", "person": self.somebody(), "number": 0}
        with httpx.Client(base_url=self.address, headers=self.headers, timeout=60) as client:
            for part, (address, body) in _MADE.items():
                if f"{{{part}}}" in path:
                    found[part] = self._made(client, address, body)
            if "/review/" in path or "/merges/" in path:
                found["number"] = self._waiting(client) if "/review/" in path else 0
        return found

    def _made(self, client: httpx.Client, address: str, body: dict[str, str] | None) -> str:
        """The id of a new one, or of one that is there where there may be no more."""
        self.asked += 1
        named = body and {name: text.format(self.asked) for name, text in body.items()}
        made = client.post(address, json=named)
        if made.status_code == 409:
            kind = address.rpartition("/")[2]
            return str(client.get(address).json()[kind][0]["id"])
        return str(made.raise_for_status().json()["id"])

    def _waiting(self, client: httpx.Client) -> int:
        """The number of a face that waits for review, with its crop."""
        gallery = "/v1/galleries/people"
        client.put(f"{gallery}/crops")
        client.put(f"{gallery}/review", json={"days": 7, "doubtful_within": 2})
        client.post(f"{gallery}/identify", files={"photo": self.photo})
        return int(client.get(f"{gallery}/review").json()["faces"][0]["number"])


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory,
    served: Recognizer,
    tiny_calibration: Calibration,
    hopper_jpeg: bytes,
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    served.use_calibration(tiny_calibration)
    options = ServerSettings(
        gallery=(folder / "people.db",),
        data=folder,
        requests_per_minute=10**9,
        in_flight=64,
        most_jobs=10**6,
        most_monitors=10**6,
        monitor_networks=(ip_network("127.0.0.0/8"),),
        webhook_networks=(ip_network("127.0.0.0/8"),),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VULTUS_HOME", str(folder / "home"))
        context = open_context(options, served)
        KeptCrops(context.galleries.get("people", actor="test")).allow()
        schemathesis.openapi.format("binary", st.just(hopper_jpeg) | st.binary(max_size=100))
        with running(context) as address:
            yield Service(context, address, hopper_jpeg)


def _ask(service: Service, key: tuple[str, str], mode: GenerationMode, cases: int) -> set[int]:
    """Ask an operation so often; the statuses that came."""
    method, path = key
    operation = service.schema[path][method]
    there, came = service.there(path), set[int]()

    @settings(
        max_examples=cases,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=mode), known=st.booleans(), bare=st.booleans()
    )
    def ask(case: Any, known: bool, bare: bool) -> None:
        if known:
            _use(case, there)
        if bare:
            _make_bare(case, service)
        if str(case.headers.get(POSITION, "")).isdigit():
            case.headers[POSITION] = "0"  # of the future it would be awaited, and answered 503
        answer = case.call(base_url=service.address, headers=service.headers, timeout=60)
        case.validate_response(answer, checks=CHECKS)
        came.add(answer.status_code)

    try:
        ask()
    except Unsatisfiable:  # nothing is sent, so that nothing can be wrong with it
        assert mode is GenerationMode.NEGATIVE
    return came


def _use(case: Any, there: dict[str, Any]) -> None:
    """Ask about what is there."""
    case.path_parameters.update(
        {name: value for name, value in there.items() if name in case.path_parameters}
    )
    fit = {"faces": [there["number"]], "face": there["number"], "person": there["person"]}
    fit |= {"url": _NOWHERE, "address": _NOWHERE}
    if isinstance(case.body, dict) and case.media_type == "application/json":
        case.body |= {name: value for name, value in fit.items() if name in case.body}
    if case.method == "PATCH":
        case.headers["If-Match"] = "*"


def _make_bare(case: Any, service: Service) -> None:
    """Leave out what need not be said, and send a photo where one is taken."""
    case.query.clear()
    if str(case.media_type).startswith("image/"):
        case.body = service.photo
    if isinstance(case.body, dict) and case.media_type == "multipart/form-data":
        service.asked += 1
        fit: dict[str, Any] = {"photo": service.photo, "a": service.photo, "b": service.photo}
        fit |= {"photos": [service.photo], "name": f"person {service.asked}", "force": "true"}
        case.body = {name: fit[name] for name in case.body if name in fit}


_J = "/v1/galleries/{gallery}/jobs"
UNGUESSED = {
    "/v1/liveness",  # it takes a model that no service has from the start
    *("/v1/session", "/v1/calibration", "/v1/keys/{key_id}"),
    "/v1/galleries/{gallery}/people/{person}/photos",  # the photo is there already
    "/v1/galleries/{gallery}/people/{person}/photos/{number}",  # it is the last
    "/v1/galleries/{gallery}/people/{person}/photos/{number}/crop",  # another request erased it
    *(f"{_J}/enrolment", f"{_J}/clustering", f"{_J}/calibration", f"{_J}/film"),
    f"{_J}/migration",
    f"{_J}/{{job}}/cancel",  # it has ended
    "/v1/galleries/{gallery}/merges",  # two people who are there
    "/v1/galleries/{gallery}/merges/{number}/undo",
    "/v1/galleries/{gallery}/monitors/{monitor}/preview",  # nothing is before that camera
    "/v1/galleries/{gallery}/events/{position}/picture",
    "/v1/liveness/sessions/{session}/frames",  # the session's nonce
}
"""Addresses whose answer takes what nobody can guess: keys, numbers, files."""


def _guessed(key: tuple[str, str]) -> bool:
    if key == ("DELETE", "/v1/galleries/{gallery}"):  # only one that was made here, by its name
        return False
    return key[1] not in UNGUESSED


def _keys() -> list[tuple[str, str]]:
    """All operations but those that answer without an end."""
    return [key for key in OPERATIONS if not key[1].endswith("/stream")]


@pytest.mark.parametrize("key", _keys(), ids=" ".join)
def test_a_few_requests(service: Service, key: tuple[str, str]) -> None:
    for mode in GenerationMode:
        _ask(service, key, mode, 5)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("key", _keys(), ids=" ".join)
def test_many_requests(service: Service, key: tuple[str, str]) -> None:
    came = set.union(*(_ask(service, key, mode, CASES // 2) for mode in GenerationMode))
    # Else the road to the answer itself was never gone.
    assert min(came) < 400 or not _guessed(key), came
