"""`vultus database upgrade | list | scrub | remove`."""

from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.output import ExitCode, JsonOption, note, print_json, say
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.gallery.stores.places import DatabasePlace

DatabaseArgument = Annotated[
    str,
    typer.Argument(
        help="The database; passwords come from PGPASSWORD or VULTUS_POSTGRES_PASSWORD_FILE.",
        metavar="postgresql://[USER@]HOST[:PORT]/DATABASE",
    ),
]


def upgrade(
    database: DatabaseArgument,
    grant: Annotated[
        list[str] | None,
        typer.Option(
            help="A role that may use galleries afterwards; again for more.",
            metavar="ROLE",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        int | None,
        typer.Option(
            help="The version of the tables, if not this program's; 0 takes them away, where there "
            "is no gallery.",
            metavar="VERSION",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Make the tables of galleries in a database, or bring them to another version.

    With them go those that services share: keys, jobs, webhooks. Log in as the owner of the
    database. The services log in as another role, named by --grant, so that they cannot take away
    what keeps galleries apart.
    """
    from vultus.gallery.stores.postgres.schema import SCHEMA_VERSION
    from vultus.gallery.stores.postgres.schema import upgrade as bring
    from vultus.server.state.schema import SERVICE_VERSION, upgrade_service

    place, roles = _place(database), tuple(grant or ())
    before, after = bring(place, to=SCHEMA_VERSION if to is None else to, grant=roles)
    # Another version of galleries leaves the services' as they are; none takes them away, too.
    upgrade_service(place, to=0 if to == 0 else SERVICE_VERSION, grant=roles)
    if json:
        print_json({"database": str(place), "before": before, "after": after, "grant": roles})
    else:
        say(f"{place}: tables of version {after}, before {before}")
        for role in roles:
            say(f"{role} may use galleries there")
    return ExitCode.OK


def list_galleries(database: DatabaseArgument, json: JsonOption = False) -> int:
    """List the galleries of a database that whoever logs in may open."""
    from vultus.gallery.stores.opening import names_in

    place = _place(database)
    names = names_in(place)
    if json:
        print_json({"database": str(place), "galleries": names})
    else:
        for name in names:
            say(name)
    return ExitCode.OK


def scrub(database: DatabaseArgument, json: JsonOption = False) -> int:
    """Wipe what was erased from tables, and, if the role may, from the server's log.

    Log in as the owner of the tables. Exit code 1 if somebody who reads was in the way.
    """
    from vultus.gallery.stores.postgres.upkeep import scrub_database

    place = _place(database)
    done = scrub_database(place)
    if json:
        print_json({"database": str(place), **done.to_dict()})
    else:
        say(f"{place}: {done.parts - done.left} parts of tables wiped, {done.left} left")
    if not done.log and not json:
        note(
            "note: this role may not cut the server's log, which forgets within archive_timeout "
            "and two checkpoint_timeout"
        )
    return ExitCode.NO_MATCH if done.left else ExitCode.OK


def remove(
    gallery: Annotated[
        str,
        typer.Argument(
            help="The gallery.", metavar="postgresql://[USER@]HOST[:PORT]/DATABASE/NAME"
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
    json: JsonOption = False,
) -> int:
    """Delete a gallery of a database, all people with it; only a backup could bring it back."""
    from vultus.gallery.searching.templates import wipe_index
    from vultus.gallery.stores.places import DatabasePlace, place_of
    from vultus.gallery.stores.postgres.upkeep import remove_gallery

    place = place_of(gallery)
    if not isinstance(place, DatabasePlace):
        raise InputError(f"{place} is a file; delete it, and what lies beside it, by hand")
    if not yes:
        raise InputError(f"{place} would be deleted with all its people; say so by --yes")
    remove_gallery(place)
    wipe_index(gallery)
    if json:
        print_json({"removed": str(place)})
    else:
        say(f"{place} is removed")
    return ExitCode.OK


def _place(url: str) -> "DatabasePlace":
    from vultus.gallery.stores.places import DatabasePlace, place_of

    place = place_of(url)
    if not isinstance(place, DatabasePlace) or place.gallery is not None:
        raise InputError(
            f"a database is postgresql://[USER@]HOST[:PORT]/DATABASE, got {str(place)!r}"
        )
    return place
