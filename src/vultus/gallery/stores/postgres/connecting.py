"""Connecting to a PostgreSQL database: where to, with which password, and why it failed."""

import os
from pathlib import Path
from typing import Any

from vultus.core.errors import (
    ConfigError,
    GalleryError,
    GalleryUnreachableError,
    MissingDependencyError,
)
from vultus.core.text import install_hint
from vultus.gallery.stores.places import DatabasePlace

try:
    import psycopg
except ImportError as error:  # the extra is not installed
    raise MissingDependencyError(
        f"galleries in a PostgreSQL database need psycopg; {install_hint('postgres')}"
    ) from error

Connection = psycopg.Connection[tuple[Any, ...]]

PASSWORD_FILE = "VULTUS_POSTGRES_PASSWORD_FILE"  # noqa: S105 -- the name of a variable
CONNECT_TIMEOUT_S = 10
_LOCAL = ("", "localhost", "127.0.0.1", "::1", "[::1]")
_SETTINGS = {
    # A statement reads or writes a page of rows; who waits longer has met a fault.
    "statement_timeout": "60s",
    "lock_timeout": "10s",
    # A client that is gone without saying so must not keep its lock on the gallery.
    "idle_in_transaction_session_timeout": "5min",
    "client_encoding": "UTF8",
}


def connect(place: DatabasePlace) -> Connection:
    """One connection, in no gallery yet.

    Raises:
        GalleryError: If the database cannot be reached, or lets nobody in; with no secret in it.
        ConfigError: If the file with the password cannot be read.
    """
    try:
        return psycopg.connect(conninfo(place), autocommit=True, **password_argument())
    except psycopg.Error as error:
        kind = GalleryError if _is_refused(error) else GalleryUnreachableError
        raise kind(unreachable(place, error)) from None  # its text may tell more


def conninfo(place: DatabasePlace) -> str:
    """What libpq is told, without the password."""
    hosts = [part.rpartition(":") for part in place.hosts.split(",")] if place.hosts else []
    names = [
        host if colon and port.isdigit() else host + colon + port for host, colon, port in hosts
    ]
    ports = [port if colon and port.isdigit() else "" for _, colon, port in hosts]
    told: dict[str, Any] = {
        "dbname": place.database,
        "user": place.user,
        "host": ",".join(name.strip("[]") for name in names) or None,
        "port": ",".join(ports) if any(ports) else None,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": "vultus",
        # After a failover the one that may be written is taken.
        "target_session_attrs": "read-write",
        "tcp_user_timeout": 15_000,
        "options": " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items()),
    }
    if any(name not in _LOCAL and not name.startswith("/") for name in names):
        told["sslmode"] = "require"  # faces and names do not cross a network in the clear
    told.update(place.options)
    try:
        return psycopg.conninfo.make_conninfo(
            **{name: value for name, value in told.items() if value is not None}
        )
    except psycopg.Error as error:
        raise ConfigError(f"{place} cannot be opened so: {str(error).strip()}") from None


def password_argument() -> dict[str, Any]:
    """What libpq is told of the password, where a file holds it; else it looks for it itself."""
    file = os.environ.get(PASSWORD_FILE)
    if not file:
        return {}
    try:
        return {"password": Path(file).read_text().rstrip("\r\n")}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"${PASSWORD_FILE}: {file} cannot be read ({reason})") from error


def _is_refused(error: psycopg.Error) -> bool:
    """Whether the server let nobody in, which does not pass by itself."""
    refused = ("password", "authentication", "pg_hba", "does not exist", "not permitted")
    return any(word in str(error) for word in refused)


def unreachable(place: DatabasePlace, error: psycopg.Error) -> str:
    """Why no connection could be made, and what to do."""
    text = str(error)
    user = place.user or "the user"
    if "password authentication failed" in text or "no password supplied" in text:
        return (
            f"{place} does not let {user} in: the password is wrong or missing; set PGPASSWORD or "
            f"{PASSWORD_FILE}"
        )
    last = text.strip().splitlines()[-1].strip() if text.strip() else type(error).__name__
    return f"{place} cannot be reached ({last}); check its address, its server and who may log in"
