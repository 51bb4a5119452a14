"""The tables of galleries in a PostgreSQL database, brought from version to version."""

from psycopg import sql

from vultus.core.errors import GalleryError, InputError
from vultus.gallery.stores.places import DatabasePlace
from vultus.gallery.stores.postgres.connecting import Connection, connect
from vultus.gallery.stores.postgres.versions import VersionedTables

_MIGRATE = "`vultus database upgrade` makes it, as the owner of the database"
_GALLERIES = VersionedTables(
    "vultus_db",
    "Vultus galleries, version ",
    __package__,
    ("0001_galleries", "0002_sizes_by_statement", "0003_no_samples"),
    0x56554C54,  # "VULT"
)
SCHEMA_VERSION = _GALLERIES.newest
_TABLES = (
    *("counters", "writes", "meta", "keys", "people", "templates", "faces", "groups", "sizes"),
    *("items", "events", "changes", "scrubs"),
)
_LOGS = ("audit", "erasures")
_FUNCTIONS = (
    *("gallery()", "place()", "names()", "enter(text, boolean)", "drop_gallery()"),
    *("rewrite(oid)", "size_people()"),
)


def version(connection: Connection) -> int | None:
    """Of the tables that are there: 0 for none; None if who asks may not use them."""
    return _GALLERIES.version(connection)


def check_schema(place: DatabasePlace, connection: Connection) -> None:
    """Refuse a database without the tables of this version.

    Raises:
        GalleryError: If they are missing, or of another version.
    """
    there = version(connection)
    where = str(place).removesuffix(f"/{place.gallery}")
    if there == 0:
        raise GalleryError(f"{where} has no tables for galleries; {_MIGRATE}")
    if there is None:
        raise GalleryError(
            f"{connection.info.user} may not use the galleries of {where}; `vultus database "
            "upgrade --grant` lets a role in"
        )
    if there < SCHEMA_VERSION:
        raise GalleryError(
            f"{where} has tables of version {there}, not {SCHEMA_VERSION}; `vultus database "
            "upgrade` brings them to it"
        )
    if there > SCHEMA_VERSION:
        raise GalleryError(
            f"{where} has tables of version {there}, of a later Vultus (this one: "
            f"{SCHEMA_VERSION}); update Vultus here"
        )


def upgrade(
    place: DatabasePlace, *, to: int = SCHEMA_VERSION, grant: tuple[str, ...] = ()
) -> tuple[int, int]:
    """Bring the tables of a database to a version, whole or not at all.

    Args:
        place: The database; log in as its owner, or the owner of the tables.
        to: The version; an earlier one undoes what came after; 0 takes all away, if there are no
            galleries.
        grant: Roles that may use galleries afterwards; not the owner, who could take the rules
            away.

    Returns:
        The version before, and the version now.

    Raises:
        GalleryError: If the database cannot be reached, or a step fails: nothing was changed then.
        InputError: If there is no such version or role.
    """

    def granted(connection: Connection) -> None:
        for role in grant:
            _grant(connection, role)

    return _GALLERIES.bring(place, to=to, granted=granted)


def gallery_names(place: DatabasePlace) -> list[str]:
    """The galleries of a database that whoever logs in may enter, in alphabetical order.

    Raises:
        GalleryError: If it cannot be reached, or has no tables for galleries.
    """
    with connect(place) as connection:
        check_schema(place, connection)
        return [str(row[0]) for row in connection.execute("SELECT vultus_db.names()")]


def _grant(connection: Connection, role: str) -> None:
    row = connection.execute(
        "SELECT rolsuper OR rolbypassrls OR pg_has_role(%s, current_user, 'MEMBER')"
        " FROM pg_roles WHERE rolname = %s",
        (role, role),
    ).fetchone()
    if row is None:
        raise InputError(f"there is no role {role!r}; CREATE ROLE makes one, with LOGIN")
    if row[0]:
        raise InputError(
            f"{role} owns the tables or is above them, so that nothing would keep galleries apart; "
            "grant another role"
        )
    name = sql.Identifier(role)
    tables = sql.SQL(", ").join(sql.Identifier("vultus_db", table) for table in _TABLES)
    logs = sql.SQL(", ").join(sql.Identifier("vultus_db", table) for table in _LOGS)
    functions = sql.SQL(", ").join(sql.SQL(f"vultus_db.{function}") for function in _FUNCTIONS)
    for statement in (
        sql.SQL("GRANT USAGE ON SCHEMA vultus_db TO {}").format(name),
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}").format(tables, name),
        # What is a record stays as it was written.
        sql.SQL("GRANT SELECT, INSERT ON {} TO {}").format(logs, name),
        sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(functions, name),
    ):
        connection.execute(statement)
