"""Running a service: keys, galleries and models opened, then served until it is stopped."""

import asyncio
import contextvars
import logging
import socket
from collections.abc import Callable

import uvicorn

from vultus.core.errors import ConfigError
from vultus.gallery.security.master_key import MasterKey
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import KeyRing, RateLimit, Role, read_or_make_admin_key
from vultus.server.app import make_app
from vultus.server.background import Background
from vultus.server.context import Context
from vultus.server.galleries import Galleries
from vultus.server.logs import log_to
from vultus.server.metrics import Metrics
from vultus.server.sessions import Sessions
from vultus.server.settings import ServerSettings


def open_context(
    settings: ServerSettings,
    recognizer: Recognizer,
    *,
    key: MasterKey | None = None,
    on_key: Callable[[str], None] | None = None,
) -> Context:
    """Open what a service is made of: its keys, galleries and models.

    Args:
        settings: What the operator set.
        recognizer: What judges photos; its models are loaded now, its ``most_faces`` is set.
        key: The master key of the galleries, or None.
        on_key: Told the administrator's key, once, when the first is made here.

    Raises:
        ConfigError: If the folder or a file of keys is of no use.
        GalleryError: If a gallery cannot be opened.
        ModelError: If a model cannot be loaded.
    """
    if settings.data is not None and not settings.data.is_dir():
        raise ConfigError(f"{settings.data} must be a folder that is there; make it first")
    recognizer.detector, recognizer.embedder, recognizer.trust_head  # noqa: B018 - loads them
    recognizer.most_faces = settings.most_faces
    if settings.max_fnir is not None:
        recognizer.max_fnir = settings.max_fnir
    keys = KeyRing(settings.keys_file)
    if settings.admin_key_file is not None:
        keys.admit(read_or_make_admin_key(settings.admin_key_file))
    elif not len(keys):
        text = keys.add(Role.admin)[1]
        if on_key is not None:
            on_key(text)
    galleries = Galleries(recognizer, settings.gallery, data=settings.data, key=key)
    metrics = Metrics(recognizer, galleries.all, by_gallery=settings.metrics_by_gallery)
    recognizer.watcher = metrics
    try:
        background = Background(settings, galleries, recognizer)
    except ConfigError:
        galleries.close()
        raise
    return Context(
        settings=settings,
        metrics=metrics,
        recognizer=recognizer,
        galleries=galleries,
        keys=keys,
        rates=RateLimit(settings.requests_per_minute),
        sessions=Sessions(keys, hours=settings.session_hours),
        background=background,
    )


def serve(context: Context, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until the process is asked to stop.

    Args:
        context: The service's parts.
        on_ready: Told the address once requests are answered there.

    Raises:
        ConfigError: If the address cannot be listened on.
    """
    settings = context.settings
    listener = _listener(settings.host, settings.port)
    log_to(form=settings.log_format)
    config = server_config(context)
    scheme = "https" if settings.tls_certificate else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    server = _Told(config, f"{scheme}://{host}:{listener.getsockname()[1]}", on_ready)
    # In a context of its own: who asks over HTTP is not told of the command line's options.
    contextvars.Context().run(asyncio.run, server.serve(sockets=[listener]))


def server_config(context: Context) -> uvicorn.Config:
    """How the application is served; the guard logs each request, so nobody else does."""
    # It logs whole addresses, with what is asked for, to whoever listens to all loggers.
    logging.getLogger("uvicorn.access").disabled = True
    settings = context.settings
    return uvicorn.Config(
        make_app(context),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="websockets-sansio",
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=10,
        # Asked no more once the server is to stop: by that streams know that they must end.
        callback_notify=context.background.streams.tick,
        timeout_notify=1,
    )


class _Told(uvicorn.Server):
    """A server that tells when it answers."""

    def __init__(
        self, config: uvicorn.Config, address: str, on_ready: Callable[[str], None] | None
    ) -> None:
        super().__init__(config)
        self._address, self._on_ready = address, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self._on_ready is not None:
            self._on_ready(self._address)


def _listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; give another --host or "
            "--port"
        ) from error
