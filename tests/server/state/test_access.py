"""Keys and rates of several processes."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.server.state.conftest import Service

from vultus.gallery.stores.places import DatabasePlace
from vultus.server.access import KeyRing, Role
from vultus.server.state.access import SharedKeys, SharedRates
from vultus.server.state.database import ServiceDatabase


@pytest.fixture
def states(place: DatabasePlace, tmp_path: Path) -> Iterator[list[ServiceDatabase]]:
    """As two processes have it."""
    with ExitStack() as stack:
        made = [ServiceDatabase(place, folder_lock=tmp_path / f"{n}.lock") for n in range(2)]
        for one in made:
            stack.callback(one.close)
        yield made


def test_of_processes_that_start_at_once_one_makes_the_first_key(
    states: list[ServiceDatabase],
) -> None:
    rings = [SharedKeys(state) for state in states] * 4
    with ThreadPoolExecutor(8) as pool:
        texts = [text for text in pool.map(SharedKeys.add_first, rings) if text is not None]
    assert len(texts) == len(rings[0].listed()) == 1
    assert [ring.find(texts[0]) for ring in rings] == [rings[0].listed()[0]] * 8


def test_keys_are_made_found_changed_and_taken_back_by_any(states: list[ServiceDatabase]) -> None:
    one, other = map(SharedKeys, states)
    staff, staff_text = one.add(Role.operator, ["staff"])
    both, _ = other.add(Role.reader, ["staff", "night"])
    material = bytes(range(64))
    made = one.add(Role.admin, material=material)
    assert other.add(Role.admin, material=material)[1] == made[1]
    assert other.listed() == one.listed() == [staff, both, made[0]]
    one.forget_gallery("staff")
    assert other.find(staff_text) is None
    changed = other.get(both.id)
    assert changed is not None
    assert changed.galleries == ("night",)
    assert other.remove(made[0].id)
    assert one.find(made[1]) is None
    assert not one.remove(made[0].id)
    one.admit("x" * 40)
    assert one.find("x" * 40) is not None
    assert other.find("x" * 40) is None  # it lies in a file of that process
    assert not one.remove("admin")


def test_keys_of_a_file_are_taken_over_where_there_are_none(
    states: list[ServiceDatabase], tmp_path: Path
) -> None:
    ring = KeyRing(tmp_path / "keys.json")
    _, text = ring.add(Role.operator, ["staff"])
    keys = SharedKeys(states[0])
    keys.take_over(ring.listed())
    assert keys.find(text) == ring.listed()[0]
    ring.add(Role.admin)
    keys.take_over(ring.listed())
    assert len(keys.listed()) == 1


def test_so_many_are_allowed_of_all_processes_together(states: list[ServiceDatabase]) -> None:
    most = 40
    rates = [SharedRates(state, most, of="key") for state in states]
    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda n: rates[n % 2].wait_s("a"), range(3 * most)))
    came_back = int((time.monotonic() - start) * most / 60) + 1
    assert most <= waits.count(0.0) <= most + came_back
    assert all(0 <= wait <= 60 / most for wait in waits)
    assert rates[0].wait_s("b") == 0.0
    assert SharedRates(states[0], most, of="log-in").wait_s("a") == 0.0


def test_who_waited_may_ask_again(states: list[ServiceDatabase]) -> None:
    rates = SharedRates(states[0], 2, of="key")
    assert [rates.wait_s("a") for _ in range(2)] == [0.0, 0.0]
    assert 29 < rates.wait_s("a") <= 30
    states[0].change("UPDATE rates SET at = at - 31")
    assert rates.wait_s("a") == 0.0
    assert rates.wait_s("a") > 0
    states[0].change("UPDATE rates SET at = at - 3600 * 24")
    assert [rates.wait_s("a") for _ in range(3)][:2] == [0.0, 0.0]  # no more than a full minute's
    assert rates.wait_s("a") > 0
    states[0].change("UPDATE rates SET at = at - 3601")
    rates.forget_idle()
    assert states[0].rows("SELECT * FROM rates") == []


def test_a_key_that_one_service_takes_back_opens_nothing_on_the_other(
    pair: list[Service],
) -> None:
    one, other = pair
    made = one.admin.post("/v1/keys", json={"role": "reader"}).json()
    with other.client(made["key"]) as client:
        assert client.get("/v1/galleries").status_code == 200
        assert client.get("/v1/keys").status_code == 403
        assert one.admin.delete(f"/v1/keys/{made['id']}").status_code == 204
        assert client.get("/v1/galleries").status_code == 401


@pytest.mark.postgres
@pytest.mark.parametrize("options", [{"requests_per_minute": 6}])
def test_requests_to_both_services_are_counted_together(pair: list[Service]) -> None:
    text = pair[0].context.keys.add(Role.reader)[1]
    told: list[int] = []
    start = time.monotonic()

    def ask(service: Service) -> None:
        with service.client(text) as client:
            told.extend(client.get("/v1/galleries").status_code for _ in range(25))

    threads = [threading.Thread(target=ask, args=(one,)) for one in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    came_back = int((time.monotonic() - start) * 6 / 60) + 1
    assert set(told) == {200, 429}
    assert 6 <= told.count(200) <= 6 + came_back
