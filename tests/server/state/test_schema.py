"""Tables of services: made, left, and each role's its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gallery.stores.postgres.server import OTHER, OWNER, SERVICE, Server

from vultus.core.errors import GalleryError, InputError
from vultus.gallery.stores.places import DatabasePlace
from vultus.gallery.stores.postgres.connecting import connect
from vultus.gallery.stores.postgres.schema import upgrade
from vultus.server.access import Role
from vultus.server.state.access import SharedKeys
from vultus.server.state.database import ServiceDatabase
from vultus.server.state.schema import SERVICE_VERSION, service_version, upgrade_service


def of(place: DatabasePlace, user: str) -> DatabasePlace:
    return DatabasePlace(user=user, hosts=place.hosts, database=place.database, gallery=None)


@pytest.fixture
def owner(place: DatabasePlace) -> DatabasePlace:
    return of(place, OWNER)


@pytest.fixture
def state(place: DatabasePlace, tmp_path: Path) -> Iterator[ServiceDatabase]:
    made = ServiceDatabase(place, folder_lock=tmp_path / "lock")
    yield made
    made.close()


def tables(server: Server, place: DatabasePlace) -> str:
    return server.sql(
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class AS c JOIN pg_namespace AS n"
        " ON n.oid = relnamespace WHERE nspname = 'vultus_service' AND relkind IN ('r', 'i')",
        database=place.database,
    )


def test_up_and_down_and_up_again(
    postgres_server: Server, owner: DatabasePlace, place: DatabasePlace, tmp_path: Path
) -> None:
    there = tables(postgres_server, owner)
    assert upgrade_service(owner) == (SERVICE_VERSION, SERVICE_VERSION)
    assert upgrade_service(owner, to=0) == (SERVICE_VERSION, 0)
    assert tables(postgres_server, owner) == ""
    with pytest.raises(GalleryError, match="no tables for what services share"):
        ServiceDatabase(place, folder_lock=tmp_path / "lock")
    assert upgrade_service(owner, grant=(SERVICE,)) == (0, SERVICE_VERSION)
    assert tables(postgres_server, owner) == there
    ServiceDatabase(place, folder_lock=tmp_path / "lock").close()
    with pytest.raises(InputError, match="must be 0 to"):
        upgrade_service(owner, to=SERVICE_VERSION + 1)


def test_no_values_of_bytes_are_kept_as_statistics(
    postgres_server: Server, owner: DatabasePlace
) -> None:
    kept = (
        "SELECT count(*) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid WHERE"
        " relnamespace = 'vultus_service'::regnamespace AND relkind = 'r' AND attnum > 0"
        " AND atttypid = 'bytea'::regtype AND attstattarget IS DISTINCT FROM 0"
    )
    assert postgres_server.sql(kept, database=owner.database) == "0"
    upgrade_service(owner, to=2)
    assert int(postgres_server.sql(kept, database=owner.database)) > 0
    upgrade_service(owner, grant=(SERVICE,))


def test_who_was_let_in_before_a_step_is_let_in_after_it(
    owner: DatabasePlace, place: DatabasePlace, tmp_path: Path
) -> None:
    upgrade_service(owner, to=0)
    upgrade_service(owner, to=1, grant=(SERVICE,))
    with pytest.raises(GalleryError, match="of version 1, not"):
        ServiceDatabase(place, folder_lock=tmp_path / "lock")
    assert upgrade_service(owner) == (1, SERVICE_VERSION)
    there = ServiceDatabase(place, folder_lock=tmp_path / "lock")
    try:
        assert there.rows("SELECT * FROM liveness_frames") == []
        assert there.change("DELETE FROM liveness_sessions") == 0
    finally:
        there.close()
    assert upgrade_service(owner, to=1) == (SERVICE_VERSION, 1)


def test_who_was_not_let_in_is_told_so(
    owner: DatabasePlace, place: DatabasePlace, tmp_path: Path
) -> None:
    with pytest.raises(GalleryError, match="may not use what services share"):
        ServiceDatabase(of(place, OTHER), folder_lock=tmp_path / "lock")
    with connect(of(place, OTHER)) as connection:
        assert service_version(connection) is None
    with connect(owner) as connection:
        assert service_version(connection) == SERVICE_VERSION


def test_services_of_two_roles_are_two_services(
    owner: DatabasePlace, place: DatabasePlace, state: ServiceDatabase, tmp_path: Path
) -> None:
    upgrade(owner, grant=(OTHER,))
    upgrade_service(owner, grant=(OTHER,))
    mine = SharedKeys(state)
    key, text = mine.add(Role.admin)
    state.change("INSERT INTO schedule (name, next_at) VALUES ('retention', 1)")
    other = ServiceDatabase(of(place, OTHER), folder_lock=tmp_path / "other")
    try:
        theirs = SharedKeys(other)
        assert (theirs.find(text), theirs.listed(), theirs.remove(key.id)) == (None, [], False)
        assert other.rows("SELECT * FROM schedule") == []
        assert other.hold("jobs of people")
        assert state.hold("jobs of people")  # of another service
        assert not other.is_alive(state.boot)
    finally:
        other.close()
    assert mine.find(text) == key
