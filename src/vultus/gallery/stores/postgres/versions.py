"""Tables in a schema of their own, brought from version to version by SQL files."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from psycopg import Error, sql

from vultus.core.errors import GalleryError, InputError
from vultus.gallery.stores.places import DatabasePlace
from vultus.gallery.stores.postgres.connecting import Connection, connect


@dataclass(frozen=True, slots=True)
class VersionedTables:
    """Tables that know their version; it stands in the comment of their schema.

    Attributes:
        schema: What the schema is called.
        comment: What its comment begins with; the version stands behind it.
        package: Whose folder ``migrations`` holds ``NAME.up.sql`` and ``NAME.down.sql``.
        names: Of the steps: the first makes version 1, the next makes 2 of it.
        lock: Keeps two who bring them to a version apart; of this schema only.
    """

    schema: str
    comment: str
    package: str
    names: tuple[str, ...]
    lock: int

    @property
    def newest(self) -> int:
        """The version that this program works with."""
        return len(self.names)

    def version(self, connection: Connection) -> int | None:
        """Of the tables that are there: 0 for none; None if who asks may not use them.

        Raises:
            GalleryError: If a schema of this name is somebody else's.
        """
        row = connection.execute(
            "SELECT obj_description(oid, 'pg_namespace'), has_schema_privilege(oid, 'USAGE')"
            " FROM pg_namespace WHERE nspname = %s",
            (self.schema,),
        ).fetchone()
        if row is None:
            return 0
        comment, may_use = row
        if not (comment or "").startswith(self.comment):
            raise GalleryError(
                f"the database has a schema `{self.schema}` that is not of this program; take "
                "another database"
            )
        return int(comment.removeprefix(self.comment)) if may_use else None

    def bring(
        self, place: DatabasePlace, *, to: int, granted: Callable[[Connection], None]
    ) -> tuple[int, int]:
        """Bring them to a version, whole or not at all.

        Args:
            place: The database; log in as its owner, or the owner of the tables.
            to: The version; an earlier one undoes what came after; 0 takes all away.
            granted: Lets roles in, in the same transaction, where there are tables.

        Returns:
            The version before, and the version now.

        Raises:
            GalleryError: If the database cannot be reached, or a step fails: nothing was changed
                then.
            InputError: If there is no such version.
        """
        if not 0 <= to <= self.newest:
            raise InputError(f"the version of tables must be 0 to {self.newest}, got {to}")
        with connect(place) as connection:
            try:
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", (self.lock,))
                    before = self.version(connection) or 0
                    for script in self._steps(before, to):
                        connection.execute(script)
                    if to:
                        self._note(connection, to)
                        granted(connection)
            except Error as error:
                raise GalleryError(
                    f"{place} was left as it was: {error.diag.message_primary or error}"
                ) from error
        return before, to

    def _steps(self, before: int, to: int) -> list[str]:
        up, down = self.names[before:to], self.names[to:before]
        names = [f"{name}.up.sql" for name in up] + [f"{name}.down.sql" for name in down[::-1]]
        folder = files(self.package) / "migrations"
        return [(folder / name).read_text("utf-8") for name in names]

    def _note(self, connection: Connection, number: int) -> None:
        connection.execute(
            sql.SQL("COMMENT ON SCHEMA {} IS {}").format(
                sql.Identifier(self.schema), sql.Literal(f"{self.comment}{number}")
            )
        )
