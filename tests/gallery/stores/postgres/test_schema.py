"""The tables, brought up and down; who may use them."""

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from tests.gallery.stores.postgres.server import OTHER, OWNER, SERVICE, Server

from vultus.core.errors import GalleryError, InputError
from vultus.gallery.stores.places import DatabasePlace
from vultus.gallery.stores.postgres.connecting import connect
from vultus.gallery.stores.postgres.schema import SCHEMA_VERSION, gallery_names, upgrade, version
from vultus.gallery.stores.postgres.store import PostgresStore

# By what people and events are looked up: the first and the last value are kept.
_NOT_SOUGHT = (
    " AND NOT (attrelid = 'vultus_db.people'::regclass"
    " AND attname IN ('uid', 'name_tag', 'external_tag')"
    " OR attrelid = 'vultus_db.events'::regclass AND attname = 'tag')"
)


@pytest.fixture
def empty(postgres_server: Server, postgres_url: str) -> Iterator[DatabasePlace]:
    """A new database without tables, as its owner sees it."""
    name = f"new_{secrets.token_hex(6)}"
    postgres_server.sql(f"CREATE DATABASE {name} OWNER {OWNER}")
    yield DatabasePlace(user=OWNER, hosts=postgres_server.address, database=name, gallery=None)
    postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)")


def service(place: DatabasePlace, gallery: str = "a", user: str = SERVICE) -> str:
    return f"postgresql://{user}@{place.hosts}/{place.database}/{gallery}"


def state(server: Server, place: DatabasePlace) -> str:
    return server.sql(
        "SELECT string_agg(format('%s %s %s', c.relname, c.relkind, c.relforcerowsecurity), ' '"
        " ORDER BY c.relname)"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace"
        " WHERE nspname = 'vultus_db'",
        database=place.database,
    )


def test_up_and_down_and_up_again_give_the_same(
    postgres_server: Server, empty: DatabasePlace
) -> None:
    before = state(postgres_server, empty)
    assert upgrade(empty) == (0, SCHEMA_VERSION)
    there = state(postgres_server, empty)
    assert upgrade(empty) == (SCHEMA_VERSION, SCHEMA_VERSION)
    for number in range(SCHEMA_VERSION - 1, -1, -1):
        assert upgrade(empty, to=number) == (number + 1, number)
    assert state(postgres_server, empty) == before
    for number in range(1, SCHEMA_VERSION + 1):
        assert upgrade(empty, to=number) == (number - 1, number)
    assert state(postgres_server, empty) == there != before


def test_tables_with_galleries_are_not_taken_away(empty: DatabasePlace) -> None:
    upgrade(empty, grant=(SERVICE,))
    PostgresStore(service(empty), create=True).close()
    with pytest.raises(GalleryError, match="left as it was: there are galleries"):
        upgrade(empty, to=0)
    with connect(empty) as connection:
        assert version(connection) == SCHEMA_VERSION


def test_a_step_that_fails_changes_nothing(postgres_server: Server, empty: DatabasePlace) -> None:
    with pytest.raises(InputError, match="no role 'nobody_of_that_name'"):
        upgrade(empty, grant=("nobody_of_that_name",))
    with connect(empty) as connection:
        assert version(connection) == 0
    with pytest.raises(InputError, match=f"0 to {SCHEMA_VERSION}"):
        upgrade(empty, to=SCHEMA_VERSION + 1)


def test_every_table_with_rows_of_galleries_is_guarded(
    postgres_server: Server, empty: DatabasePlace
) -> None:
    upgrade(empty)
    with connect(empty) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'vultus_db'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition"
            " AND NOT (relrowsecurity AND relforcerowsecurity)"
        ).fetchall()
    # Neither of them may anybody but the owner read.
    assert sorted(row[0] for row in rows) == ["directory", "sessions"]


def test_no_values_of_bytes_are_kept_as_statistics(
    postgres_server: Server, empty: DatabasePlace
) -> None:
    sampled = (
        "SELECT count(*) FROM pg_statistic AS s JOIN pg_attribute AS a ON a.attrelid = s.starelid"
        " AND a.attnum = s.staattnum WHERE a.atttypid = 'bytea'::regtype"
        " AND a.attrelid::regclass::text LIKE 'vultus_db.%'"
    ) + _NOT_SOUGHT

    def analysed() -> str:
        return postgres_server.sql("ANALYZE", sampled, database=empty.database)

    upgrade(empty, to=2)
    postgres_server.sql(
        "INSERT INTO vultus_db.keys SELECT 1, n, decode(md5(n::text), 'hex'), 'x' FROM"
        " generate_series(1, 200) AS n",
        "INSERT INTO vultus_db.meta SELECT 1, n::text, 'x' FROM generate_series(1, 9) AS n",
        database=empty.database,
    )
    assert int(analysed()) > 0
    upgrade(empty)  # those of before go, and none come
    assert postgres_server.sql(sampled, database=empty.database) == "0"
    assert analysed() == "0"
    left_out = postgres_server.sql(
        "SELECT count(*) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid WHERE"
        " relnamespace = 'vultus_db'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0"
        " AND atttypid = 'bytea'::regtype AND attstattarget IS DISTINCT FROM 0" + _NOT_SOUGHT,
        database=empty.database,
    )
    assert left_out == "0", "a table of a later step keeps samples"
    upgrade(empty, to=2)
    assert int(analysed()) > 0


def test_people_are_found_by_an_index_after_the_step_and_two_values_are_kept(
    postgres_server: Server, empty: DatabasePlace
) -> None:
    upgrade(empty, to=2)
    postgres_server.sql(
        "ALTER TABLE vultus_db.people DISABLE TRIGGER USER",
        "INSERT INTO vultus_db.people (gallery, id, uid, name_tag, enrolled_at, record) SELECT 1,"
        " n, decode(md5(n::text), 'hex'), decode(md5((-n)::text), 'hex'), '', 'x' FROM"
        " generate_series(1, 20000) AS n",
        "INSERT INTO vultus_db.keys SELECT 1, n, decode(md5(n::text), 'hex'), 'x' FROM"
        " generate_series(1, 20000) AS n",
        database=empty.database,
    )
    upgrade(empty)
    plan = postgres_server.sql(
        "EXPLAIN SELECT p.id, k.wrapped FROM vultus_db.people AS p LEFT JOIN vultus_db.keys AS k"
        " ON k.gallery = p.gallery AND k.id = p.id"
        " WHERE p.gallery = 1 AND p.name_tag = ANY(ARRAY[decode(md5('-7'), 'hex')])",
        database=empty.database,
    )
    assert "people_gallery_name_tag_key" in plan
    assert "Seq Scan" not in plan
    kept = postgres_server.sql(
        "SELECT array_length(histogram_bounds::text::text[], 1), most_common_vals IS NULL"
        " FROM pg_stats WHERE schemaname = 'vultus_db' AND tablename = 'people'"
        " AND attname = 'name_tag'",
        database=empty.database,
    )
    assert kept == "2|t"


def test_what_does_not_fit_is_told(postgres_server: Server, empty: DatabasePlace) -> None:
    with pytest.raises(GalleryError, match="no tables for galleries; `vultus database upgrade`"):
        PostgresStore(service(empty), create=True)
    upgrade(empty)
    with pytest.raises(GalleryError, match=f"{SERVICE} may not use the galleries"):
        PostgresStore(service(empty), create=True)
    upgrade(empty, grant=(SERVICE,))
    with pytest.raises(GalleryError, match="there is no gallery at postgresql://"):
        PostgresStore(service(empty))
    with connect(empty) as connection:
        connection.execute("COMMENT ON SCHEMA vultus_db IS 'Vultus galleries, version 99'")
    with pytest.raises(GalleryError, match="version 99, of a later Vultus"):
        PostgresStore(service(empty))
    with connect(empty) as connection:
        connection.execute("COMMENT ON SCHEMA vultus_db IS 'of somebody else'")
    with pytest.raises(GalleryError, match="not of this program"):
        PostgresStore(service(empty))


def test_who_could_take_the_rules_away_is_not_let_in(
    postgres_server: Server, empty: DatabasePlace
) -> None:
    upgrade(empty, grant=(SERVICE,))
    for user in (OWNER, "postgres"):
        with pytest.raises(GalleryError, match="nothing would keep galleries apart"):
            PostgresStore(service(empty, user=user), create=True)
        with pytest.raises(InputError, match="nothing would keep galleries apart"):
            upgrade(empty, grant=(user,))


def test_one_sees_the_names_of_galleries_that_one_may_enter(empty: DatabasePlace) -> None:
    upgrade(empty, grant=(SERVICE, OTHER))
    for user, name in ((SERVICE, "b"), (SERVICE, "a"), (OTHER, "c")):
        PostgresStore(service(empty, name, user), create=True).close()
    for user, names in ((SERVICE, ["a", "b"]), (OTHER, ["c"])):
        place = DatabasePlace(user=user, hosts=empty.hosts, database=empty.database, gallery=None)
        assert gallery_names(place) == names
    with pytest.raises(GalleryError, match="no gallery at"):
        PostgresStore(service(empty, "c"), create=True)


def test_records_are_written_once(postgres_url: str) -> None:
    store = PostgresStore(f"{postgres_url}/g{secrets.token_hex(6)}", create=True)
    with store.transaction(write=True):
        store._change("INSERT INTO vultus_db.audit VALUES (DEFAULT, 1, '', '', '')")
    for statement in (
        "UPDATE vultus_db.audit SET entry = 'x'",
        "DELETE FROM vultus_db.audit",
        "UPDATE vultus_db.erasures SET uid = ''",
        "DELETE FROM vultus_db.erasures",
        "TRUNCATE vultus_db.audit",
    ):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            store._sessions.session() as connection,
        ):
            connection.execute(statement)
    store.close()
