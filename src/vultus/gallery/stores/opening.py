"""Opening the store of a gallery by where it is."""

from pathlib import Path

from vultus.gallery.stores.copying import CopiedStore
from vultus.gallery.stores.places import DatabasePlace, place_of
from vultus.gallery.stores.sqlite import SqliteStore


def open_store(location: str | Path, *, create: bool = False) -> CopiedStore:
    """The store of a gallery, in a file or in a database.

    Args:
        location: As `vultus.gallery.stores.places.place_of` reads it.
        create: Make an empty gallery where there is none.

    Raises:
        GalleryError: If it is missing, foreign, cannot be reached or made.
        MissingDependencyError: If it is in a database, and psycopg is not installed.
        InputError: If the location is none.
    """
    place = place_of(location)
    if isinstance(place, Path):
        return SqliteStore(place, create=create)
    from vultus.gallery.stores.postgres.store import PostgresStore

    return PostgresStore(place.url(), create=create)


def is_there(location: str | Path) -> bool:
    """Whether there is a gallery, or a file that is taken for one.

    Raises:
        GalleryError: If a database cannot be reached, or has no tables for galleries.
        MissingDependencyError: If it is in a database, and psycopg is not installed.
        InputError: If the location is none.
    """
    place = place_of(location)
    if isinstance(place, Path):
        return place.exists()
    return place.gallery in names_in(place)


def names_in(place: DatabasePlace) -> list[str]:
    """The galleries of a database, in alphabetical order.

    Raises:
        GalleryError: If it cannot be reached, or has no tables for galleries.
        MissingDependencyError: If psycopg is not installed.
    """
    from vultus.gallery.stores.postgres.schema import gallery_names

    return gallery_names(place)
