"""Whoever smuggles statements into a connection sees the rows of its gallery, and no others."""

import random
import secrets
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
from tests.gallery.stores.postgres.server import OTHER, SERVICE, Server

from vultus.gallery.stores.base import AuditRow, ItemRow, PersonRow
from vultus.gallery.stores.event_rows import EventRow
from vultus.gallery.stores.places import DatabasePlace
from vultus.gallery.stores.postgres.schema import upgrade
from vultus.gallery.stores.postgres.store import PostgresStore

TABLES = (
    *("counters", "writes", "meta", "keys", "people", "templates", "faces", "groups", "sizes"),
    *("items", "events", "changes", "audit", "scrubs", "erasures"),
)
MARK, OWN = b"of the other gallery", b"of the own gallery"


def fill(store: PostgresStore, mark: bytes) -> None:
    """A row in every table, each with the mark where one can be."""
    with store.transaction(write=True):
        key = store.add_key(secrets.token_bytes(16), mark + bytes(40))
        person = PersonRow(
            id=key, uid=secrets.token_bytes(16), name_tag=secrets.token_bytes(32),
            external_tag=None, n_faces=0, enrolled_at=mark.decode(), expires_at=None, record=mark,
        )  # fmt: skip
        store.add_person(person)
        store.set_template(key, mark, before=mark)
        store.add_faces(key, {1: mark})
        store.set_groups(key, [mark.decode()])
        item = store.add_item(
            ItemRow(id=0, kind="x", key_id=key, created_at="", expires_at=None, body=mark)
        )
        store.add_event(
            EventRow(
                position=1, tag=secrets.token_bytes(32), stream=item, type="left", at="", body=mark
            )
        )
        store.append_audit(AuditRow(1, "", mark, mark))
        store.set_meta("fact", mark)
        store.add_erasure(mark, mark, at="", digest=b"")
        store.set_key(key, mark + bytes(range(1, 41)))


@pytest.fixture
def other_store(postgres_server: Server, postgres_url: str) -> Iterator[PostgresStore]:
    """A gallery of another tenant in the same database."""
    place = DatabasePlace(
        user="postgres", hosts=postgres_server.address, database="faces", gallery=None
    )
    upgrade(place, grant=(OTHER,))
    url = postgres_url.replace(SERVICE, OTHER)
    store = PostgresStore(f"{url}/o{secrets.token_hex(6)}", create=True)
    fill(store, MARK)
    yield store
    store.close()


def spoofs(rng: random.Random, names: list[str]) -> list[str]:
    """Statements that try to become somebody else, or somewhere else."""
    name, number = rng.choice(names), rng.randrange(1, 60)
    another = f"RETURNS bigint LANGUAGE sql AS 'SELECT {number}::bigint'"
    return [
        f"SELECT vultus_db.enter('{name}')",
        f"SELECT vultus_db.enter('{name}', true)",
        f"SET vultus.session = '{secrets.token_hex(16)}'",
        "RESET vultus.session",
        "RESET ALL",
        "DISCARD ALL",
        f"SET vultus_db.gallery = {number}",
        f"SELECT set_config('vultus_db.gallery', '{number}', false)",
        "SELECT set_config('vultus.session', (SELECT secret FROM"
        " vultus_db.sessions LIMIT 1), false)",
        f"INSERT INTO vultus_db.sessions VALUES (pg_backend_pid(), 'x', '{SERVICE}', {number})",
        f"UPDATE vultus_db.sessions SET gallery = {number}",
        "DELETE FROM vultus_db.sessions",
        "SET row_security = off",
        f"SET ROLE {OTHER}",
        f"SET SESSION AUTHORIZATION {OTHER}",
        "SET ROLE vultus_owner",
        "ALTER TABLE vultus_db.people NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE vultus_db.people DISABLE ROW LEVEL SECURITY",
        "DROP POLICY one_gallery ON vultus_db.people",
        "CREATE POLICY mine ON vultus_db.people USING (true)",
        f"CREATE OR REPLACE FUNCTION vultus_db.gallery() {another}",
        f"CREATE FUNCTION pg_temp.gallery() {another}",
        "SET search_path = pg_temp, vultus_db",
        f"UPDATE vultus_db.directory SET tenant = '{SERVICE}'",
        "CALL vultus_db.guard('vultus_db.people')",
        f"SELECT vultus_db.rewrite({number})",
        "GRANT ALL ON ALL TABLES IN SCHEMA vultus_db TO PUBLIC",
    ]


def looks(rng: random.Random) -> list[str]:
    """Statements that try to read, change or take rows of another gallery."""
    table, number, part = rng.choice(TABLES), rng.randrange(1, 60), rng.randrange(32)
    leak = (
        "CREATE OR REPLACE FUNCTION pg_temp.see(t text) RETURNS boolean LANGUAGE plpgsql"
        " COST 0.0001 AS $$BEGIN RAISE NOTICE '%', t; RETURN true; END$$"
    )
    return [
        f"SELECT * FROM vultus_db.{table}",
        f"SELECT * FROM vultus_db.{table} WHERE gallery = {number} OR true",
        f"TABLE vultus_db.{table}",
        f"SELECT t.* FROM vultus_db.{table} AS t, generate_series(1, 9) WHERE t.gallery <> 0",
        f"SELECT * FROM vultus_db.keys_{part:02}",
        "SELECT * FROM vultus_db.directory",
        "SELECT * FROM vultus_db.sessions",
        f"COPY vultus_db.{table} TO STDOUT",
        f"UPDATE vultus_db.{table} SET gallery = {number}",
        f"UPDATE vultus_db.{table} SET gallery = gallery WHERE gallery = {number} RETURNING *",
        f"DELETE FROM vultus_db.{table} WHERE gallery = {number} RETURNING *",
        f"INSERT INTO vultus_db.meta (gallery, key, value) VALUES ({number}, 'planted', '')",
        f"SELECT query_to_xml('SELECT * FROM vultus_db.{table}', true, true, '')",
        f"{leak}; SELECT * FROM vultus_db.{table} AS t WHERE pg_temp.see(t::text)",
        f"WITH a AS (SELECT * FROM vultus_db.{table}) SELECT * FROM a",
        f"LOCK TABLE vultus_db.{table} IN ACCESS SHARE MODE",
        f"SELECT * FROM vultus_db.{table} FOR UPDATE",
        f"CREATE TEMP VIEW v{secrets.token_hex(4)} AS SELECT * FROM vultus_db.{table}",
        "SELECT most_common_vals FROM pg_stats WHERE schemaname = 'vultus_db'",
        "SELECT vultus_db.names()",
        f"EXPLAIN ANALYZE SELECT * FROM vultus_db.{table} WHERE gallery = {number}",
    ]


def attempt(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> list[str]:
    """What a statement gives, in words; nothing where it is refused."""
    with suppress(psycopg.Error), connection.cursor() as cursor:
        if statement.startswith("COPY"):
            with cursor.copy(statement) as copy:
                return [bytes(block).decode() for block in copy]
        cursor.execute(statement)
        if cursor.description is not None:
            return [repr(row) for row in cursor.fetchall()]
    return []


def foreign(told: list[str]) -> list[str]:
    marks = (MARK.decode(), MARK.hex())
    return [text for text in told if any(mark in text for mark in marks)]


@pytest.mark.parametrize("statements", [320, pytest.param(2000, marks=pytest.mark.postgres)])
def test_hostile_statements_see_no_row_of_another_gallery(
    postgres_server: Server, postgres_url: str, other_store: PostgresStore, statements: int
) -> None:
    own = PostgresStore(f"{postgres_url}/g{secrets.token_hex(6)}", create=True)
    sibling = PostgresStore(f"{postgres_url}/h{secrets.token_hex(6)}", create=True)
    fill(own, OWN)
    fill(sibling, MARK)
    names = [str(store.place.gallery) for store in (other_store, sibling)]
    before = [(store.people(), store.items(), store.audit()) for store in (other_store, sibling)]
    rng, seen, n = random.Random(18), list[str](), 0
    notices: list[str] = []
    while n < statements:
        with own._sessions.alone() as connection:
            connection.add_notice_handler(
                lambda notice: notices.append(str(notice.message_primary))
            )
            connection.execute("SET statement_timeout = '2s'")
            for _ in range(40):
                some = spoofs(rng, names) if rng.random() < 0.4 else looks(rng)
                seen += foreign(attempt(connection, rng.choice(some)))
                n += 1
    assert seen == []
    assert foreign(notices) == []
    # The smuggled function did run.
    assert any(OWN.decode() in text or OWN.hex() in text for text in notices)
    after = [(store.people(), store.items(), store.audit()) for store in (other_store, sibling)]
    assert after == before
    planted = postgres_server.sql(
        "SELECT count(*) FROM vultus_db.meta AS m JOIN vultus_db.directory AS d ON d.id = m.gallery"
        f" WHERE key = 'planted' AND d.name IN ('{names[0]}', '{names[1]}')",
        database="faces",
    )
    assert planted == "0"
    own.close()
    sibling.close()


def test_the_statements_do_find_what_is_not_guarded(
    postgres_server: Server, postgres_url: str, other_store: PostgresStore
) -> None:
    """That none was seen says something: without the rules they are."""
    own = PostgresStore(f"{postgres_url}/g{secrets.token_hex(6)}", create=True)
    rng, seen = random.Random(18), list[str]()
    turn = "ALTER TABLE vultus_db.people {} ROW LEVEL SECURITY"
    postgres_server.sql(turn.format("DISABLE"), database="faces")
    try:
        with own._sessions.alone() as connection:
            for _ in range(600):
                seen += foreign(attempt(connection, rng.choice(looks(rng)) + " "))
    finally:
        postgres_server.sql(turn.format("ENABLE"), database="faces")
    assert seen
    own.close()


def test_a_connection_in_no_gallery_sees_nothing(
    postgres_server: Server, postgres_url: str
) -> None:
    fill(PostgresStore(f"{postgres_url}/g{secrets.token_hex(6)}", create=True), MARK)
    with psycopg.connect(postgres_url) as connection:
        for table in TABLES:
            assert connection.execute(f"SELECT count(*) FROM vultus_db.{table}").fetchone() == (0,)
