"""The tables that services on one database share, brought from version to version."""

from psycopg import sql

from vultus.core.errors import GalleryError
from vultus.gallery.stores.places import DatabasePlace
from vultus.gallery.stores.postgres.connecting import Connection
from vultus.gallery.stores.postgres.versions import VersionedTables

_SERVICES = VersionedTables(
    "vultus_service",
    "Vultus services, version ",
    __package__,
    ("0001_service", "0002_liveness", "0003_no_samples"),
    0x56554C53,  # "VULS"
)
SERVICE_VERSION = _SERVICES.newest
_MIGRATE = "`vultus database upgrade --grant` makes them, as the owner of the database"


def service_version(connection: Connection) -> int | None:
    """Of the tables that are there: 0 for none; None if who asks may not use them."""
    return _SERVICES.version(connection)


def check_service_schema(place: DatabasePlace, connection: Connection) -> None:
    """Refuse a database without the tables of this version.

    Raises:
        GalleryError: If they are missing, of another version, or of no use to who logs in.
    """
    there = service_version(connection)
    if there == SERVICE_VERSION:
        return
    if there == 0:
        raise GalleryError(
            f"{place} has no tables for what services share (keys, jobs); {_MIGRATE}"
        )
    if there is None:
        raise GalleryError(
            f"{connection.info.user} may not use what services share of {place}; `vultus database "
            "upgrade --grant` lets a role in"
        )
    raise GalleryError(
        f"{place} has tables of services of version {there}, not {SERVICE_VERSION}; `vultus "
        "database upgrade` brings them to it, or update Vultus here"
    )


def upgrade_service(
    place: DatabasePlace, *, to: int = SERVICE_VERSION, grant: tuple[str, ...] = ()
) -> tuple[int, int]:
    """Bring the tables that services share to a version, whole or not at all.

    Args:
        place: The database, which has the tables of galleries; log in as their owner.
        to: The version; an earlier one undoes what came after; 0 takes all away, keys and jobs with
            them.
        grant: Roles that may run services afterwards. All that log in as one role are one service;
            row-level security keeps those of other roles apart.

    Returns:
        The version before, and the version now.

    Raises:
        GalleryError: If the database cannot be reached, or a step fails: nothing was changed then.
        InputError: If there is no such version.
    """

    def granted(connection: Connection) -> None:
        for role in grant:
            _grant(connection, role)

    return _SERVICES.bring(place, to=to, granted=granted)


def _grant(connection: Connection, role: str) -> None:
    name = sql.Identifier(role)
    for statement in (
        sql.SQL("GRANT USAGE ON SCHEMA vultus_service TO {}").format(name),
        sql.SQL(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vultus_service TO {}"
        ).format(name),
        sql.SQL("GRANT EXECUTE ON FUNCTION vultus_service.galleries() TO {}").format(name),
    ):
        connection.execute(statement)
