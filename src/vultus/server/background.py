"""What a service does beside answering, and what it must not forget."""

from vultus.pipeline.recognizer import Recognizer
from vultus.server.galleries import Galleries
from vultus.server.idempotency import Idempotency
from vultus.server.jobs.archive import Limits
from vultus.server.jobs.jobs import Jobs
from vultus.server.monitors.monitors import Monitors
from vultus.server.monitors.telling import tell_others
from vultus.server.retention import Retention, RetentionRules
from vultus.server.settings import ServerSettings
from vultus.server.state.base import ServiceState
from vultus.server.state.tending import Tending
from vultus.server.streams import Streams
from vultus.server.webhooks.dispatcher import Dispatcher
from vultus.server.webhooks.hooks import Webhooks

_HOUR_S = 3600.0
_SYNC_S, _TEND_S = 0.3, 0.5
"""So often what another process of the service did is looked for, where there may be one."""


class Background:
    """The parts of a service that go on between requests.

    Args:
        settings: What the operator set.
        galleries: The galleries.
        recognizer: What judges photos of jobs.
        state: Where it is kept what must not be forgotten; `close` closes it.

    Attributes:
        state: As given.
        idempotency: Answers that were given.
        streams: Who listens.
        webhooks: Where events are sent.
        dispatcher: What sends them.
        jobs: Long work.
        monitors: Cameras, streams and films that are watched.
        retention: What is over.
        requests: How many requests are being worked on; who counts them says it.
    """

    def __init__(
        self,
        settings: ServerSettings,
        galleries: Galleries,
        recognizer: Recognizer,
        *,
        state: ServiceState,
    ) -> None:
        self.state = self._file = state
        self.idempotency = Idempotency(self._file, keep_s=settings.keep_answers_h * _HOUR_S)
        self.streams = Streams(most=settings.most_streams)
        self.webhooks = Webhooks(self._file)
        self.dispatcher = Dispatcher(self.webhooks, galleries, networks=settings.webhook_networks)
        self.requests = 0
        self.jobs = Jobs(
            self._file,
            galleries,
            recognizer,
            limits=Limits(
                photos=settings.most_job_photos,
                bytes=settings.most_bytes,
                pixels=settings.most_pixels,
            ),
            most=settings.most_jobs,
            keep_events=settings.keep_events,
        )
        self.jobs.worker.busy = lambda: self.requests
        self.monitors = Monitors(
            self._file, galleries, recognizer, settings=settings, busy=lambda: self.requests
        )
        self.retention = Retention(
            galleries,
            jobs=self.jobs.store,
            webhooks=self.webhooks,
            idempotency=self.idempotency,
            rules=RetentionRules(
                every_h=settings.retention_every_h,
                jobs_days=settings.keep_jobs_days,
                deliveries_days=settings.keep_deliveries_days,
                answers_h=settings.keep_answers_h,
            ),
            keep_events=settings.keep_events,
        )

        self._tending = (
            ()
            if not state.shared
            else (
                Tending("vultus-galleries", galleries.sync, every_s=_SYNC_S),
                Tending("vultus-tending", lambda: self.monitors.tend(tell_others), every_s=_TEND_S),
            )
        )
        galleries.on_deleted += [
            self.monitors.forget_gallery,
            self.jobs.store.forget_gallery,
            self.webhooks.forget_gallery,
        ]

    def start(self) -> None:
        """Begin what goes on by itself."""
        self.dispatcher.start()
        self.jobs.worker.start()
        self.retention.start()
        self.monitors.start()
        for one in self._tending:
            one.start()

    def close(self) -> None:
        """End it; closing twice is fine."""
        self.streams.close()
        for one in self._tending:
            one.stop()
        self.monitors.stop()
        self.jobs.worker.stop()
        self.retention.stop()
        self.dispatcher.stop()
        self._file.close()
