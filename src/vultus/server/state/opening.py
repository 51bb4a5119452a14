"""Opening what a service must not forget, where its settings say that it is."""

from typing import TYPE_CHECKING

from vultus.core.errors import InputError
from vultus.gallery.stores.places import DatabasePlace, place_of
from vultus.server.service_file import ServiceFile
from vultus.server.settings import ServerSettings

if TYPE_CHECKING:
    from vultus.server.state.database import ServiceDatabase


def store_place(url: str) -> DatabasePlace:
    """A database of galleries.

    Raises:
        InputError: If it is none, or names one gallery in it.
    """
    place = place_of(url)
    if not isinstance(place, DatabasePlace) or place.gallery is not None:
        raise InputError(
            "a store of galleries is postgresql://[USER@]HOST[:PORT]/DATABASE, without a gallery's "
            "name"
        )
    return place


def open_state(settings: ServerSettings) -> "ServiceFile | ServiceDatabase":
    """The state of a service: in its database where it has one, else in its file.

    Raises:
        ConfigError: If the file cannot be used, or is another's.
        GalleryError: If the database cannot be reached, or has not the tables.
        MissingDependencyError: If there is a database, and psycopg is not installed.
    """
    if settings.store is None:
        return ServiceFile(settings.service_file)
    from vultus.server.state.database import ServiceDatabase

    return ServiceDatabase(
        store_place(settings.store),
        folder_lock=settings.service_file.with_name(f"{settings.service_file.name}.lock"),
    )
