"""`vultus serve`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vultus.cli.gallery.options import UnlockOptions
from vultus.cli.options import RecognizerOptions
from vultus.cli.output import ExitCode, note, say
from vultus.core.errors import ConfigError, MissingDependencyError
from vultus.core.text import install_hint

if TYPE_CHECKING:
    from vultus.server.settings import ServerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Where it listens and what it serves."""

    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; 127.0.0.1 if none is given.", show_default=False),
    ] = None
    port: Annotated[
        int | None,
        typer.Option(help="Port; 0 takes a free one; 8000 if none is given.", show_default=False),
    ] = None
    gallery: Annotated[
        list[Path] | None,
        typer.Option(
            help="A gallery's file, made where there is none; again for more.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None
    store: Annotated[
        str | None,
        typer.Option(
            help="A database: its galleries are served, new ones are made there; keys and jobs "
            "are kept there for all services on it.",
            metavar="postgresql://[USER@]HOST[:PORT]/DATABASE",
            show_default=False,
        ),
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(
            help="A folder: its galleries are served, new ones are made there.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None
    admin_key_file: Annotated[
        Path | None,
        typer.Option(
            help="The administrator's key is in this file, made where there is none; without, the "
            "first start prints a key.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="Network of a proxy whose X-Forwarded-For and -Proto are believed, e.g. "
            "10.0.0.0/8; again for more.",
            metavar="NETWORK",
            show_default=False,
        ),
    ] = None
    max_fnir: Annotated[
        float | None,
        typer.Option(
            help="Refuse a threshold that misses more of the enrolled, [0, 1].", show_default=False
        ),
    ] = None
    liveness: Annotated[
        list[str] | None,
        typer.Option(
            help="What looks for prints and screens: a model of the task antispoof, or its file; "
            "again for more.",
            metavar="MODEL",
            show_default=False,
        ),
    ] = None
    require_live: Annotated[
        bool,
        typer.Option(
            "--require-live", help="Refuse faces that may be one in all requests, not where asked."
        ),
    ] = False
    require_live_session: Annotated[
        list[str] | None,
        typer.Option(
            help="Name and compare people of this gallery by the token of an accepted liveness "
            "session only; again for more, * for all and for comparisons of two photos.",
            metavar="GALLERY",
            show_default=False,
        ),
    ] = None
    liveness_lights: Annotated[
        bool,
        typer.Option(
            "--liveness-lights",
            help="Liveness sessions fill the screen with colours after the movements, and look for "
            "their light on the face. Not tried on people.",
        ),
    ] = False
    log_format: Annotated[
        Literal["text", "json"] | None,
        typer.Option(help="The log: text, or json, an object a line.", show_default=False),
    ] = None
    otlp_endpoint: Annotated[
        str | None,
        typer.Option(
            help="Base address of an OpenTelemetry collector, which gets a span of each request.",
            metavar="URL",
            show_default=False,
        ),
    ] = None
    tls_certificate: Annotated[
        Path | None, typer.Option(help="Serve by TLS.", metavar="FILE", show_default=False)
    ] = None
    tls_key: Annotated[
        Path | None,
        typer.Option(help="The certificate's key.", metavar="FILE", show_default=False),
    ] = None

    def settings(self) -> "ServerSettings":
        """What was given, and what the environment says beside it."""
        with _extra():
            from pydantic import ValidationError

            from vultus.server.settings import ServerSettings
        given: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "gallery": tuple(self.gallery) if self.gallery else None,
            "store": self.store,
            "data": self.data,
            "admin_key_file": self.admin_key_file,
            "log_format": self.log_format,
            "trusted_proxies": tuple(self.trusted_proxy) if self.trusted_proxy else None,
            "liveness": tuple(self.liveness) if self.liveness else None,
            "require_live": True if self.require_live else None,
            "require_live_session": (
                tuple(self.require_live_session) if self.require_live_session else None
            ),
            "liveness_lights": True if self.liveness_lights else None,
            "max_fnir": self.max_fnir,
            "otlp_endpoint": self.otlp_endpoint,
            "tls_certificate": self.tls_certificate,
            "tls_key": self.tls_key,
        }
        try:
            return ServerSettings(
                **{name: value for name, value in given.items() if value is not None}
            )
        except ValidationError as error:
            told = "; ".join(part["msg"].removeprefix("Value error, ") for part in error.errors())
            raise ConfigError(f"the service cannot be set up so: {told}") from error


def serve(options: ServeOptions, models: RecognizerOptions, opener: UnlockOptions) -> int:
    """Serve galleries over HTTP until it is stopped; each request takes a key."""
    settings = options.settings()
    if settings.keeps_apart:
        note(
            f"keys, rates, jobs, webhooks and monitors are kept in {settings.data}, for this "
            "process alone; --store keeps them in the database, for all services on it"
        )
    with _extra():
        from vultus.server.running import open_context
        from vultus.server.running import serve as run
    context = open_context(
        settings,
        models.open(),
        key=opener.master(),
        on_key=lambda text: say(f"key of the administrator, told only now: {text}"),
    )
    run(context, on_ready=lambda address: note(f"serving {address}; stop it by Ctrl-C"))
    return ExitCode.OK


@contextmanager
def _extra() -> Iterator[None]:
    """Says what to install where the packages of the service are not."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"`vultus serve` needs {error.name}; {install_hint('server')}"
        ) from error
