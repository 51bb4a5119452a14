"""What the owner of the tables does now and then: galleries removed, what was erased wiped."""

import re
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg import sql

from vultus.core.errors import GalleryError, InputError
from vultus.gallery.stores.places import DatabasePlace
from vultus.gallery.stores.postgres.connecting import Connection, connect
from vultus.gallery.stores.postgres.schema import check_schema
from vultus.gallery.stores.postgres.store import PostgresStore

_SWITCHES = 2
"""Checkpoints after which no older segment of the log is kept: the one before is still needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseScrub:
    """What was wiped of a database.

    Attributes:
        parts: Parts of tables that were written anew, without what was overwritten in them.
        left: Those of them in which somebody still reads an older state: do it again later.
        log: Whether the server's log (WAL) was cut, too; else it forgets by itself, within
            ``archive_timeout`` and two ``checkpoint_timeout``.
    """

    parts: int
    left: int
    log: bool

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return asdict(self)


def scrub_database(place: DatabasePlace) -> DatabaseScrub:
    """Wipe what was erased from all galleries of a database, from tables and log.

    Erasing wipes keys by itself; this wipes what is too large for that (events), and the log. Each
    part is locked while it is written anew.

    Args:
        place: The database; log in as the owner of the tables. The log is cut if that role may
            call ``pg_switch_wal`` and ``CHECKPOINT`` (``pg_checkpoint``), as a superuser may.

    Raises:
        GalleryError: If the database cannot be reached, or its tables are somebody else's.
    """
    with connect(place) as connection:
        check_schema(place, connection)
        try:
            due = _due(connection)
            left = sum(not _rewritten(connection, part) for part in due)
            return DatabaseScrub(parts=len(due), left=left, log=_log_cut(connection))
        except psycopg.Error as error:
            raise GalleryError(
                f"{place} was not scrubbed: {error.diag.message_primary or error}"
            ) from error


def remove_gallery(place: DatabasePlace) -> None:
    """Delete a gallery of a database with all that is in it; its notes of erasures stay.

    Nothing of it can be opened afterwards by who has no backup; keys are wiped as erasing does.

    Args:
        place: The gallery; log in as whoever may open it.

    Raises:
        GalleryError: If there is none, or somebody is writing in it.
        InputError: If it is a database, without a gallery's name.
    """
    if place.gallery is None:
        raise InputError(f"{place} is a database; give the name of one gallery in it")
    with closing(PostgresStore(place.url())) as store:
        store.drop()


def _due(connection: Connection) -> list[int]:
    """Parts in which something was overwritten, of all galleries, which the owner may look at."""
    with connection.transaction():
        connection.execute("ALTER TABLE vultus_db.scrubs NO FORCE ROW LEVEL SECURITY")
        rows = connection.execute(
            "SELECT DISTINCT part FROM vultus_db.scrubs ORDER BY 1"
        ).fetchall()
        connection.execute("ALTER TABLE vultus_db.scrubs FORCE ROW LEVEL SECURITY")
    return [row[0] for row in rows]


def _rewritten(connection: Connection, part: int) -> bool:
    told: list[str] = []

    def listen(notice: psycopg.errors.Diagnostic) -> None:
        told.append(notice.message_detail or "")

    row = connection.execute(
        "SELECT %s::regclass::text, i.relname FROM pg_index JOIN pg_class AS i"
        " ON i.oid = indexrelid WHERE indrelid = %s AND indisprimary",
        (part, part),
    ).fetchone()
    if row is None:
        return False
    name = sql.Identifier(*str(row[0]).split("."))
    command = sql.SQL("CLUSTER (VERBOSE) {} USING {}").format(name, sql.Identifier(row[1]))
    connection.add_notice_handler(listen)
    try:
        with connection.transaction():
            connection.execute("ALTER TABLE vultus_db.scrubs NO FORCE ROW LEVEL SECURITY")
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.execute(command)
            done = [int(found[0]) for found in (re.match("[0-9]+", text) for text in told) if found]
            if done == [0]:
                connection.execute("DELETE FROM vultus_db.scrubs WHERE part = %s", (part,))
            connection.execute("ALTER TABLE vultus_db.scrubs FORCE ROW LEVEL SECURITY")
    except psycopg.errors.LockNotAvailable:
        return False
    finally:
        connection.remove_notice_handler(listen)
    return done == [0]


def _log_cut(connection: Connection) -> bool:
    with suppress(psycopg.errors.InsufficientPrivilege):
        for _ in range(_SWITCHES):
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("CHECKPOINT")
        return True
    return False
