"""What a service does beside answering, and what it must not forget."""

from vultus.pipeline.recognizer import Recognizer
from vultus.server.galleries import Galleries
from vultus.server.idempotency import Idempotency
from vultus.server.jobs.archive import Limits
from vultus.server.jobs.jobs import Jobs
from vultus.server.retention import Retention, RetentionRules
from vultus.server.service_file import ServiceFile
from vultus.server.settings import ServerSettings
from vultus.server.streams import Streams
from vultus.server.webhooks.dispatcher import Dispatcher
from vultus.server.webhooks.hooks import Webhooks

_HOUR_S = 3600.0


class Background:
    """The parts of a service that go on between requests.

    Args:
        settings: What the operator set.
        galleries: The galleries.
        recognizer: What judges photos of jobs.

    Attributes:
        idempotency: Answers that were given.
        streams: Who listens.
        webhooks: Where events are sent.
        dispatcher: What sends them.
        jobs: Long work.
        retention: What is over.
        requests: How many requests are being worked on; who counts them says it.

    Raises:
        ConfigError: If the service's file cannot be used, or is another's.
    """

    def __init__(
        self, settings: ServerSettings, galleries: Galleries, recognizer: Recognizer
    ) -> None:
        self._file = ServiceFile(settings.service_file)
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
        self.retention = Retention(
            galleries,
            jobs=self.jobs.store,
            webhooks=self.webhooks,
            idempotency=self.idempotency,
            rules=RetentionRules(
                every_s=settings.retention_every_h * _HOUR_S,
                jobs_days=settings.keep_jobs_days,
                deliveries_days=settings.keep_deliveries_days,
                keep_events=settings.keep_events,
            ),
        )

    def start(self) -> None:
        """Begin what goes on by itself."""
        self.dispatcher.start()
        self.jobs.worker.start()
        self.retention.start()

    def close(self) -> None:
        """End it; closing twice is fine."""
        self.streams.close()
        self.jobs.worker.stop()
        self.retention.stop()
        self.dispatcher.stop()
        self._file.close()
