"""What an operator sets of a service: where it listens, what it serves, what it takes."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    Field,
    IPvAnyNetwork,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from vultus.gallery.stores.places import is_database

MIB = 1 << 20


class ServerSettings(BaseSettings):
    """Of one service; what is not given comes from ``VULTUS_SERVER_...`` in the environment.

    Attributes:
        host: The address that it listens on.
        port: The port; 0 takes a free one.
        gallery: Files of galleries, each served under its stem.
        store: ``postgresql://[USER@]HOST[:PORT]/DATABASE``: the galleries of a database are served,
            and new ones made there; keys and jobs are kept there, for all services on it. None
            serves files alone.
        data: A folder whose galleries (``*.db``) are served, where new ones are made, and where,
            without ``store``, the keys are kept. None serves ``gallery`` alone.
        admin_key_file: A file with the key of the administrator; made where there is none.
        trusted_proxies: Networks of proxies before it: who asks, and whether by TLS, is what these
            tell by ``X-Forwarded-For`` and ``X-Forwarded-Proto``; of others they are not read.
        most_bytes: Of one request.
        most_pixels: Of one photo, known before it is decoded.
        most_photos: Of one request.
        most_faces: Of one photo.
        in_flight: Requests that are worked on at once; more are asked to come again.
        requests_per_minute: Of one key.
        session_hours: How long a log-in on the page lasts at most.
        log_format: ``text`` or ``json``, one object a line.
        otlp_endpoint: Base address of an OpenTelemetry collector that gets spans of requests, by
            OTLP over HTTP; None traces nothing.
        metrics_for: Who may read ``/metrics``: keys for all galleries of that role or a higher one,
            ``anybody`` (where a proxy or the address it listens on keeps others away), ``nobody``.
        metrics_by_gallery: Whether ids of galleries are labels there.
        keep_answers_h: How long answers to requests with an ``Idempotency-Key`` are kept, in hours.
        retention_every_h: How often people, faces, events, jobs whose time is over are erased, in
            hours.
        keep_jobs_days: How long jobs that ended are kept, with their results.
        keep_deliveries_days: How long it is kept what was sent to webhooks.
        most_upload_bytes: Of a zip for a job.
        most_job_photos: Files in it.
        most_jobs: That wait or are worked on.
        most_streams: Who may listen to server-sent events at once.
        webhook_networks: Networks that webhooks may be sent to though they are not public; there
            by http, too.
        monitor_networks: Networks of cameras that are trusted: there monitors may watch streams by
            rtsp, rtsps and http, too, also at addresses that are not public.
        monitor_cameras: Numbers of this machine's cameras that may be watched.
        monitor_folder: Where films lie that may be watched, by their names; None for no films.
        most_monitors: Of all galleries.
        max_fnir: A search whose threshold misses more of the enrolled is refused, in [0, 1]; None
            leaves the recogniser's limit.
        liveness: What looks for prints and screens: names of models of the task antispoof, or files
            with their cards. None looks at nothing.
        require_live: Faces that may be one, or of which that cannot be judged, are refused in all
            requests, jobs and live views; else where a request asks for it.
        require_live_session: Ids of galleries whose people are named and compared only by the token
            of an accepted liveness session; ``*`` is all of them, and comparisons of two photos,
            too. Monitors go on: they watch cameras that the site owns.
        liveness_lights: Liveness sessions fill the screen with colours after the movements, and
            look for their light on the face. Nobody tried that on people: off unless set.
        keep_events: Whether decisions and enrolments are written to the gallery's log of events.
    """

    model_config = SettingsConfigDict(env_prefix="VULTUS_SERVER_", extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    gallery: tuple[Path, ...] = ()
    store: str | None = None
    data: Path | None = None
    admin_key_file: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    most_bytes: PositiveInt = 32 * MIB
    most_pixels: PositiveInt = 50_000_000
    most_photos: PositiveInt = 32
    most_faces: PositiveInt = 100
    in_flight: PositiveInt = 16
    requests_per_minute: PositiveInt = 600
    session_hours: Annotated[float, Field(gt=0, le=24 * 365)] = 12
    log_format: Literal["text", "json"] = "text"
    otlp_endpoint: str | None = None
    metrics_for: Literal["nobody", "anybody", "reader", "operator", "admin"] = "operator"
    metrics_by_gallery: bool = False
    keep_answers_h: PositiveFloat = 24.0
    retention_every_h: Annotated[float, Field(gt=0, le=24 * 365)] = 1.0
    keep_jobs_days: PositiveFloat = 30.0
    keep_deliveries_days: PositiveFloat = 30.0
    most_upload_bytes: PositiveInt = 4096 * MIB
    most_job_photos: PositiveInt = 200_000
    most_jobs: PositiveInt = 20
    most_streams: PositiveInt = 100
    webhook_networks: tuple[IPvAnyNetwork, ...] = ()
    monitor_networks: tuple[IPvAnyNetwork, ...] = ()
    monitor_cameras: tuple[Annotated[int, Field(ge=0, le=9999)], ...] = ()
    monitor_folder: Path | None = None
    most_monitors: PositiveInt = 8
    max_fnir: Annotated[float, Field(ge=0, le=1)] | None = None
    liveness: tuple[str, ...] = ()
    require_live: bool = False
    require_live_session: tuple[str, ...] = ()
    liveness_lights: bool = False
    keep_events: bool = True

    @field_validator("otlp_endpoint")
    @classmethod
    def _address_of_collector(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        try:
            parts = urlsplit(endpoint)
            plain = parts.port != 0 and parts.username is None and parts.password is None
        except ValueError:
            plain = False
        if (
            not plain
            or parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.fragment
        ):
            raise ValueError(
                "otlp_endpoint must be the base address of a collector, such as "
                "http://127.0.0.1:4318; headers it asks for come from OTEL_EXPORTER_OTLP_HEADERS"
            )
        return endpoint

    @model_validator(mode="after")
    def _something_to_serve(self) -> "ServerSettings":
        if not self.gallery and self.data is None and self.store is None:
            raise ValueError("give a gallery's file, a folder of galleries, or a database")
        if self.data is None and (self.store or any(map(is_database, self.gallery[:1]))):
            raise ValueError(
                "with a database give a folder of this process, too, where it keeps files"
            )
        if self.require_live and not self.liveness:
            raise ValueError("require_live takes a model that looks: give liveness, too")
        unknown = set(self.require_live_session) - {"*", *(path.stem for path in self.gallery)}
        # In a folder a gallery may be made later; of files given it is a slip that guards nothing.
        if self.data is None and unknown:
            raise ValueError(
                f"require_live_session must be ids of galleries here, or *, got "
                f"{sorted(unknown)[0]!a}"
            )
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together; give both or none")
        return self

    def demands_session(self, gallery: str) -> bool:
        """Whether a decision takes the token of a liveness session.

        Args:
            gallery: The gallery's id; empty for a comparison of two photos.
        """
        demanded = self.require_live_session
        return "*" in demanded or (gallery != "" and gallery in demanded)

    @property
    def keeps_apart(self) -> bool:
        """Whether galleries of a database are served by keys and jobs of this process alone."""
        return self.store is None and any(map(is_database, self.gallery))

    @property
    def keys_file(self) -> Path:
        """Where the hashed keys are: in ``data``, else beside the first gallery."""
        if self.data is not None:
            return self.data / "keys.json"
        return self.gallery[0].with_name(f"{self.gallery[0].name}-keys.json")

    @property
    def service_file(self) -> Path:
        """Where jobs, webhooks and answers are kept: beside the keys."""
        if self.data is not None:
            return self.data / "service.sqlite"
        return self.gallery[0].with_name(f"{self.gallery[0].name}-service.sqlite")
