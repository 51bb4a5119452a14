"""Running a service: keys, galleries and models opened, then served until it is stopped."""

import asyncio
import contextvars
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from vultus.core.errors import ConfigError, MissingDependencyError
from vultus.core.text import install_hint
from vultus.gallery.security.master_key import MasterKey
from vultus.liveness.passive import open_passive_liveness
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import KeyRing, Keys, RateLimit, Rates, read_or_make_admin_key
from vultus.server.app import make_app
from vultus.server.background import Background
from vultus.server.connection import connections
from vultus.server.context import Context
from vultus.server.galleries import Galleries
from vultus.server.guard import USUAL_HEADERS
from vultus.server.live_sessions import LivenessSessions, LiveSessions
from vultus.server.logs import log_to
from vultus.server.metrics import Metrics
from vultus.server.monitors.measures import MonitorMeasures
from vultus.server.routes.records import remove_strays
from vultus.server.service_file import ServiceFile
from vultus.server.sessions import Sessions
from vultus.server.settings import ServerSettings
from vultus.server.state.access import SharedKeys, SharedRates
from vultus.server.state.live_sessions import SharedLiveSessions
from vultus.server.state.opening import open_state
from vultus.server.state.sessions import SharedSessions

if TYPE_CHECKING:
    from vultus.server.state.database import ServiceDatabase
    from vultus.server.tracing import Tracing


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
        MissingDependencyError: If a collector is named and the extra ``otel`` is not installed.
        ModelError: If a model cannot be loaded.
    """
    if settings.data is not None and not settings.data.is_dir():
        raise ConfigError(f"{settings.data} must be a folder that is there; make it first")
    recognizer.detector, recognizer.embedder, recognizer.trust_head  # noqa: B018 - loads them
    recognizer.most_faces = settings.most_faces
    passive = recognizer.liveness
    if settings.liveness:
        passive = open_passive_liveness(settings.liveness)
    if settings.require_live:
        recognizer.liveness = passive
    if settings.max_fnir is not None:
        recognizer.max_fnir = settings.max_fnir
    tracing = _tracing(settings)
    state = open_state(settings)
    try:
        access = _access(settings, state)
        if settings.admin_key_file is not None:
            access.keys.admit(read_or_make_admin_key(settings.admin_key_file))
        elif (text := access.keys.add_first()) is not None and on_key is not None:
            on_key(text)
        galleries = Galleries(
            recognizer,
            settings.gallery,
            data=settings.data,
            store=settings.store,
            key=key,
            shared=None if isinstance(state, ServiceFile) else state,
        )
        metrics = Metrics(recognizer, galleries.all, by_gallery=settings.metrics_by_gallery)
        recognizer.watcher = metrics
        background = Background(settings, galleries, recognizer, state=state)
    except BaseException:
        state.close()
        raise
    keys = access.keys
    live_sessions: LivenessSessions = LiveSessions()
    if state.shared:
        live_sessions = SharedLiveSessions(
            state, recognizer.embedder.space, most_pixels=settings.most_pixels
        )
    galleries.on_deleted.append(keys.forget_gallery)
    galleries.finish_deletions()
    remove_strays(settings.service_file.parent)
    metrics.registry.register(MonitorMeasures(background.monitors))
    return Context(
        settings=settings,
        metrics=metrics,
        recognizer=recognizer,
        galleries=galleries,
        keys=keys,
        rates=access.rates,
        sessions=access.sessions,
        background=background,
        liveness=passive,
        live_sessions=live_sessions,
        tracing=tracing,
    )


def _tracing(settings: ServerSettings) -> "Tracing | None":
    if settings.otlp_endpoint is None:
        return None
    try:
        from vultus.server.tracing import tracing_to
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"spans for a collector need {error.name}; {install_hint('otel')}"
        ) from error
    return tracing_to(settings.otlp_endpoint)


@dataclass(frozen=True, slots=True)
class _Access:
    keys: Keys
    rates: Rates
    sessions: Sessions


def _access(settings: ServerSettings, state: "ServiceFile | ServiceDatabase") -> _Access:
    """Who may do what, and how often: of this process, or of all that share a database."""
    hours, per_minute = settings.session_hours, settings.requests_per_minute
    if not state.shared:
        ring = KeyRing(settings.keys_file)
        return _Access(ring, RateLimit(per_minute), Sessions(ring, hours=hours))
    keys = SharedKeys(state)
    if settings.keys_file.exists():
        keys.take_over(KeyRing(settings.keys_file).listed())
    rates = SharedRates(state, per_minute, of="key")
    return _Access(keys, rates, SharedSessions(keys, state, hours=hours))


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
        http=connections(USUAL_HEADERS, most=_most_connections()),
        ws="websockets-sansio",
        # A frame of a camera is no larger than a request; uvicorn's own limit is 16 MiB.
        ws_max_size=settings.most_bytes,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=10,
        # Asked no more once the server is to stop: by that streams know that they must end.
        callback_notify=context.background.streams.tick,
        timeout_notify=1,
    )


def _most_connections() -> int:
    """Half of the files that the process may open: galleries must be opened, too."""
    try:
        import resource
    except ImportError:
        return 0
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 0 if soft == resource.RLIM_INFINITY else max(soft // 2, 16)


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
