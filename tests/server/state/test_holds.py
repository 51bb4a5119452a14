"""What one process of several does."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.gallery.stores.postgres.server import Server

from vultus.gallery.stores.places import DatabasePlace
from vultus.server.state.holds import Holds


@pytest.fixture
def one(place: DatabasePlace) -> Iterator[Holds]:
    with closing(Holds(place, "s")) as made:
        yield made


@pytest.fixture
def other(place: DatabasePlace) -> Iterator[Holds]:
    with closing(Holds(place, "s")) as made:
        yield made


def test_one_of_two_holds_something(one: Holds, other: Holds) -> None:
    assert one.take("a")
    assert one.take("a")
    assert not other.take("a")
    assert other.take("b")
    one.release("a")
    one.release("never held")
    assert other.take("a")
    assert not one.take("a")
    other.close()
    deadline = time.monotonic() + 30  # the server lets go when its process of that connection ends
    while not one.take("a"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert one.take("b")
    assert not other.take("c")  # it was closed


def test_who_loses_the_connection_learns_that_it_holds_nothing(
    one: Holds, other: Holds, postgres_server: Server, place: DatabasePlace
) -> None:
    assert one.take("a")
    boot = one.boot
    number = one._connection.info.backend_pid  # type: ignore[union-attr]
    postgres_server.sql(f"SELECT pg_terminate_backend({number})", database=place.database)
    deadline = time.monotonic() + 5
    while not other.take("a"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while one.take("a"):  # for half a second it may believe that it does
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert one.boot != boot
    while not one.take("b"):  # and it connects anew
        assert time.monotonic() < deadline
        time.sleep(0.05)
