"""A database of its own for services, and two services on it."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.gallery.stores.postgres.server import OWNER, SERVICE, Server
from tests.server.conftest import running

from vultus.gallery.stores.places import DatabasePlace, place_of
from vultus.gallery.stores.postgres.schema import upgrade
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.running import open_context
from vultus.server.settings import ServerSettings


@dataclass(frozen=True)
class Service:
    """A service, and who administers it."""

    context: Context
    address: str
    admin: httpx.Client

    def client(self, text: str) -> httpx.Client:
        """A client with another key; closed with the administrator's."""
        headers = {"Authorization": f"Bearer {text}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=60)


@pytest.fixture
def store(postgres_server: Server, postgres_url: str) -> Iterator[str]:
    """A database of its own: a service opens all galleries that are there."""
    from vultus.server.state.schema import upgrade_service

    name = f"new_{secrets.token_hex(6)}"
    postgres_server.sql(f"CREATE DATABASE {name} OWNER {OWNER}")
    place = DatabasePlace(user=OWNER, hosts=postgres_server.address, database=name, gallery=None)
    upgrade(place, grant=(SERVICE,))
    upgrade_service(place, grant=(SERVICE,))
    yield f"postgresql://{SERVICE}@{postgres_server.address}/{name}"
    postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def place(store: str) -> DatabasePlace:
    found = place_of(store)
    assert isinstance(found, DatabasePlace)
    return found


@pytest.fixture
def options() -> dict[str, object]:
    """Settings of both services; a module may have others."""
    return {}


@pytest.fixture
def pair(
    store: str,
    tmp_path: Path,
    recognizer: Callable[[], Recognizer],
    options: dict[str, object],
) -> Iterator[list[Service]]:
    """Two services on one database."""
    with ExitStack() as stack:
        services = []
        for number in range(2):
            data = tmp_path / f"service {number}"
            data.mkdir()
            settings = ServerSettings.model_validate({"store": store, "data": data, **options})
            context = open_context(settings, recognizer())
            stack.callback(context.galleries.close)
            stack.callback(context.background.close)
            address = stack.enter_context(running(context))
            headers = {"Authorization": f"Bearer {context.keys.add(Role.admin)[1]}"}
            client = httpx.Client(base_url=address, headers=headers, timeout=60)
            services.append(Service(context, address, stack.enter_context(client)))
        yield services


@pytest.fixture
def services(pair: list[Service]) -> list[httpx.Client]:
    """Their administrators."""
    return [one.admin for one in pair]
