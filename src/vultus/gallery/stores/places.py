"""Where a gallery is: a file, or a name in a PostgreSQL database."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from vultus.core.errors import InputError

_URL = re.compile(r"postgres(?:ql)?:/{1,3}([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SECRET = ("password", "sslpassword", "passfile")
_FORM = "postgresql://[USER@]HOST[:PORT]/DATABASE"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabasePlace:
    """A PostgreSQL database, and a gallery in it.

    Attributes:
        user: Who logs in; None for libpq's own rule (``PGUSER``, the system's user).
        hosts: ``HOST[:PORT]``, or several with commas: the first that may be written is taken;
            empty for libpq's own rule (``PGHOST``, the local socket).
        database: Its name.
        gallery: The gallery's name; None for the database as a whole.
        options: What else libpq is told, e.g. ``sslmode``.
    """

    user: str | None
    hosts: str
    database: str
    gallery: str | None
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """For messages: no user, no options."""
        url = f"postgresql://{self.hosts}/{self.database}"
        return url if self.gallery is None else f"{url}/{self.gallery}"

    def at(self, gallery: str) -> "DatabasePlace":
        """A gallery of the same database.

        Raises:
            InputError: If it is no name of a gallery.
        """
        return DatabasePlace(
            user=self.user,
            hosts=self.hosts,
            database=self.database,
            gallery=_checked(gallery),
            options=self.options,
        )

    def url(self) -> str:
        """All that was given, to open it again; it holds no secret."""
        user = "" if self.user is None else f"{self.user}@"
        words = "&".join(f"{name}={value}" for name, value in self.options)
        end = "" if self.gallery is None else f"/{self.gallery}"
        query = f"?{words}" if words else ""
        return f"postgresql://{user}{self.hosts}/{self.database}{end}{query}"


def place_of(location: str | Path) -> Path | DatabasePlace:
    """What a location means.

    Args:
        location: A path, or ``postgresql://[USER@]HOST[:PORT]/DATABASE[/GALLERY][?OPTION=VALUE]``,
            also as `pathlib` writes it, which makes one slash of two.

    Raises:
        InputError: If it is a URL of another form, or holds a password, which others could read in
            the list of processes.

    Example:
        >>> str(place_of("postgresql://ann@db.example:5433/faces/staff"))
        'postgresql://db.example:5433/faces/staff'
        >>> place_of("people.db")
        PosixPath('people.db')
    """
    found = _URL.fullmatch(str(location))
    if found is None:
        if re.match("[a-z+]{2,}:/", str(location), re.IGNORECASE):
            raise InputError(
                f"a gallery is a file or {_FORM}/NAME, got a URL that begins "
                f"{str(location).partition(':')[0]}:"
            )
        return Path(location)
    parts = found[1].split("/")
    # With three slashes (of which pathlib leaves one) there is no host: libpq's own rule holds.
    local = str(location).lower().partition(":")[2].startswith("///")
    if local or (len(parts) == 2 and "://" not in str(location)):
        parts = ["", *parts]
    if len(parts) not in (2, 3) or not parts[1]:
        raise InputError(f"a gallery in a database is {_FORM}/NAME")
    user, _, hosts = parts[0].rpartition("@")
    options = tuple(parse_qsl(found[2] or "", keep_blank_values=True))
    _check_secrets(user, [name for name, _ in options])
    return DatabasePlace(
        user=unquote(user) or None,
        hosts=hosts,
        database=unquote(parts[1]),
        gallery=_checked(unquote(parts[2])) if len(parts) == 3 else None,
        options=options,
    )


def gallery_name(location: str | Path) -> str:
    """The name of a gallery: in a database its own, else the stem of the file.

    Example:
        >>> gallery_name("galleries/staff.db"), gallery_name("postgresql://h/faces/night.shift")
        ('staff', 'night.shift')
    """
    place = place_of(location)
    return place.stem if isinstance(place, Path) else place.gallery or place.database


def shown(location: str | Path) -> str:
    """How messages call a location: of a gallery in a database without user and options.

    Example:
        >>> shown("people.db"), shown("postgresql:/ann@h/faces/staff?sslmode=disable")
        ('people.db', 'postgresql://h/faces/staff')
    """
    return str(place_of(location))


def may_be_gallery(location: str | Path) -> bool:
    """Whether it is a file that is there, or the URL of a gallery in a database.

    Raises:
        InputError: As `place_of`.
    """
    place = place_of(location)
    return place.is_file() if isinstance(place, Path) else place.gallery is not None


def is_database(location: str | Path) -> bool:
    """Whether it is a gallery in a database, not a file.

    Raises:
        InputError: As `place_of`.
    """
    return isinstance(place_of(location), DatabasePlace)


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise InputError(
            "the name of a gallery in a database must be 1 to 64 letters, digits, '_', '.' or '-', "
            f"a letter or digit first, got {name!a}"
        )
    return name


def _check_secrets(user: str, options: list[str]) -> None:
    if ":" in user or any(name.lower() in _SECRET for name in options):
        raise InputError(
            "the URL of a database must hold no password, which others can read in the list of "
            "processes; set PGPASSWORD or VULTUS_POSTGRES_PASSWORD_FILE, or use ~/.pgpass"
        )
